/**
 * Faults inside the hub: each costs only the request or session in which it happens, is counted, and nobody else
 * notices.
 */
import { assert, describe, it } from "@effect/vitest"
import { Clock, Context, Deferred, Effect, Fiber, Layer } from "effect"
import { TestClock } from "effect/testing"
import { HubMetrics } from "../../../../src/actors/observing/HubMetrics.ts"
import { Measures } from "../../../../src/actors/limits/Pressure.ts"
import { Sessions } from "../../../../src/actors/registry/Sessions.ts"
import { UserLimits } from "../../../../src/actors/limits/UserLimits.ts"
import { UpstreamHeaders } from "../../../../src/actors/upstream/connection/UpstreamHeaders.ts"
import { faults, type RunningHub, ScriptedHttpUpstream, TestHub } from "../../../../src/testkit/index.ts"
import * as RudeClients from "../../../../src/testkit/RudeClients.ts"
import { holdingUpstream } from "../../support/HoldingUpstream.ts"
import { requestOf } from "../../support/StatelessClient.ts"

const call = (name: string, args: object = {}) => ({
  jsonrpc: "2.0",
  id: 1,
  method: "tools/call",
  params: { name, arguments: args }
})

/** The hub's own headers, but that something is done first. */
const before = (run: (body: string, username: string) => Effect.Effect<void>) =>
  Layer.effect(
    UpstreamHeaders,
    Effect.map(UpstreamHeaders, (headers) =>
      UpstreamHeaders.of({
        ...headers,
        headers: (options) =>
          Effect.andThen(run(String(options.body), options.context.principal.username), headers.headers(options))
      })
    )
  ).pipe(Layer.provide(UpstreamHeaders.layer))

/** A clock whose wall time is set while its monotonic time, which tests move, goes on. */
const movable = (clock: Clock.Clock) => {
  let offset = 0
  const millis = () => clock.currentTimeMillisUnsafe() + offset
  const nanos = () => clock.currentTimeNanosUnsafe() + BigInt(offset) * 1_000_000n
  return {
    ...clock,
    currentTimeMillisUnsafe: millis,
    currentTimeMillis: Effect.sync(millis),
    currentTimeNanosUnsafe: nanos,
    currentTimeNanos: Effect.sync(nanos),
    move: (ms: number) => void (offset += ms)
  }
}

describe("a defect in a session", () => {
  it.live("B22: fails the one request, and ends the session when there are too many; nobody else's", () =>
    Effect.gen(function* () {
      const { hold, upstream } = yield* holdingUpstream()
      const replace = before((body) =>
        body.includes("explode") ? Effect.die(new Error("canary-defect in the middle of a request")) : Effect.void
      )
      const hub = yield* TestHub.make({ servers: { files: { url: upstream.url } }, replace })
      const [ada, second, bo] = yield* Effect.all([hub.connect(hub.ada), hub.connect(hub.ada), hub.connect(hub.bo)])
      const running = yield* hold(ada)
      const bosRunning = yield* hold(bo)
      const explode = Effect.map(ada.send(call("files-echo", { explode: 1 })), ({ status, text }) => {
        assert.notInclude(text, "canary-defect")
        return { status, error: JSON.parse(text).error }
      })
      const { error, status } = yield* explode
      assert.deepStrictEqual([status, error.code, error.data.kind], [200, -32603, "internal"])
      assert.deepStrictEqual(yield* ada.callTool("files-echo", { next: 1 }), { next: 1 })
      running.call.content({ still: "ada's" })
      assert.deepStrictEqual((yield* running.answer).result.structuredContent, { still: "ada's" })
      for (let n = 0; n < 9; n++) yield* explode
      const answer = yield* ada.send(call("files-echo"))
      assert.strictEqual(answer.status, 404)
      bosRunning.call.content({ still: "bo's" })
      assert.deepStrictEqual((yield* bosRunning.answer).result.structuredContent, { still: "bo's" })
      assert.deepStrictEqual(yield* second.callTool("files-echo", { n: 2 }), { n: 2 })
      const again = yield* hub.connect(hub.ada)
      assert.deepStrictEqual(yield* again.callTool("files-echo", { n: 3 }), { n: 3 })
    })
  )
})

