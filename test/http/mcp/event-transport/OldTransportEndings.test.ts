/** The ends of a session over HTTP+SSE: with its stream, its key, its user's patience, or the hub. */
import { assert, describe, it } from "@effect/vitest"
import { Context, Deferred, Effect, Fiber, Queue } from "effect"
import type { HubConfigShape } from "../../../../src/domain/config/HubConfig.ts"
import { HubKeys } from "../../../../src/domain/identity/HubKeys.ts"
import { Sessions } from "../../../../src/actors/registry/Sessions.ts"
import { UserLimits } from "../../../../src/actors/limits/UserLimits.ts"
import { TestHub } from "../../../../src/testkit/index.ts"
import { eventually } from "../../../support/Eventually.ts"
import * as RudeClients from "../../../../src/testkit/RudeClients.ts"
import { connect, type EventClient, get, headersOf, introduction, open } from "../../support/EventTransportClient.ts"
import { holdingUpstream } from "../../support/HoldingUpstream.ts"

const start = Effect.fnUntraced(function* (config: Partial<HubConfigShape> = {}) {
  const { arrived, upstream } = yield* holdingUpstream()
  const hub = yield* TestHub.make({ servers: { files: { url: upstream.url } }, config })
  const sessions = Context.get(hub.services, Sessions)
  const limits = Context.get(hub.services, UserLimits)
  /** A call of this client that its server has got and keeps. */
  const hold = Effect.fnUntraced(function* (client: EventClient, id: string) {
    const params = { name: "files-hold", arguments: {} }
    assert.strictEqual((yield* client.post({ jsonrpc: "2.0", id, method: "tools/call", params })).status, 202)
    return yield* Queue.take(arrived)
  })
  const users = Effect.map(sessions.list, (all) => all.map(({ username }) => username).sort())
  const places = Effect.sync(() => limits.taken(hub.ada.user.id, "sessions"))
  return { hold, hub, places, sessions, upstream, users }
})

