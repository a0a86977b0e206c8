/**
 * Clients of revision 2026-07-28 on a server of the revisions with sessions: everything that the hub has to translate.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { type Script, ScriptedHttpUpstream, TestHub } from "../../../../src/testkit/index.ts"
import { ask } from "../../support/StatelessClient.ts"

const start = (tools: Readonly<Record<string, Script>>) =>
  Effect.gen(function* () {
    const upstream = yield* ScriptedHttpUpstream.make({ tools })
    const hub = yield* TestHub.make({ servers: { files: { url: upstream.url } } })
    return { hub, upstream }
  })

describe("a client of 2026-07-28 on a server with sessions", () => {
  it.live("is sent to an address by input_required, and its retry is the call again", () =>
    Effect.gen(function* () {
      const visited = new Set<unknown>()
      const { hub, upstream } = yield* start({
        connect: (call) => {
          const user = call.received.headers["x-mcphub-user-id"]
          if (visited.has(user)) return call.content({ user })
          visited.add(user)
          call.error(-32042, "Visit", {
            elicitations: [{ mode: "url", elicitationId: "e-1", message: "Connect", url: "https://x.test/connect" }]
          })
        }
      })
      const call = { name: "files-connect", arguments: {} }
      const options = { capabilities: { elicitation: { url: {} } } }
      const first = (yield* ask(hub.http, hub.ada, "tools/call", call, options)).result
      assert.strictEqual(first.resultType, "input_required")
      assert.deepStrictEqual(first.inputRequests, {
        "elicitation-1": {
          method: "elicitation/create",
          params: { mode: "url", message: "Connect", url: "https://x.test/connect" }
        }
      })
      const retry = {
        ...call,
        inputResponses: { "elicitation-1": { action: "accept" } },
        requestState: first.requestState
      }
      assert.strictEqual((yield* ask(hub.http, hub.bo, "tools/call", retry, options)).error.code, -32602)
      const done = (yield* ask(hub.http, hub.ada, "tools/call", retry, options)).result
      assert.deepStrictEqual(done.structuredContent, { user: hub.ada.user.id })
      assert.strictEqual(upstream.calls("tools/call").length, 2)
      assert.notProperty(upstream.calls("tools/call")[1]!.body!.params!, "inputResponses")
      const undeclared = yield* ask(hub.http, hub.bo, "tools/call", call, { capabilities: { elicitation: {} } })
      assert.strictEqual(undeclared.error.code, -32021)
      assert.deepStrictEqual(undeclared.error.data.requiredCapabilities, { elicitation: { url: {} } })
    })
  )

  it.live("a result that happens to use a field of 2026-07-28 is complete all the same", () =>
    Effect.gen(function* () {
      const { hub } = yield* start({
        odd: (call) => call.result({ content: [], resultType: "input_required", inputRequests: {}, ttlMs: 5 })
      })
      const { result } = yield* ask(hub.http, hub.ada, "tools/call", { name: "files-odd", arguments: {} })
      assert.strictEqual(result.resultType, "complete")
      assert.strictEqual(result.ttlMs, 5)
    })
  )

  it.live("a tool that must run as a task of 2025-11-25 is not shown, the others are, without that word", () =>
    Effect.gen(function* () {
      const { hub, upstream } = yield* start({})
      upstream.script("tools/list", (call) =>
        call.result({
          tools: ["required", "optional"].map((taskSupport) => ({
            name: taskSupport,
            inputSchema: { type: "object" },
            execution: { taskSupport }
          }))
        })
      )
      const { result } = yield* ask(hub.http, hub.ada, "tools/list")
      assert.deepStrictEqual(result.tools, [{ name: "files-optional", inputSchema: { type: "object" } }])
      assert.deepStrictEqual([result.ttlMs, result.cacheScope], [0, "private"])
      const old = yield* hub.connect(hub.bo)
      assert.deepStrictEqual(yield* old.toolNames, ["files-optional", "files-required"])
    })
  )
})
