/** The limit on how much of a user's places one server can hold up, through the whole hub. */
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { HubMetrics } from "../../../../src/actors/observing/HubMetrics.ts"
import { RequestTracker } from "../../../../src/actors/requests/RequestTracker.ts"
import { ServerPlaces } from "../../../../src/actors/upstream/guards/ServerPlaces.ts"
import { UpstreamBreakers } from "../../../../src/actors/upstream/guards/UpstreamBreakers.ts"
import { UpstreamHealth } from "../../../../src/actors/upstream/guards/UpstreamHealth.ts"
import type { HubConfigShape } from "../../../../src/domain/config/HubConfig.ts"
import type { Isolation, ServerConfig } from "../../../../src/domain/servers/ServerConfig.ts"
import { type HubUser, type McpClient, ScriptedHttpUpstream, TestHub } from "../../../../src/testkit/index.ts"
import { eventually } from "../../../support/Eventually.ts"
import { holdingUpstream } from "../../support/HoldingUpstream.ts"
import { stateless } from "../../support/StatelessRequests.ts"

/** A hub with a server that keeps calls and one that answers. */
const start = Effect.fnUntraced(function* (files: ServerConfig, config: Partial<HubConfigShape> = {}) {
  const { hold, upstream } = yield* holdingUpstream()
  const other = yield* ScriptedHttpUpstream.make()
  const servers = { files: { ...files, url: upstream.url }, notes: { url: other.url } }
  const hub = yield* TestHub.make({ servers, config: { maxInflightPerServer: 2, ...config } })
  const places = Context.get(hub.services, ServerPlaces)
  const taken = ({ user }: HubUser, server = "files") => places.taken(user.id, server)
  const reaches = (user: HubUser, count: number) =>
    eventually(
      Effect.sync(() => taken(user)),
      (now) => now === count
    ).pipe(Effect.map((now) => assert.strictEqual(now, count)))
  return { hold, upstream, other, hub, taken, reaches, servers }
})

const call = (name = "files-echo", args = {}) => ({
  jsonrpc: "2.0",
  id: 7,
  method: "tools/call",
  params: { name, arguments: args }
})

const refused = Effect.fnUntraced(function* (client: McpClient.McpClient, message: object, max: number) {
  const { status, text } = yield* client.send(message)
  const { error } = JSON.parse(text)
  assert.deepStrictEqual([status, error.code], [200, 1429])
  const { kind, origin, requestId, retryAfterMs, retryable, server } = error.data
  assert.deepStrictEqual(
    [kind, origin, retryable, retryAfterMs, server],
    ["server_overloaded", "hub", true, 1_000, "files"]
  )
  assert.isString(requestId)
  assert.include(error.message, `${max} requests in flight at server files`)
  assert.include(error.message, "MAX_INFLIGHT_PER_SERVER")
})

const isolations: ReadonlyArray<Isolation> = ["session", "user", "shared"]

