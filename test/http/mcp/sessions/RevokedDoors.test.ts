/**
 * The end of a key at every door behind which something of its user may wait: nothing of it has an effect afterwards.
 * `Endings.test.ts` has the running call and the open stream, `FairShare.test.ts` the queue.
 */
import { assert, describe, it } from "@effect/vitest"
import { Context, Deferred, Effect, Fiber, Queue, Redacted } from "effect"
import { Sessions } from "../../../../src/actors/registry/Sessions.ts"
import { everything } from "../../../../src/domain/access/Target.ts"
import { HubKeys } from "../../../../src/domain/identity/HubKeys.ts"
import { Principals } from "../../../../src/domain/identity/Principals.ts"
import { Users } from "../../../../src/domain/identity/Users.ts"
import type { ServerConfig } from "../../../../src/domain/servers/ServerConfig.ts"
import {
  type HubUser,
  McpClient,
  type ScriptedCall,
  ScriptedHttpUpstream,
  TestHub
} from "../../../../src/testkit/index.ts"
import type { ScriptedHttpOptions } from "../../../../src/testkit/ScriptedHttpUpstream.ts"
import { eventually } from "../../../support/Eventually.ts"
import * as EventTransportClient from "../../support/EventTransportClient.ts"
import { halfSent } from "../../support/HalfSent.ts"
import { holdingUpstream } from "../../support/HoldingUpstream.ts"
import { ask } from "../../support/StatelessClient.ts"

const call = (name: string, id = 1) => ({
  jsonrpc: "2.0",
  id,
  method: "tools/call",
  params: { name: `files-${name}`, arguments: {} }
})

const initialize = {
  jsonrpc: "2.0",
  id: 1,
  method: "initialize",
  params: { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "slow", version: "1.0.0" } }
}

const running = (servers: Readonly<Record<string, ServerConfig>>) =>
  Effect.gen(function* () {
    const hub = yield* TestHub.make({ servers })
    const principals = Context.get(hub.services, Principals)
    const keys = Context.get(hub.services, HubKeys)
    const users = Context.get(hub.services, Users)
    const sessions = Context.get(hub.services, Sessions)
    /** Until the hub has heard of it, which the callers measure. */
    const heard = ({ key }: Pick<HubUser, "key">) =>
      eventually(
        Effect.sync(() => principals.peek(Redacted.value(key), true)),
        (known) => known === undefined,
        { every: "1 millis" }
      )
    const ended = <A, E>(act: Effect.Effect<A, E>, user: HubUser = hub.ada) =>
      Effect.andThen(Effect.orDie(act), heard(user))
    const names = Effect.map(sessions.list, (list) => list.map(({ username }) => username))
    const revoke = ended(keys.revoke(hub.ada.row.id))
    return { ended, hub, keys, names, principals, revoke, sessions, users }
  })

const start = Effect.fnUntraced(function* (options: ScriptedHttpOptions = {}, more: Partial<ServerConfig> = {}) {
  const upstream = yield* ScriptedHttpUpstream.make(options)
  return { upstream, ...(yield* running({ files: { url: upstream.url, ...more } })) }
})

type Started = Effect.Success<ReturnType<typeof start>>

const calledBy = (upstream: { calls: (method: string) => ReadonlyArray<any> }, { user }: HubUser) =>
  upstream.calls("tools/call").filter(({ headers }) => headers["x-mcphub-user-id"] === user.id)

