/** What a server that all users share says without naming the call it is about. */
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect } from "effect"
import { HubMetrics } from "../../../../src/actors/observing/HubMetrics.ts"
import type { ServerConfig } from "../../../../src/domain/servers/ServerConfig.ts"
import { ScriptedStdioUpstream, TestHub } from "../../../../src/testkit/index.ts"
import { holdingUpstream } from "../../support/HoldingUpstream.ts"

const start = Effect.fnUntraced(function* (server: ServerConfig) {
  const hub = yield* TestHub.make({ servers: { files: server } })
  const capabilities = { elicitation: {} }
  const [ada, bo] = yield* Effect.all([hub.connect(hub.ada, { capabilities }), hub.connect(hub.bo, { capabilities })])
  const streams = yield* Effect.all([ada.stream, bo.stream])
  const metrics = Context.get(hub.services, HubMetrics)
  const unattributed = () => metrics.value("mcphub_shared_unattributed_total")
  return { ada, bo, hub, streams, unattributed }
})

const call = (name: string, args: object = {}) => ({
  jsonrpc: "2.0",
  id: 1,
  method: "tools/call",
  params: { name: `files-${name}`, arguments: args }
})

const methods = (messages: ReadonlyArray<unknown>) => messages.map((message) => (message as { method?: string }).method)

describe("a server that all users share", () => {
  it.live("A53: over stdio asks and tells nobody by guess, though one call alone is in flight; that is counted", () =>
    Effect.gen(function* () {
      const { ada, bo, streams, unattributed } = yield* start(ScriptedStdioUpstream.config({}, { isolation: "shared" }))
      yield* bo.callTool("files-echo", { text: "holds the connection" })
      const asked = yield* ada.open(call("ask", { message: "Sure?" }))
      const messages = (yield* asked.rest) as ReadonlyArray<any>
      assert.deepStrictEqual(methods(messages), [undefined])
      assert.strictEqual(messages[0].result.structuredContent.value.code, -32601)
      const logged = yield* Effect.flatMap(ada.open(call("log", { text: "canary-of-ada" })), ({ rest }) => rest)
      assert.deepStrictEqual(methods(logged), [undefined])
      assert.strictEqual(unattributed(), 2)
      // One that names its call reaches that call's user.
      const related = yield* ada.open(call("ask", { message: "Sure?", related: true }))
      const question = (yield* related.next) as any
      assert.strictEqual(question.method, "elicitation/create")
      yield* ada.respond(question.id, { action: "accept", content: {} })
      yield* related.rest
      // What concerns the server as a whole reaches both, and nothing came before it.
      yield* ada.callTool("files-changed")
      for (const stream of streams) {
        assert.strictEqual(((yield* stream.next) as any).method, "notifications/tools/list_changed")
      }
      assert.strictEqual(unattributed(), 2)
    })
  )

  it.live("A53: over HTTP puts what it asks outside of calls to nobody, and tells nobody its log lines there", () =>
    Effect.gen(function* () {
      const { hold, upstream } = yield* holdingUpstream()
      const { ada, bo, streams, unattributed } = yield* start({ url: upstream.url, isolation: "shared" })
      yield* bo.callTool("files-echo")
      const held = yield* hold(ada)
      yield* upstream.await(({ httpMethod }) => httpMethod === "GET")
      assert.strictEqual(upstream.push({ jsonrpc: "2.0", id: "q", method: "elicitation/create", params: {} }), 1)
      const declined = yield* upstream.await(({ body }) => body?.id === "q")
      assert.strictEqual((declined.body as any).error.code, -32601)
      assert.strictEqual(unattributed(), 1)
      const log = { method: "notifications/message", params: { level: "info", data: "maintenance" } }
      // The official SDK logs on this stream also what a tool has to say.
      upstream.push({ jsonrpc: "2.0", ...log })
      const changed = { method: "notifications/prompts/list_changed" }
      upstream.push({ jsonrpc: "2.0", ...changed })
      for (const stream of streams) assert.deepInclude(yield* stream.next, changed)
      assert.strictEqual(unattributed(), 2)
      // A late question of a call comes on that call's stream, which nobody reads any more.
      yield* ada.notify("notifications/cancelled", { requestId: 1 })
      yield* held.answer
      held.call.event({ jsonrpc: "2.0", id: "late", method: "elicitation/create", params: {} })
      upstream.push({ jsonrpc: "2.0", ...changed })
      for (const stream of streams) assert.deepInclude(yield* stream.next, changed)
    })
  )
})
