import { assert, describe, it } from "@effect/vitest"
import { Context, Effect } from "effect"
import { Retained } from "../../../../src/actors/limits/Retained.ts"
import { ScriptedHttpUpstream, TestHub } from "../../../../src/testkit/index.ts"
import { until } from "../../support/Memory.ts"

const text = "x".repeat(200_000)
const tool = (name: string, description = text) => ({ name, description, inputSchema: { type: "object" } })

describe("lists that a user's sessions keep", () => {
  it.live("A60: beyond the bound are missing with a reason, at that server alone, and bo has all of his", () =>
    Effect.gen(function* () {
      const large = yield* ScriptedHttpUpstream.make({
        methods: { "tools/list": (call) => call.result({ tools: [tool("a"), tool("b")] }) }
      })
      const small = yield* ScriptedHttpUpstream.make({
        methods: { "tools/list": (call) => call.result({ tools: [tool("echo", "")] }) }
      })
      const hub = yield* TestHub.make({
        servers: { large: { url: large.url }, small: { url: small.url } },
        config: { maxMemoryPerUser: 1_000_000 }
      })
      const retained = Context.get(hub.services, Retained)
      const [first, second] = yield* Effect.all([hub.connect(hub.ada), hub.connect(hub.ada)])
      const bo = yield* hub.connect(hub.bo)
      assert.deepStrictEqual(yield* first.toolNames, ["large-a", "large-b", "small-echo"])

      const listed: any = yield* second.request("tools/list")
      assert.deepStrictEqual(
        listed.tools.map(({ name }: any) => name),
        ["small-echo", "mcphub_status"]
      )
      const [missing] = listed._meta["mcphub/missing"]
      assert.strictEqual(missing.server, "large")
      assert.include(missing.reason, "MAX_MEMORY_PER_USER")
      assert.isAtMost(retained.heldBy(hub.ada.user.id).lists, retained.bounds.lists)
      const call: any = yield* Effect.flip(second.request("tools/call", { name: "large-a", arguments: {} }))
      assert.deepInclude(call.data, { kind: "memory_limit", retryable: true, origin: "hub" })
      assert.strictEqual(call.code, 1429)
      assert.strictEqual(call.status, 200)

      assert.deepStrictEqual(yield* bo.toolNames, ["large-a", "large-b", "small-echo"])

      assert.strictEqual(yield* first.end, 204)
      yield* until(() => retained.heldBy(hub.ada.user.id).lists < 10_000)
      assert.deepStrictEqual(yield* second.toolNames, ["large-a", "large-b", "small-echo"])
    })
  )
})