describe("what does not come to an end", () => {
  const parts = Effect.fnUntraced(function* (hub: RunningHub & { readonly services: Context.Context<any> }) {
    const sessions: Sessions["Service"] = Context.get(hub.services, Sessions)
    const metrics: HubMetrics["Service"] = Context.get(hub.services, HubMetrics)
    const limits: UserLimits["Service"] = Context.get(hub.services, UserLimits)
    const adas = (yield* sessions.list).find(({ username }) => username === "ada")!
    return {
      adas,
      end: Effect.forkChild(sessions.close(adas.sessionId, "for the test"), { startImmediately: true }),
      leftBehind: () => metrics.value("mcphub_sessions_left_behind_total"),
      places: () => limits.taken(hub.ada.user.id, "sessions"),
      names: Effect.map(sessions.list, (all) => all.map(({ username }) => username))
    }
  })

  it.effect("B23: a request that cannot be interrupted holds its session's end for a second, and is counted", () =>
    Effect.gen(function* () {
      const upstream = yield* ScriptedHttpUpstream.make()
      const entered = yield* Deferred.make<void>()
      const hanging = yield* Deferred.make<void>()
      const replace = before((body) =>
        body.includes("hold-on")
          ? Effect.uninterruptible(Effect.andThen(Deferred.succeed(entered, undefined), Deferred.await(hanging)))
          : Effect.void
      )
      const hub = yield* TestHub.make({ servers: { files: { url: upstream.url } }, replace })
      yield* Effect.addFinalizer(() => Deferred.succeed(hanging, undefined))
      const [ada, bo] = yield* Effect.all([hub.connect(hub.ada), hub.connect(hub.bo)])
      const stuck = yield* Effect.forkChild(ada.send(call("files-echo", { "hold-on": 1 })))
      yield* Deferred.await(entered)
      const { end, leftBehind, names } = yield* parts(hub)
      const ending = yield* end
      // Its client is answered at once.
      assert.strictEqual(JSON.parse((yield* Fiber.join(stuck)).text).error.data.kind, "session_closed")
      yield* TestClock.adjust("900 millis")
      assert.isUndefined(ending.pollUnsafe())
      yield* TestClock.adjust("200 millis")
      yield* Fiber.join(ending)
      assert.strictEqual(leftBehind(), 1)
      assert.deepStrictEqual(yield* names, ["bo"])
      assert.deepStrictEqual(yield* bo.callTool("files-echo", { bo: 1 }), { bo: 1 })
    })
  )

  it.effect(
    "B23: a finalizer that hangs holds nobody longer than five seconds, is counted, and its place is free",
    () =>
      Effect.gen(function* () {
        const upstream = yield* ScriptedHttpUpstream.make()
        const hanging = yield* Deferred.make<void>()
        let isEnding = false
        const hub = yield* TestHub.make({
          servers: { files: { url: upstream.url, isolation: "session" } },
          config: { maxSessionsPerUser: 1 },
          // Whatever ada's connection still sends, its DELETE above all, never gets as far as the wire.
          replace: before((_, username) =>
            isEnding && username === "ada" ? Effect.uninterruptible(Deferred.await(hanging)) : Effect.void
          )
        })
        yield* Effect.addFinalizer(() => Deferred.succeed(hanging, undefined))
        const [ada, bo] = yield* Effect.all([hub.connect(hub.ada), hub.connect(hub.bo)])
        yield* Effect.all([ada.callTool("files-echo"), bo.callTool("files-echo")])
        const { end, leftBehind, names, places } = yield* parts(hub)
        isEnding = true
        const ending = yield* end
        yield* TestClock.adjust("4900 millis")
        assert.isUndefined(ending.pollUnsafe())
        assert.strictEqual(places(), 1)
        yield* TestClock.adjust("200 millis")
        yield* Fiber.join(ending)
        assert.strictEqual(leftBehind(), 1)
        assert.deepStrictEqual(yield* names, ["bo"])
        assert.strictEqual(places(), 0)
        assert.deepStrictEqual(yield* bo.callTool("files-echo", { bo: 1 }), { bo: 1 })
        isEnding = false
        const next = yield* hub.connect(hub.ada)
        assert.deepStrictEqual(yield* next.callTool("files-echo", { n: 1 }), { n: 1 })
      })
  )
})

