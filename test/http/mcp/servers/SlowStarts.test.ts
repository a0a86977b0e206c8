import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Queue } from "effect"
import { type ScriptedCall, ScriptedHttpUpstream, TestHub } from "../../../../src/testkit/index.ts"
import { listingHub } from "../../support/ListingHub.ts"

const missingIn = (listed: any): ReadonlyArray<string> =>
  (listed._meta?.["mcphub/missing"] ?? []).map(({ server }: { readonly server: string }) => server)

const quick = ScriptedHttpUpstream.make({
  tools: { now: (call) => call.content({ name: "now" }) },
  methods: { "tools/list": (call) => call.result({ tools: [{ name: "now", inputSchema: { type: "object" } }] }) }
})

describe("a server that takes long to start", () => {
  it.live(
    "field A10: is waited for by its calls, and announced to whoever was answered without its list, over HTTP",
    () =>
      Effect.gen(function* () {
        const held = yield* Queue.unbounded<ScriptedCall>()
        const slow = yield* ScriptedHttpUpstream.make({
          sessions: false,
          tools: { late: (call) => call.content({ name: "late" }) },
          methods: {
            initialize: (call) => void Queue.offerUnsafe(held, call),
            "tools/list": (call) => call.result({ tools: [{ name: "late", inputSchema: { type: "object" } }] })
          }
        })
        const other = yield* quick
        const hub = yield* TestHub.make({
          servers: { slow: { url: slow.url }, quick: { url: other.url } },
          config: { listTimeout: 500 }
        })
        const [ada, bo] = yield* Effect.all([hub.connect(hub.ada), hub.connect(hub.bo)])
        const stream = yield* ada.stream
        const calling = yield* Effect.forkChild(ada.callTool("slow-late"))
        assert.deepStrictEqual(missingIn(yield* ada.request("tools/list")), ["slow"])
        assert.deepInclude(yield* stream.next, { method: "notifications/message" })
        const call = yield* Queue.take(held)
        call.result({
          protocolVersion: "2025-11-25",
          capabilities: { tools: {} },
          serverInfo: { name: "slow", version: "1" }
        })
        assert.deepStrictEqual(yield* Fiber.join(calling), { name: "late" })
        assert.deepInclude(yield* stream.next, { method: "notifications/tools/list_changed" })
        assert.include(yield* ada.toolNames, "slow-late")
        assert.strictEqual(slow.calls("initialize").length, 1)
        // What ada waited for is no connection of bo's.
        assert.deepStrictEqual(missingIn(yield* bo.request("tools/list")), ["slow"])
      })
  )

  it.live("field A10: is started once, however long it takes, and announced when it is there, over stdio", () =>
    Effect.gen(function* () {
      const other = yield* quick
      const hub = yield* listingHub(["slow"], {
        servers: { quick: { url: other.url } },
        config: { listTimeout: 300, initTimeout: 2_000 }
      })
      yield* hub.list("wait")
      const ada = yield* hub.connect(hub.ada)
      const stream = yield* ada.stream
      assert.deepStrictEqual(missingIn(yield* ada.request("tools/list")), ["slow"])
      assert.deepInclude(yield* stream.next, { method: "notifications/message" })
      const failed = yield* Effect.flip(ada.callTool("slow-pid"))
      assert.include(failed.message, "still starting after 2000 ms")
      assert.deepInclude(failed.data as object, { kind: "upstream_unavailable", retryable: true, retryAfterMs: 5_000 })
      yield* hub.list("pid")
      assert.deepInclude(yield* stream.next, { method: "notifications/tools/list_changed" })
      assert.include(yield* ada.toolNames, "slow-of-ada")
      assert.property(yield* ada.callTool("slow-pid"), "pid")
      assert.strictEqual(hub.started(), 1)
      const bo = yield* hub.connect(hub.bo)
      assert.property(yield* bo.callTool("slow-of-bo"), "pid")
      assert.strictEqual((yield* Effect.flip(bo.callTool("slow-of-ada"))).code, -32602)
    })
  )

  it.live("field A10: has as long as its own settings say", () =>
    Effect.gen(function* () {
      const held = yield* Queue.unbounded<ScriptedCall>()
      const silent = yield* ScriptedHttpUpstream.make({
        methods: { initialize: (call) => void Queue.offerUnsafe(held, call) }
      })
      const hub = yield* TestHub.make({
        servers: {
          patient: { url: silent.url, options: { initTimeout: 60_000 } },
          hasty: { url: silent.url, options: { initTimeout: 200 } }
        }
      })
      const [ada, bo] = yield* Effect.all([hub.connect(hub.ada), hub.connect(hub.bo)])
      const waiting = yield* Effect.forkChild(bo.callTool("patient-any"), { startImmediately: true })
      const failed = yield* Effect.flip(ada.callTool("hasty-any"))
      assert.include(failed.message, "within 200 ms")
      assert.include(failed.message, "options.initTimeout")
      yield* Queue.take(held)
      assert.isUndefined(waiting.pollUnsafe())
    })
  )
})