describe("a body under way when its key ends", () => {
  const ways: ReadonlyArray<readonly [string, (started: Started) => Effect.Effect<unknown, unknown>]> = [
    ["is revoked", ({ hub, keys }) => keys.revoke(hub.ada.row.id)],
    ["has its user disabled", ({ hub, users }) => users.setActive(hub.ada.user.id, false)],
    ["has its user removed", ({ hub, users }) => users.remove(hub.ada.user.id)]
  ]

  for (const [what, act] of ways) {
    it.live(`A51: opens no session, calls nothing and gets the one 401 when the key ${what}; bo's half is served`, () =>
      Effect.gen(function* () {
        const started = yield* start()
        const { ended, hub, names, upstream } = started
        const [ada, bo] = yield* Effect.all([hub.connect(hub.ada), hub.connect(hub.bo)])
        const headers = McpClient.clientHeaders(hub.ada.key)
        const halves = [
          yield* halfSent(hub, { path: "/mcp", headers, message: initialize }),
          yield* halfSent(hub, {
            path: "/mcp",
            headers: { ...headers, "mcp-session-id": "a-label" },
            message: call("echo")
          }),
          yield* halfSent(hub, { path: "/mcp", headers: ada.headers, message: call("echo") })
        ]
        const bos = yield* halfSent(hub, { path: "/mcp", headers: bo.headers, message: call("echo") })
        yield* ended(act(started))
        for (const { finish } of halves) assert.match(yield* finish, /^HTTP\/1.1 401 [^]*www-authenticate/i)
        assert.match(yield* bos.finish, /^HTTP\/1.1 200 /)
        yield* eventually(names, (left) => left.length === 1, { every: "5 millis" })
        assert.deepStrictEqual(yield* names, ["bo"])
        assert.deepStrictEqual([calledBy(upstream, hub.ada).length, calledBy(upstream, hub.bo).length], [0, 1])
      })
    )
  }

  it.live("A51: is refused by the deprecated transport, too", () =>
    Effect.gen(function* () {
      const { hub, names, revoke, upstream } = yield* start()
      const [ada, bo] = [
        yield* EventTransportClient.open(hub, hub.ada),
        yield* EventTransportClient.connect(hub, hub.bo)
      ]
      const half = yield* halfSent(hub, {
        path: ada.endpoint,
        headers: EventTransportClient.headersOf(hub.ada),
        message: call("echo")
      })
      yield* revoke
      assert.match(yield* half.finish, /^HTTP\/1.1 401 /)
      yield* ada.ended
      assert.deepStrictEqual(yield* bo.callTool("files-echo", { n: 1 }), { n: 1 })
      assert.deepStrictEqual([yield* names, calledBy(upstream, hub.ada).length], [["bo"], 0])
    })
  )

  it.live("A51: is served when what was known of its key has only grown old", () =>
    Effect.gen(function* () {
      const { hub, principals } = yield* start()
      const ada = yield* hub.connect(hub.ada)
      const half = yield* halfSent(hub, { path: "/mcp", headers: ada.headers, message: call("echo") })
      // As thirty seconds later, with a database that does not answer.
      Object.assign(principals, { peek: () => undefined, authenticate: () => Effect.die("nobody is asked") })
      assert.match(yield* half.finish, /^HTTP\/1.1 200 /)
    })
  )
})