describe("a session over HTTP+SSE", () => {
  it.live("B14: ends with its stream: its calls are cancelled, its servers left, its id unknown, within a second", () =>
    Effect.gen(function* () {
      const { hold, hub, places, upstream, users } = yield* start()
      const [ada, bo] = [yield* connect(hub, hub.ada), yield* connect(hub, hub.bo)]
      const call = yield* hold(ada, "lost")
      const bos = yield* hold(bo, "kept")
      assert.deepStrictEqual([yield* users, yield* places], [["ada", "bo"], 1])
      const before = performance.now()
      yield* ada.abandon
      const told = yield* upstream.await(({ body }) => body?.method === "notifications/cancelled")
      assert.strictEqual(told.body!.params!["requestId"], call.id)
      yield* upstream.await(({ httpMethod }) => httpMethod === "DELETE")
      const left = yield* eventually(Effect.all([users, places]), ([, taken]) => taken === 0, { every: "10 millis" })
      assert.deepStrictEqual(left, [["bo"], 0])
      assert.isBelow(performance.now() - before, 1_000)
      assert.strictEqual((yield* ada.send("ping")).status, 404)
      bos.content({ fine: true })
      assert.deepStrictEqual((yield* bo.answerTo("kept")).result.structuredContent, { fine: true })
    })
  )

  it.live("A36: ends with its key within a second, and so does a stream on which no session has begun", () =>
    Effect.gen(function* () {
      const { hold, hub, places, users } = yield* start()
      const [ada, silent, bo, silentBo] = [
        yield* connect(hub, hub.ada),
        yield* open(hub, hub.ada),
        yield* connect(hub, hub.bo),
        yield* open(hub, hub.bo)
      ]
      yield* hold(ada, "running")
      const before = performance.now()
      yield* Context.get(hub.services, HubKeys).revoke(hub.ada.row.id)
      assert.deepInclude((yield* ada.answerTo("running")).error, { code: 1499 })
      yield* Effect.all([ada.ended, silent.ended])
      assert.isBelow(performance.now() - before, 1_000)
      for (const { endpoint } of [ada, silent]) {
        const { status } = yield* hub.http.send({ path: endpoint, headers: headersOf(hub.ada), body: "{}" })
        assert.strictEqual(status, 401)
      }
      assert.strictEqual((yield* get(hub, hub.ada)).status, 401)
      assert.strictEqual(yield* eventually(places, (taken) => taken === 0, { every: "10 millis" }), 0)
      assert.deepStrictEqual(yield* users, ["bo"])
      assert.deepStrictEqual(yield* bo.callTool("files-echo", { n: 1 }), { n: 1 })
      assert.strictEqual(
        (yield* silentBo.request("initialize", introduction("2025-11-25"))).protocolVersion,
        "2025-11-25"
      )
    })
  )

  it.live("A34: has a place from its stream on: one too many is 429 with Retry-After, and nobody else's matter", () =>
    Effect.gen(function* () {
      const { hold, hub, places } = yield* start({ maxSessionsPerUser: 2, maxInflightPerUser: 1 })
      const ada = yield* connect(hub, hub.ada)
      const silent = yield* open(hub, hub.ada)
      const refused = yield* get(hub, hub.ada)
      assert.strictEqual(refused.status, 429)
      assert.match(refused.headers["retry-after"]!, /^[1-9]\d*$/)
      const bo = yield* connect(hub, hub.bo)
      yield* silent.abandon
      assert.strictEqual(yield* eventually(places, (taken) => taken === 1, { every: "10 millis" }), 1)
      yield* connect(hub, hub.ada)

      const call = yield* hold(ada, "first")
      const overloaded = yield* ada.send("tools/list")
      assert.strictEqual(overloaded.status, 429)
      assert.match(overloaded.headers["retry-after"]!, /^[1-9]\d*$/)
      assert.deepStrictEqual(yield* bo.callTool("files-echo", { bo: 1 }), { bo: 1 })
      call.content({ fine: true })
      assert.deepStrictEqual((yield* ada.answerTo("first")).result.structuredContent, { fine: true })
    })
  )

  it.live("ends from the operator's side with its stream, and calls in flight are answered first", () =>
    Effect.gen(function* () {
      const { hold, hub, sessions } = yield* start()
      const [ada, bo] = [yield* connect(hub, hub.ada), yield* connect(hub, hub.bo)]
      yield* hold(ada, "running")
      const own = (yield* sessions.list).find(({ username }) => username === "ada")!
      yield* sessions.close(own.sessionId, "ended by the operator")
      assert.deepInclude((yield* ada.answerTo("running")).error, { code: 1499 })
      yield* ada.ended
      assert.strictEqual((yield* ada.send("ping")).status, 404)
      assert.deepStrictEqual(yield* bo.callTool("files-echo", { n: 1 }), { n: 1 })
    })
  )

  it.live("is drained: what runs is answered on its stream, what is new is 503 with Retry-After", () =>
    Effect.gen(function* () {
      const { hold, hub, sessions } = yield* start()
      const ada = yield* connect(hub, hub.ada)
      const silent = yield* open(hub, hub.bo)
      const call = yield* hold(ada, "running")
      const draining = yield* Effect.forkChild(sessions.drain(10_000), { startImmediately: true })
      for (const refused of [
        yield* get(hub, hub.bo),
        yield* ada.send("tools/list"),
        yield* silent.send("initialize", introduction("2024-11-05"))
      ]) {
        assert.strictEqual(refused.status, 503)
        assert.match(refused.headers["retry-after"]!, /^[1-9]\d*$/)
      }
      call.content({ fine: true })
      assert.deepStrictEqual((yield* ada.answerTo("running")).result.structuredContent, { fine: true })
      yield* Fiber.join(draining)
      yield* ada.ended
    })
  )

  it.live("B15: of a client that never reads ends at the bound, and nobody else notices", () =>
    Effect.gen(function* () {
      const { hub, users } = yield* start()
      const bo = yield* connect(hub, hub.bo)
      const { origin } = new URL(hub.url)
      const socket = yield* RudeClients.socketTo(origin)
      const endpoint = yield* Deferred.make<string>()
      let text = ""
      socket.on("data", (chunk: Buffer) => {
        text += chunk.toString("latin1")
        const path = /data: (\/messages\S+)\n/.exec(text)?.[1]
        if (path === undefined) return
        socket.pause()
        Deferred.doneUnsafe(endpoint, Effect.succeed(path))
      })
      yield* RudeClients.write(socket, { method: "GET", path: "/sse", headers: headersOf(hub.ada) })
      const path = yield* Deferred.await(endpoint)
      const post = (message: object) =>
        hub.http.send({ path, headers: headersOf(hub.ada), body: JSON.stringify({ jsonrpc: "2.0", ...message }) })
      yield* post({ id: 0, method: "initialize", params: introduction("2024-11-05") })
      const params = { name: "files-echo", arguments: { padding: "x".repeat(1_000_000) } }
      let sent = 0
      let status = 202
      while (status === 202 && sent < 2_000) {
        const waiting = yield* Effect.forkChild(bo.callTool("files-echo", { sent }))
        status = (yield* post({ id: ++sent, method: "tools/call", params })).status
        assert.deepStrictEqual(yield* Fiber.join(waiting), { sent: sent - 1 })
      }
      assert.strictEqual(status, 404)
      assert.deepStrictEqual(yield* eventually(users, ({ length }) => length === 1), ["bo"])
    })
  )
})