describe("a server that hangs", () => {
  for (const isolation of isolations) {
    it.live(
      `A34, B01: holds up no more of a user's requests than its limit, over all sessions (isolation ${isolation})`,
      () =>
        Effect.gen(function* () {
          const { hold, hub, taken, upstream } = yield* start({ isolation })
          const [one, two, bo] = yield* Effect.all([hub.connect(hub.ada), hub.connect(hub.ada), hub.connect(hub.bo)])
          const held = [yield* hold(one), yield* hold(two)]
          const received = upstream.calls("tools/call").length
          for (const client of [one, two]) yield* refused(client, call(), 2)
          assert.strictEqual(upstream.calls("tools/call").length, received)
          assert.strictEqual(taken(hub.ada), 2)

          assert.deepStrictEqual(yield* one.callTool("notes-echo", { ada: 1 }), { ada: 1 })
          assert.deepStrictEqual(yield* bo.callTool("files-echo", { bo: 1 }), { bo: 1 })
          const bos = [yield* hold(bo), yield* hold(bo)]
          yield* refused(bo, call(), 2)

          held[0]!.call.content({ of: "ada" })
          assert.deepStrictEqual((yield* held[0]!.answer).result.structuredContent, { of: "ada" })
          assert.deepStrictEqual(yield* two.callTool("files-echo", { ada: 2 }), { ada: 2 })
          yield* refused(bo, call(), 2)
          for (const { answer, call } of [held[1]!, ...bos]) {
            call.content({})
            yield* answer
          }
          assert.deepStrictEqual([taken(hub.ada), taken(hub.bo), taken(hub.ada, "notes")], [0, 0, 0])
        })
    )
  }

  it.live("A34: has the limit of its own settings before the hub's, and no other server has", () =>
    Effect.gen(function* () {
      const { hold, hub, other } = yield* start({ options: { maxInflight: 1 } })
      const ada = yield* hub.connect(hub.ada)
      other.script("tools/call", () => {})
      const held = yield* hold(ada)
      yield* refused(ada, call(), 1)
      yield* Effect.forkChild(ada.send(call("notes-echo", { n: 1 })))
      yield* Effect.forkChild(ada.send(call("notes-echo", { n: 2 })))
      yield* other.await(({ body }) => (JSON.stringify(body) ?? "").includes('"n":1'))
      yield* other.await(({ body }) => (JSON.stringify(body) ?? "").includes('"n":2'))
      held.call.content({})
      yield* held.answer
      assert.deepStrictEqual(yield* ada.callTool("files-echo", { n: 3 }), { n: 3 })
    })
  )

  it.live("A34: and has all its places taken is still listed, and told what a new connection is to be told", () =>
    Effect.gen(function* () {
      const { hold, hub, taken, upstream } = yield* start({ isolation: "session" })
      const ada = yield* hub.connect(hub.ada)
      const held = [yield* hold(ada), yield* hold(ada)]
      const second = yield* hub.connect(hub.ada)
      yield* second.request("logging/setLevel", { level: "notice" })
      assert.includeMembers([...(yield* second.toolNames)], ["files-echo", "notes-echo"])
      assert.strictEqual(upstream.calls("logging/setLevel").length, 1)
      yield* refused(second, call(), 2)
      // The client's own requests are not exempt, whatever they ask.
      yield* refused(second, { jsonrpc: "2.0", id: 3, method: "logging/setLevel", params: { level: "debug" } }, 2)
      assert.strictEqual(upstream.calls("logging/setLevel").length, 1)
      for (const { answer, call } of held) {
        call.content({})
        yield* answer
      }
      assert.strictEqual(taken(hub.ada), 0)
    })
  )

  it.effect("A34, B01: gives the place of a request back that times out, is cancelled or goes with its session", () =>
    Effect.gen(function* () {
      const { hold, hub, reaches } = yield* start({}, { maxInflightPerServer: 1 })
      const [ada, second, bo] = yield* Effect.all([hub.connect(hub.ada), hub.connect(hub.ada), hub.connect(hub.bo)])
      const bos = yield* hold(bo)
      const late = yield* hold(ada)
      yield* TestClock.adjust("30 seconds")
      assert.strictEqual((yield* late.answer).error.code, 1408)
      yield* reaches(hub.ada, 0)

      const cancelled = yield* Effect.forkChild(Effect.flatMap(hold(ada, { id: 9 }), ({ messages }) => messages))
      yield* reaches(hub.ada, 1)
      yield* refused(second, call(), 1)
      yield* ada.notify("notifications/cancelled", { requestId: 9 })
      yield* Fiber.join(cancelled)
      yield* reaches(hub.ada, 0)

      const closing = yield* hold(second)
      assert.strictEqual(yield* second.end, 204)
      assert.strictEqual((yield* closing.answer).error.data.kind, "session_closed")
      yield* reaches(hub.ada, 0)
      assert.deepStrictEqual(yield* ada.callTool("files-echo", { ada: 1 }), { ada: 1 })
      yield* reaches(hub.bo, 0)
      assert.strictEqual((yield* bos.answer).error.code, 1408)
    })
  )

  it.live("A34: is not to blame: its circuit stays closed, it counts as connected, and no call to it is measured", () =>
    Effect.gen(function* () {
      const { hold, hub } = yield* start({})
      const [ada, bo] = yield* Effect.all([hub.connect(hub.ada), hub.connect(hub.bo)])
      const held = [yield* hold(ada), yield* hold(ada)]
      for (let n = 0; n < 20; n++) yield* refused(ada, call(), 2)
      assert.isUndefined(Context.get(hub.services, UpstreamBreakers).view(hub.ada.user.id, "files"))
      const status = yield* Context.get(hub.services, UpstreamHealth).status
      assert.deepStrictEqual(
        status.filter(({ name }) => name === "files").map(({ reason, state }) => [state, reason]),
        [["connected", undefined]]
      )
      const tracker = Context.get(hub.services, RequestTracker)
      assert.deepStrictEqual((yield* tracker.systemStats).errorsByKind, { server_overloaded: 20 })
      const metrics = yield* Context.get(hub.services, HubMetrics).prometheus
      assert.include(
        metrics,
        'mcp_server_operation_duration_seconds_count{mcp_method_name="tools/call",error_type="server_overloaded"} 20'
      )
      assert.notMatch(metrics, /mcp_client_operation_duration_seconds_count\{[^}]*server_overloaded/)
      for (const { answer, call } of held) {
        call.content({})
        yield* answer
      }
      assert.deepStrictEqual(yield* bo.callTool("files-echo", { bo: 1 }), { bo: 1 })
    })
  )

  it.live("B01: while its connection is being opened holds up no more of a user's requests than its limit either", () =>
    Effect.gen(function* () {
      const { hub, reaches, servers, upstream } = yield* start({})
      const [ada, bo] = yield* Effect.all([
        hub.connect(hub.ada, { path: "/mcp/files" }),
        hub.connect(hub.bo, { path: "/mcp/files" })
      ])
      const elsewhere = yield* hub.connect(hub.ada)
      const deaf = yield* ScriptedHttpUpstream.make({ methods: { initialize: () => {} } })
      yield* hub.setSettings({ mcpServers: { ...servers, files: { url: deaf.url } } })
      const custom = (id: number) => ({ jsonrpc: "2.0", id, method: "files/custom", params: {} })
      yield* Effect.forkChild(ada.send(custom(1)))
      yield* Effect.forkChild(ada.send(custom(2)))
      yield* reaches(hub.ada, 2)
      yield* deaf.await(({ body }) => body?.method === "initialize")
      yield* refused(ada, custom(3), 2)
      assert.deepStrictEqual(yield* elsewhere.callTool("notes-echo", { ada: 1 }), { ada: 1 })
      yield* Effect.forkChild(bo.send(custom(4)))
      yield* reaches(hub.bo, 1)
      assert.strictEqual(upstream.calls("files/custom").length, 0)
      assert.strictEqual(deaf.calls("files/custom").length, 0)
    })
  )

  it.live("A34: counts a call of a 2026-07-28 client that waits for an answer, and the answer is let through", () =>
    Effect.gen(function* () {
      const { hub, taken, upstream } = yield* start({ options: { maxInflight: 1 } })
      upstream.script("tools/call", async (one) => {
        if (one.params["name"] === "echo") return one.content({ user: one.received.headers["x-mcphub-user-id"] })
        const params = { message: "Really?", requestedSchema: { type: "object", properties: {} } }
        const id = `question-${String(one.id)}`
        one.event({ jsonrpc: "2.0", id, method: "elicitation/create", params })
        const { body } = await Effect.runPromise(
          upstream.await(({ body }) => body?.id === id && body.method === undefined)
        )
        one.content({ said: (body!.result as any).content })
      })
      const [ada, bo] = [hub.ada, hub.bo].map((user) => stateless(hub, user, { capabilities: { elicitation: {} } }))
      const asked = yield* ada!("tools/call", { name: "files-hold", arguments: {} })
      assert.strictEqual(asked.result.resultType, "input_required")
      assert.strictEqual(taken(hub.ada), 1)
      const more = yield* ada!("tools/call", { name: "files-echo", arguments: {} })
      assert.deepStrictEqual([more.status, more.error?.code], [200, 1429])
      const bos = yield* bo!("tools/call", { name: "files-echo", arguments: {} })
      assert.deepStrictEqual(bos.result.structuredContent, { user: hub.bo.user.id })
      const [question] = Object.keys(asked.result.inputRequests)
      const answered = yield* ada!("tools/call", {
        name: "files-hold",
        arguments: {},
        inputResponses: { [question!]: { action: "accept", content: { from: "ada" } } },
        requestState: asked.result.requestState
      })
      assert.deepStrictEqual(answered.result.structuredContent, { said: { from: "ada" } })
      assert.strictEqual(taken(hub.ada), 0)
      assert.isDefined((yield* ada!("tools/call", { name: "files-echo", arguments: {} })).result)
    })
  )
})