describe("what waits when its key is revoked", () => {
  for (const isolation of ["session", "shared"] as const) {
    it.live(`A51: for a connection (${isolation}) never reaches the server; who waits with it does`, () =>
      Effect.gen(function* () {
        const opened = yield* Queue.unbounded<ScriptedCall>()
        const started = yield* start(
          { sessions: false, methods: { initialize: (held) => void Queue.offerUnsafe(opened, held) } },
          { isolation }
        )
        const { hub, revoke, upstream } = started
        const [ada, bo] = yield* Effect.all([hub.connect(hub.ada), hub.connect(hub.bo)])
        const [adas, bos] = [
          yield* Effect.forkChild(ada.send(call("echo")), { startImmediately: true }),
          yield* Effect.forkChild(bo.send(call("echo")), { startImmediately: true })
        ]
        const held = [yield* Queue.take(opened), ...(isolation === "session" ? [yield* Queue.take(opened)] : [])]
        const before = performance.now()
        yield* revoke
        assert.strictEqual(JSON.parse((yield* Fiber.join(adas)).text).error.data.kind, "session_closed")
        assert.isBelow(performance.now() - before, 1_000)
        for (const one of held) {
          one.result({
            protocolVersion: "2025-11-25",
            capabilities: { tools: {} },
            serverInfo: { name: "late", version: "1.0.0" }
          })
        }
        assert.property(JSON.parse((yield* Fiber.join(bos)).text), "result")
        assert.strictEqual(upstream.calls("tools/call").length, 1)
        assert.deepStrictEqual(calledBy(upstream, hub.ada), [])
      })
    )
  }

  it.live("A51: parked for its client's answer ends, its server is told, and the retry is 401", () =>
    Effect.gen(function* () {
      const asks = (asking: ScriptedCall): void =>
        asking.event({
          jsonrpc: "2.0",
          id: "q",
          method: "elicitation/create",
          params: { message: "Sure?", requestedSchema: { type: "object", properties: {} } }
        })
      const { hub, revoke, upstream } = yield* start({ tools: { asks } })
      const params = { name: "files-asks", arguments: {} }
      const options = { capabilities: { elicitation: {} } }
      const [adas, bos] = [
        yield* ask(hub.http, hub.ada, "tools/call", params, options),
        yield* ask(hub.http, hub.bo, "tools/call", params, options)
      ]
      assert.strictEqual(adas.result.resultType, "input_required")
      const before = performance.now()
      yield* revoke
      const { headers } = yield* upstream.await(({ body }) => body?.method === "notifications/cancelled")
      assert.isBelow(performance.now() - before, 1_000)
      assert.strictEqual(headers["x-mcphub-user-id"], hub.ada.user.id)
      const inputResponses = { [Object.keys(adas.result.inputRequests)[0]!]: { action: "accept", content: {} } }
      const { requestState } = adas.result
      const retry = yield* ask(hub.http, hub.ada, "tools/call", { ...params, inputResponses, requestState }, options)
      assert.strictEqual(retry.status, 401)
      // Nobody answered ada's question, and bo's is still there.
      assert.isFalse(upstream.received.some(({ body }) => body !== undefined && "result" in body))
      const bosAnswer = { inputResponses, requestState: bos.result.requestState }
      yield* Effect.forkChild(ask(hub.http, hub.bo, "tools/call", { ...params, ...bosAnswer }, options))
      const answered = yield* upstream.await(({ body }) => body !== undefined && "result" in body)
      assert.strictEqual(answered.headers["x-mcphub-user-id"], hub.bo.user.id)
    })
  )

  it.live("A51: of a batch half done is answered at once, and nothing more of it is sent", () =>
    Effect.gen(function* () {
      const { hold, upstream } = yield* holdingUpstream()
      const opened = yield* Deferred.make<ScriptedCall>()
      const mail = yield* ScriptedHttpUpstream.make({
        methods: { initialize: (held) => void Deferred.doneUnsafe(opened, Effect.succeed(held)) }
      })
      const { hub, revoke } = yield* running({ files: { url: upstream.url }, mail: { url: mail.url } })
      const ada = yield* hub.connect(hub.ada, { protocolVersion: "2025-03-26" })
      const bo = yield* hub.connect(hub.bo)
      const bos = yield* hold(bo)
      const batch = [call("echo", 1), call("hold", 2), { ...call("", 3), params: { name: "mail-echo", arguments: {} } }]
      const sent = yield* Effect.forkChild(ada.open(batch).pipe(Effect.flatMap(({ rest }) => rest)))
      yield* upstream.await(
        ({ body, headers }) => body?.params?.["name"] === "hold" && headers["x-mcphub-user-id"] === hub.ada.user.id
      )
      const opening = yield* Deferred.await(opened)
      const before = performance.now()
      yield* revoke
      const answers = (yield* Fiber.join(sent)) as ReadonlyArray<any>
      assert.isBelow(performance.now() - before, 1_000)
      const kinds = Object.fromEntries(answers.map(({ error, id }) => [id, error?.data.kind ?? "result"]))
      assert.deepStrictEqual(kinds, { 1: "result", 2: "session_closed", 3: "session_closed" })
      opening.result({ protocolVersion: "2025-03-26", capabilities: {}, serverInfo: { name: "late", version: "1" } })
      bos.call.content({ fine: true })
      assert.deepStrictEqual((yield* bos.answer).result.structuredContent, { fine: true })
      assert.deepStrictEqual(calledBy(mail, hub.ada), [])
    })
  )

  it.live("A51: on streams, their replay and a shared link: the other user alone goes on hearing", () =>
    Effect.gen(function* () {
      const { hub, revoke, upstream } = yield* start({}, { isolation: "shared" })
      const [ada, bo] = yield* Effect.all([hub.connect(hub.ada), hub.connect(hub.bo)])
      const [adas, bos] = yield* Effect.all([ada.stream, bo.stream])
      for (const client of [ada, bo]) yield* client.callTool("files-echo")
      yield* upstream.await(({ httpMethod }) => httpMethod === "GET")
      const say = (data: string) => upstream.push({ jsonrpc: "2.0", method: "notifications/words", params: { data } })
      yield* eventually(
        Effect.sync(() => say("before")),
        (streams) => streams === 1,
        { every: "5 millis" }
      )
      let seen = yield* adas.event
      while (seen.data === "") seen = yield* adas.event
      yield* revoke
      yield* adas.ended
      assert.strictEqual(say("after"), 1)
      let heard: any = yield* bos.next
      while (heard.params.data !== "after") heard = yield* bos.next
      assert.notInclude(JSON.stringify(yield* adas.rest), "after")
      const replay = yield* ada.resume(seen.id!)
      assert.strictEqual(replay.status, 401)
      assert.notInclude(JSON.stringify(yield* replay.rest), "after")
    })
  )

  it.live("A51: to open a session, or to hold a place for one, gets none, and takes none of its user's places", () =>
    Effect.gen(function* () {
      const { hub, names, principals, revoke, sessions } = yield* start()
      yield* hub.connect(hub.bo)
      const principal = yield* principals.authenticate(hub.ada.key)
      yield* revoke
      const options = { principal, target: everything, capabilities: {}, clientInfo: {} } as const
      const tries = [
        sessions.open({ ...options, protocolVersion: "2025-11-25" }),
        sessions.open({ ...options, protocolVersion: "2026-07-28" }),
        sessions.reserve(principal)
      ]
      for (const attempt of tries) {
        assert.strictEqual((yield* Effect.flip(attempt as Effect.Effect<unknown, any>)).reason._tag, "KeyEnded")
      }
      assert.deepStrictEqual(yield* names, ["bo"])
    }).pipe(Effect.scoped)
  )
})
