import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import type { McpClient } from "../../../../src/testkit/index.ts"
import { listingHub } from "../../support/ListingHub.ts"

const pidOf = (client: McpClient.McpClient, tool: string) =>
  Effect.map(client.callTool(tool), ({ pid }) => pid as number)

describe("a user's next session with servers that are child processes", () => {
  it.live(
    "field B1: is shown their lists without starting them, each starts with its first call, and nobody else is shown them",
    () =>
      Effect.gen(function* () {
        const hub = yield* listingHub(["one", "two"])
        const first = yield* hub.connect(hub.ada)
        assert.strictEqual(hub.started(), 0)
        const shown = ["one-login", "one-of-ada", "one-pid", "two-login", "two-of-ada", "two-pid"]
        assert.deepStrictEqual(yield* first.toolNames, shown)
        assert.strictEqual(hub.started(), 2)

        const next = yield* hub.connect(hub.ada)
        assert.deepStrictEqual(yield* next.toolNames, shown)
        assert.deepStrictEqual(yield* next.request("prompts/list"), { prompts: [] })
        const direct = yield* hub.connect(hub.ada, { path: "/mcp/one" })
        assert.deepInclude(direct.welcome, { capabilities: { tools: {} }, instructions: "Lists what it was told to" })
        assert.deepStrictEqual(yield* direct.toolNames, ["login", "of-ada", "pid"])
        assert.strictEqual(hub.started(), 2)
        assert.notStrictEqual(yield* pidOf(next, "one-pid"), yield* pidOf(first, "one-pid"))
        assert.strictEqual(hub.started(), 3)

        const bo = yield* hub.connect(hub.bo)
        assert.deepStrictEqual(
          yield* bo.toolNames,
          shown.map((name) => name.replace("ada", "bo"))
        )
        assert.strictEqual(hub.started(), 5)
      })
  )

  it.live("field B1: under another key, or after its token has changed, is shown what holds for that token", () =>
    Effect.gen(function* () {
      const hub = yield* listingHub(["one"])
      const other = yield* hub.keys.create({ userId: hub.ada.user.id, name: "other" })
      yield* hub.give(other.row.id, "ada's-other")
      const bo = yield* hub.connect(hub.bo)
      assert.include(yield* bo.toolNames, "one-of-bo")
      assert.include(yield* (yield* hub.connect(hub.ada)).toolNames, "one-of-ada")
      assert.include(yield* (yield* hub.connect(other)).toolNames, "one-of-ada's-other")
      yield* hub.give(hub.ada.row.id, "ada-anew")
      const names = yield* (yield* hub.connect(hub.ada)).toolNames
      assert.include(names, "one-of-ada-anew")
      assert.notInclude(names, "one-of-ada")
      assert.include(yield* (yield* hub.connect(hub.bo)).toolNames, "one-of-bo")
    })
  )

  it.live("field B1: is not shown what the server shows to one session alone", () =>
    Effect.gen(function* () {
      const hub = yield* listingHub(["one"])
      const [ada, bo] = yield* Effect.all([hub.connect(hub.ada), hub.connect(hub.bo)])
      yield* bo.toolNames
      const stream = yield* ada.stream
      yield* ada.callTool("one-login")
      assert.deepInclude(yield* stream.next, { method: "notifications/tools/list_changed" })
      assert.include(yield* ada.toolNames, "one-secret")
      for (const user of [hub.ada, hub.bo]) {
        assert.notInclude(yield* (yield* hub.connect(user)).toolNames, "one-secret")
      }
      assert.notInclude(yield* bo.toolNames, "one-secret")
    })
  )

  it.live(
    "field B1: learns that a server cannot be started any more, and why, instead of being shown what it had",
    () =>
      Effect.gen(function* () {
        const hub = yield* listingHub(["one"])
        const [first, bo] = yield* Effect.all([hub.connect(hub.ada), hub.connect(hub.bo)])
        yield* Effect.all([first.toolNames, bo.toolNames])
        const next = yield* hub.connect(hub.ada)
        const stream = yield* next.stream
        assert.include(yield* next.toolNames, "one-pid")
        yield* hub.list("exit")
        const failed = yield* Effect.flip(next.callTool("one-pid"))
        assert.include(failed.message, "it was told to exit")
        assert.deepInclude(yield* stream.next, { method: "notifications/tools/list_changed" })
        const listed = JSON.stringify(yield* Effect.result(next.request("tools/list")))
        assert.notInclude(listed, "one-pid")
        assert.include(listed, "it was told to exit")
        // Bo's runs, and that ada's does not says nothing about it.
        assert.isNumber(yield* pidOf(bo, "one-pid"))
      })
  )
})