describe("a wall clock that is set", () => {
  for (const jumpMs of [3_600_000, -3_600_000]) {
    it.effect(`B27: by ${jumpMs / 60_000} minutes ends no session, no call and no stream, and delays no end`, () =>
      Effect.gen(function* () {
        const clock = movable(yield* Clock.Clock)
        yield* Effect.gen(function* () {
          const { hold, upstream } = yield* holdingUpstream()
          const hub = yield* TestHub.make({ servers: { files: { url: upstream.url } } })
          const sessions = Context.get(hub.services, Sessions)
          const [ada, bo, idle] = yield* Effect.all([hub.connect(hub.ada), hub.connect(hub.bo), hub.connect(hub.bo)])
          const running = yield* hold(ada)
          const stream = yield* bo.stream
          yield* idle.callTool("files-echo")
          clock.move(jumpMs)
          yield* TestClock.adjust("10 seconds")
          assert.strictEqual(sessions.size(), 3)
          assert.deepStrictEqual(yield* idle.callTool("files-echo", { n: 1 }), { n: 1 })
          running.call.content({ done: 1 })
          assert.deepStrictEqual((yield* running.answer).result.structuredContent, { done: 1 })
          // And what is due by the time that has really passed is due: ada's and the idle one's fifteen minutes.
          yield* TestClock.adjust("16 minutes")
          assert.deepStrictEqual(
            (yield* sessions.list).map(({ username }) => username),
            ["bo"]
          )
          yield* stream.abandon
        }).pipe(Effect.provideService(Clock.Clock, clock))
      })
    )
  }
})

describe("a process short of memory", () => {
  it.effect("B29: takes no new session (503, Retry-After), ends idle ones and never one in use, and recovers", () =>
    Effect.gen(function* () {
      const { hold, upstream } = yield* holdingUpstream()
      let used = 0.5
      const replace = Layer.succeed(Measures, { memory: () => used, descriptors: () => undefined })
      const hub = yield* TestHub.make({ servers: { files: { url: upstream.url } }, replace })
      const sessions = Context.get(hub.services, Sessions)
      const [busy, listening, idle] = yield* Effect.all([
        hub.connect(hub.ada),
        hub.connect(hub.bo),
        hub.connect(hub.bo)
      ])
      const running = yield* hold(busy)
      const stream = yield* listening.stream
      yield* idle.callTool("files-echo")
      yield* TestClock.adjust("6 seconds")
      assert.strictEqual(sessions.size(), 3)
      used = 0.85
      yield* TestClock.adjust("3 seconds")
      assert.strictEqual(sessions.size(), 2)
      // Its session is kept in writing, but there is no room to build it again now.
      assert.strictEqual((yield* idle.send(call("files-echo"))).status, 503)
      const opening = {
        path: "/mcp",
        headers: { ...busy.headers, "mcp-session-id": "" },
        body: JSON.stringify({ jsonrpc: "2.0", id: 1, method: "initialize", params: {} })
      }
      const refused = yield* hub.http.send(opening)
      assert.strictEqual(refused.status, 503)
      assert.match(refused.headers["retry-after"]!, /^\d+$/)
      assert.strictEqual(JSON.parse(refused.text).error.data.retryable, true)
      running.call.content({ done: 1 })
      assert.deepStrictEqual((yield* running.answer).result.structuredContent, { done: 1 })
      assert.deepStrictEqual(yield* listening.callTool("files-echo", { n: 1 }), { n: 1 })
      // Not before there is some room again.
      used = 0.75
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual((yield* hub.http.send(opening)).status, 503)
      used = 0.6
      yield* TestClock.adjust("2 seconds")
      const next = yield* hub.connect(hub.bo)
      assert.deepStrictEqual(yield* next.callTool("files-echo", { n: 2 }), { n: 2 })
      assert.deepStrictEqual(yield* idle.callTool("files-echo", { back: 1 }), { back: 1 })
      yield* stream.abandon
    })
  )
})

describe("a client of the stateless revision", () => {
  it.live("B14: that disconnects during a call cancels it upstream within a quarter of a second", () =>
    Effect.gen(function* () {
      const upstream = yield* ScriptedHttpUpstream.make({ tools: { hang: faults.hang } })
      const hub = yield* TestHub.make({ servers: { files: { url: upstream.url } } })
      const bo = yield* hub.connect(hub.bo)
      for (const padding of [1, 1_400, 20_000]) {
        const request = requestOf(hub.ada, "tools/call", {
          name: "files-hang",
          arguments: { padding: "x".repeat(padding) }
        })
        const socket = yield* RudeClients.socketTo(new URL(hub.url).origin)
        yield* RudeClients.write(socket, {
          method: "POST",
          ...(request as { path: string; headers: {}; body: string })
        })
        const arrived = yield* upstream.await(
          ({ body }) => body?.method === "tools/call" && (body.params as any).arguments.padding?.length === padding
        )
        const left = performance.now()
        socket.destroy()
        yield* upstream.await(
          ({ body }) => body?.method === "notifications/cancelled" && body.params?.["requestId"] === arrived.body!.id
        )
        assert.isBelow(performance.now() - left, 250)
      }
      assert.deepStrictEqual(yield* bo.callTool("files-echo", { bo: 1 }), { bo: 1 })
    })
  )
})
