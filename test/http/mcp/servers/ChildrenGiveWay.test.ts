import { assert, describe, it } from "@effect/vitest"
import { Context, Effect } from "effect"
import { StdioChildren } from "../../../../src/actors/upstream/stdio/StdioChildren.ts"
import { type McpClient, ScriptedStdioUpstream, TestHub } from "../../../../src/testkit/index.ts"

type Client = McpClient.McpClient

const scripted = ScriptedStdioUpstream.config()

/** The messages of a call's answer, and its result at the end. */
const listened = Effect.fnUntraced(function* (client: Client, name: string) {
  const answer = yield* client.open({ jsonrpc: "2.0", id: name, method: "tools/call", params: { name, arguments: {} } })
  const messages: Array<any> = []
  while (true) {
    const message: any = yield* answer.next
    if ("result" in message || "error" in message) return { messages, ...message }
    messages.push(message)
  }
})

const pidOf = (client: Client, server: string) =>
  Effect.map(client.callTool(`${server}-pid`), ({ value }) => (value as { readonly pid: number }).pid)

describe("a child process that nobody uses", () => {
  it.live(
    "field B1: gives way, the least recently used first, before its user is refused one; its client is told once, and nobody else loses anything",
    () =>
      Effect.gen(function* () {
        const hub = yield* TestHub.make({
          servers: { one: scripted, two: scripted },
          config: { maxChildrenPerUser: 2 }
        })
        const bo = yield* hub.connect(hub.bo)
        const ofBo = yield* pidOf(bo, "one")
        const windows = yield* Effect.all([1, 2, 3].map(() => hub.connect(hub.ada)))
        const [first, second, third] = windows as [Client, Client, Client]
        yield* first.callTool("one-set-context", { project: "ada's" })
        const ofSecond = yield* pidOf(second, "one")
        assert.isNumber(yield* pidOf(third, "one"))

        // The first window's gave way; what it had set is gone, and it hears that with its next answer.
        const again = yield* listened(first, "one-get-data")
        assert.deepInclude(again.result.structuredContent.value, { project: null })
        assert.strictEqual(again.result._meta["mcphub/restarted"].server, "one")
        assert.include(again.result._meta["mcphub/restarted"].reason, "made room")
        assert.strictEqual(again.messages.length, 1)
        assert.deepInclude(again.messages[0], { method: "notifications/message" })
        assert.deepInclude(again.messages[0].params, { level: "warning", logger: "mcphub" })
        assert.include(again.messages[0].params.data, "kept for this session is gone")
        const later = yield* listened(first, "one-get-data")
        assert.deepStrictEqual([later.messages, later.result._meta], [[], undefined])

        // That took the second one's, whose turn it was.
        assert.notStrictEqual(yield* pidOf(second, "one"), ofSecond)
        const boAgain = yield* listened(bo, "one-pid")
        assert.strictEqual(boAgain.result.structuredContent.value.pid, ofBo)
        assert.deepStrictEqual([boAgain.messages, boAgain.result._meta], [[], undefined])
        assert.strictEqual(Context.get(hub.services, StdioChildren).live(), 3)
      })
  )

  it.live("field B1: is not one whose session has a stream open or a call under way", () =>
    Effect.gen(function* () {
      const hub = yield* TestHub.make({ servers: { one: scripted }, config: { maxChildrenPerUser: 2 } })
      const bo = yield* hub.connect(hub.bo)
      yield* pidOf(bo, "one")
      const streaming = yield* hub.connect(hub.ada)
      const kept = yield* pidOf(streaming, "one")
      yield* streaming.stream
      const busy = yield* hub.connect(hub.ada)
      const alsoKept = yield* pidOf(busy, "one")
      const asking = yield* busy.open({
        jsonrpc: "2.0",
        id: 1,
        method: "tools/call",
        params: { name: "one-progress", arguments: { steps: 1 }, _meta: { progressToken: "p" } }
      })
      yield* asking.next
      yield* busy.stream
      const refused = yield* Effect.flip(pidOf(yield* hub.connect(hub.ada), "one"))
      assert.strictEqual(refused.code, 1503)
      assert.include(refused.message, "MAX_CHILDREN_PER_USER")
      assert.deepInclude(refused.data as object, { kind: "process_limit", retryable: true, origin: "hub" })
      assert.strictEqual(yield* pidOf(streaming, "one"), kept)
      assert.strictEqual(yield* pidOf(busy, "one"), alsoKept)
    })
  )

  it.live(
    "field B1: and was never called is given up first, also by a session that is in use, and nothing is lost",
    () =>
      Effect.gen(function* () {
        const servers = Object.fromEntries(["a", "b", "c", "d"].map((name) => [name, scripted]))
        const hub = yield* TestHub.make({ servers, config: { maxChildrenPerUser: 2 } })
        const [ada, bo] = yield* Effect.all([hub.connect(hub.ada), hub.connect(hub.bo)])
        yield* ada.stream
        const used = yield* pidOf(ada, "a")
        const ofBo = yield* pidOf(bo, "a")
        // Four servers and two places: every one of them lists what it has.
        const listed = yield* ada.request("tools/list")
        assert.notProperty(listed, "_meta", JSON.stringify(listed["_meta"]))
        const again = yield* listened(ada, "a-pid")
        assert.strictEqual(again.result.structuredContent.value.pid, used)
        assert.deepStrictEqual([again.messages, again.result._meta], [[], undefined])
        assert.strictEqual(yield* pidOf(bo, "a"), ofBo)
      })
  )
})

describe("a hub that may run no more processes", () => {
  it.live("field B1: takes one of a user who has more of them, and none for a user who has as many", () =>
    Effect.gen(function* () {
      const hub = yield* TestHub.make({
        servers: { one: scripted, two: scripted, three: scripted },
        config: { maxChildren: 3 }
      })
      const [ada, bo] = yield* Effect.all([hub.connect(hub.ada), hub.connect(hub.bo)])
      for (const server of ["one", "two", "three"]) yield* pidOf(ada, server)
      const ofBo = yield* pidOf(bo, "one")
      yield* bo.stream
      assert.property((yield* listened(ada, "two-pid")).result, "structuredContent")
      // Ada has two, and bo one that is in use: another for bo would leave her fewer than him.
      const refused = yield* Effect.flip(
        pidOf(yield* hub.connect(hub.bo, { clientInfo: { name: "other", version: "1" } }), "two")
      )
      assert.include(refused.message, "MAX_CHILDREN")
      assert.notInclude(refused.message, "MAX_CHILDREN_PER_USER")
      assert.strictEqual(yield* pidOf(bo, "one"), ofBo)
    })
  )
})
