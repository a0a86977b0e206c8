import { assert, describe, it } from "@effect/vitest"
import { Context, Effect } from "effect"
import { RequestTracker } from "../../../../src/actors/requests/RequestTracker.ts"
import { type Script, type ScriptedCall, ScriptedHttpUpstream, TestHub } from "../../../../src/testkit/index.ts"

const says =
  (name: string): Script =>
  (call) =>
    call.content({ name })

/** A server with just these tools. */
const server = (...tools: ReadonlyArray<string>) =>
  ScriptedHttpUpstream.make({
    tools: Object.fromEntries(tools.map((tool) => [tool, says(tool)])),
    methods: {
      "tools/list": (call) => call.result({ tools: tools.map((name) => ({ name, inputSchema: { type: "object" } })) })
    }
  })

describe("the names of tools", () => {
  it.live("A29, defect 24: two servers that would expose the same name expose neither, and no call is guessed", () =>
    Effect.gen(function* () {
      const a = yield* server("b-c", "own")
      const ab = yield* server("c", "other-tool")
      const hub = yield* TestHub.make({ servers: { a: { url: a.url }, "a-b": { url: ab.url } } })
      const [ada, bo] = yield* Effect.all([hub.connect(hub.ada), hub.connect(hub.bo)])
      assert.deepStrictEqual(yield* ada.toolNames, ["a-b-other-tool", "a-own"])
      for (const client of [ada, bo]) {
        assert.strictEqual((yield* Effect.flip(client.callTool("a-b-c"))).code, -32602)
        assert.deepStrictEqual(yield* client.callTool("a-b-other-tool"), { name: "other-tool" })
        assert.deepStrictEqual(yield* client.callTool("a-own"), { name: "own" })
      }
      assert.deepStrictEqual([a.calls("tools/call").length, ab.calls("tools/call").length], [2, 2])
    })
  )

  it.live("a bare name leads to the one server that has it, and nowhere when two have it", () =>
    Effect.gen(function* () {
      const one = yield* server("alone", "twice")
      const two = yield* server("twice")
      const hub = yield* TestHub.make({ servers: { one: { url: one.url }, two: { url: two.url } } })
      const ada = yield* hub.connect(hub.ada)
      assert.deepStrictEqual(yield* ada.callTool("alone"), { name: "alone" })
      assert.strictEqual((yield* Effect.flip(ada.callTool("twice"))).code, -32602)
      assert.deepStrictEqual(yield* ada.callTool("two-twice"), { name: "twice" })
    })
  )

  it.live("a tool switched off in the settings is neither listed nor called, a replaced description is shown", () =>
    Effect.gen(function* () {
      const files = yield* server("read", "write")
      const hub = yield* TestHub.make({
        servers: {
          files: { url: files.url, tools: { write: { enabled: false }, "files-read": { description: "Reads a file" } } }
        }
      })
      const ada = yield* hub.connect(hub.ada)
      const { tools } = yield* ada.request("tools/list")
      assert.deepStrictEqual(tools, [
        { name: "files-read", description: "Reads a file", inputSchema: { type: "object" } }
      ])
      for (const name of ["files-write", "write"]) {
        assert.strictEqual((yield* Effect.flip(ada.callTool(name))).code, -32602)
      }
      assert.strictEqual(files.calls("tools/call").length, 0)
    })
  )

  it.live("the separator is configuration", () =>
    Effect.gen(function* () {
      const files = yield* server("read")
      const hub = yield* TestHub.make({ servers: { files: { url: files.url } }, config: { nameSeparator: "__" } })
      const ada = yield* hub.connect(hub.ada)
      assert.deepStrictEqual(yield* ada.toolNames, ["files__read"])
      assert.deepStrictEqual(yield* ada.callTool("files__read"), { name: "read" })
    })
  )
})

describe("a list with a server that does not answer", () => {
  it.live(
    "B13, defect 22: comes without it, says which and why, and is announced as changed when it answers after all",
    () =>
      Effect.gen(function* () {
        const held: Array<ScriptedCall> = []
        const quick = yield* server("now")
        const slow = yield* ScriptedHttpUpstream.make({ methods: { "tools/list": (call) => void held.push(call) } })
        const dead = "http://127.0.0.1:1/mcp"
        const hub = yield* TestHub.make({
          servers: { quick: { url: quick.url }, slow: { url: slow.url }, dead: { url: dead } },
          config: { listTimeout: 500 }
        })
        const ada = yield* hub.connect(hub.ada)
        const stream = yield* ada.stream
        // Connected to already: only its answer has to come in time.
        yield* ada.callTool("quick-now")
        const listed = (yield* ada.request("tools/list")) as any
        assert.deepStrictEqual(
          listed.tools.map(({ name }: { name: string }) => name),
          ["quick-now", "mcphub_status"]
        )
        assert.deepInclude(yield* stream.next, { method: "notifications/message" })
        const missing = new Map<string, string>(
          listed._meta["mcphub/missing"].map(({ reason, server: name }: any) => [name, reason])
        )
        assert.deepStrictEqual([...missing.keys()].sort(), ["dead", "slow"])
        assert.include(missing.get("slow"), "500 ms")
        assert.include(missing.get("dead")!.toLowerCase(), "refused")
        // A call to a server that is there does not wait for one that is not.
        assert.deepStrictEqual(yield* ada.callTool("quick-now"), { name: "now" })
        held[0]!.result({ tools: [{ name: "late", inputSchema: { type: "object" } }] })
        assert.deepInclude(yield* stream.next, { method: "notifications/tools/list_changed" })
        assert.deepStrictEqual(yield* ada.toolNames, ["mcphub_status", "quick-now", "slow-late"])
        assert.strictEqual(held.length, 1)
      })
  )

  it.live("B34: fifty first requests at once open one connection and fetch each list once", () =>
    Effect.gen(function* () {
      const files = yield* server("read")
      const hub = yield* TestHub.make({ servers: { files: { url: files.url } } })
      const [ada, bo] = yield* Effect.all([hub.connect(hub.ada), hub.connect(hub.bo)])
      const answers = yield* Effect.all(
        [ada, bo].flatMap((client) => Array.from({ length: 25 }, () => client.callTool("files-read"))),
        { concurrency: "unbounded" }
      )
      assert.isTrue(answers.every(({ name }) => name === "read"))
      assert.strictEqual(files.calls("initialize").length, 2)
      assert.strictEqual(files.calls("tools/list").length, 2)
      const stats = yield* Context.get(hub.services, RequestTracker).systemStats
      assert.strictEqual(stats.pending, 0)
    })
  )
})
