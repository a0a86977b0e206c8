import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Fiber, Queue } from "effect"
import { TestClock } from "effect/testing"
import { HubMetrics } from "../../../../src/actors/observing/HubMetrics.ts"
import { RequestTracker } from "../../../../src/actors/requests/RequestTracker.ts"
import { StdioChildren } from "../../../../src/actors/upstream/stdio/StdioChildren.ts"
import { ServerStates } from "../../../../src/actors/upstream/guards/ServerStates.ts"
import { UpstreamBreakers } from "../../../../src/actors/upstream/guards/UpstreamBreakers.ts"
import type { ScriptedCall } from "../../../../src/testkit/ScriptedCall.ts"
import { ScriptedHttpUpstream } from "../../../../src/testkit/ScriptedHttpUpstream.ts"
import * as ScriptedStdioUpstream from "../../../../src/testkit/ScriptedStdioUpstream.ts"
import { callTool, contentOf } from "../support/HttpCalls.ts"
import * as StateLines from "../../../support/StateLines.ts"
import { upstreams } from "../support/UpstreamSessions.ts"

const introduce = (call: ScriptedCall): void =>
  call.result({
    protocolVersion: call.params["protocolVersion"],
    capabilities: { tools: {} },
    serverInfo: { name: "scripted", version: "1.0.0" }
  })

const numbers = (count: number) => Array.from({ length: count }, (_, index) => index)

/** A server that takes ada for somebody it cannot serve, and so many of her sessions. */
const refusingAda = Effect.fnUntraced(function* (count: number) {
  const server = yield* ScriptedHttpUpstream.make({ sessions: false, stream: false })
  server.script("initialize", (call) =>
    call.received.headers["x-mcphub-user-id"] === "ada-id" ? call.status(500) : introduce(call)
  )
  const hub = yield* upstreams({ notes: { url: server.url, isolation: "session" } })
  const adas = yield* Effect.forEach(numbers(count), () => hub.session("ada"))
  const bo = yield* hub.session("bo")
  const connects = () => server.calls("initialize").filter((one) => one.headers["x-mcphub-user-id"] === "ada-id").length
  return { server, hub, adas, bo, connects, breakers: Context.get(hub.services, UpstreamBreakers) }
})

const userId = (name: string) => `${name}-id` as Parameters<UpstreamBreakers["Service"]["view"]>[0]

describe("the circuit of a user toward a server", () => {
  it.effect(
    "B04, B11: opens after five failures, whichever sessions they are of, and is another user's no business",
    () =>
      Effect.gen(function* () {
        const { adas, bo, breakers, connects, hub } = yield* refusingAda(12)
        const tries = Effect.forEach(adas, (ada) => Effect.flip(ada.get("notes")), { concurrency: "unbounded" })
        for (const _ of numbers(20)) {
          const errors = yield* tries
          assert.isTrue(errors.every(({ _tag }) => _tag === "UpstreamUnavailable"))
          assert.isAtMost(connects(), 5)
          yield* TestClock.adjust("450 millis")
        }
        assert.strictEqual(connects(), 5)
        const view = breakers.view(userId("ada"), "notes")
        assert.strictEqual(view?.state, "open")
        assert.include(view?.reason, "HTTP 500")
        assert.strictEqual(breakers.paused("notes"), 1)
        assert.strictEqual(Context.get(hub.services, HubMetrics).value("mcphub_upstream_breakers_open"), 1)
        const [summary] = adas[11]!.links.summaries()
        assert.deepInclude(summary, { server: "notes", state: "paused" })
        assert.isAbove(summary!.retryAfterMs!, 0)
        const connection = yield* bo.get("notes")
        assert.deepStrictEqual(contentOf(yield* callTool(connection, bo.context(), "echo", { bo: 1 })), { bo: 1 })
        assert.isUndefined(breakers.view(userId("bo"), "notes"))
      }).pipe(Effect.scoped)
  )

  it.effect(
    "field D2: has a line of the log each time it opens, is tried and closes, with reason and next attempt",
    () => {
      const { lines, logger } = StateLines.make()
      return Effect.gen(function* () {
        const { adas, bo, server } = yield* refusingAda(12)
        const tries = Effect.forEach(adas, (ada) => Effect.exit(ada.get("notes")), { concurrency: "unbounded" })
        yield* tries
        yield* bo.get("notes")
        yield* TestClock.adjust("15 seconds")
        yield* tries
        yield* TestClock.adjust("60 seconds")
        server.script("initialize", introduce)
        yield* tries
        const said = lines.map(({ state, user }) => `${user} ${state}`)
        const adasLines = said.filter((line) => line.startsWith("ada"))
        assert.deepStrictEqual(
          adasLines.filter((line) => line !== "ada down"),
          ["ada paused", "ada trying", "ada paused", "ada trying", "ada up"]
        )
        assert.isAtMost(adasLines.length, 6)
        assert.deepStrictEqual(
          said.filter((line) => line.startsWith("bo")),
          ["bo up"]
        )
        const paused = lines.find(({ state }) => state === "paused")!
        assert.include(paused.reason, "HTTP 500")
        assert.isAbove(paused.retryAfterMs!, 0)
      }).pipe(Effect.scoped, Effect.provide(logger))
    }
  )

  it.effect(
    "field D13: opens after five starts in a row that failed, however seldom somebody asks, and not for bo",
    () =>
      Effect.gen(function* () {
        const { adas, bo, breakers, connects, hub } = yield* refusingAda(1)
        const states = Context.get(hub.services, ServerStates)
        for (const n of numbers(5)) {
          assert.isUndefined(breakers.view(userId("ada"), "notes"), `after ${n} failures`)
          yield* Effect.flip(adas[0]!.get("notes"))
          if (n < 4) yield* TestClock.adjust("90 seconds")
        }
        assert.strictEqual(connects(), 5)
        assert.strictEqual(breakers.view(userId("ada"), "notes")?.state, "open")
        const [paused] = states.all()
        assert.deepInclude(paused, { server: "notes", state: "paused", triedMs: 0 })
        assert.isAbove(paused!.retryMs!, 0)
        assert.include(paused!.reason, "HTTP 500")
        yield* bo.get("notes")
        assert.isUndefined(breakers.view(userId("bo"), "notes"))
      }).pipe(Effect.scoped)
  )

  it.effect("B04: is half open after its pause: one tries, all others wait for what becomes of it", () =>
    Effect.gen(function* () {
      const { adas, breakers, connects, server } = yield* refusingAda(12)
      const tries = Effect.forEach(adas, (ada) => Effect.exit(ada.get("notes")), { concurrency: "unbounded" })
      yield* tries
      yield* TestClock.adjust("15 seconds")
      assert.strictEqual(breakers.view(userId("ada"), "notes")?.state, "half-open")
      // The first probe fails: one connect for twelve sessions, and the circuit is open again.
      const exits = yield* tries
      assert.isTrue(exits.every(({ _tag }) => _tag === "Failure"))
      assert.strictEqual(connects(), 6)
      assert.strictEqual(breakers.view(userId("ada"), "notes")?.state, "open")
      // The next one succeeds, and lets everybody in.
      yield* TestClock.adjust("60 seconds")
      const held = yield* Queue.unbounded<ScriptedCall>()
      server.script("initialize", (call) => void Queue.offerUnsafe(held, call))
      const all = yield* Effect.forkChild(tries, { startImmediately: true })
      const probe = yield* Queue.take(held)
      server.script("initialize", introduce)
      assert.strictEqual(connects(), 7)
      introduce(probe)
      assert.isTrue((yield* Fiber.join(all)).every(({ _tag }) => _tag === "Success"))
      assert.strictEqual(connects(), 18)
      assert.isUndefined(breakers.view(userId("ada"), "notes"))
    }).pipe(Effect.scoped)
  )

  it.effect("B04: a probe that is given up makes room for the next one", () =>
    Effect.gen(function* () {
      const { adas, breakers, connects, server } = yield* refusingAda(6)
      yield* Effect.forEach(adas, (ada) => Effect.flip(ada.get("notes")), { concurrency: "unbounded" })
      yield* TestClock.adjust("60 seconds")
      const held = yield* Queue.unbounded<ScriptedCall>()
      server.script("initialize", (call) => void Queue.offerUnsafe(held, call))
      const [first, second] = [adas[0]!, adas[1]!]
      yield* Effect.forkChild(first.get("notes"), { startImmediately: true })
      yield* Queue.take(held)
      const waiting = yield* Effect.forkChild(second.get("notes"), { startImmediately: true })
      yield* first.end
      introduce(yield* Queue.take(held))
      yield* Fiber.join(waiting)
      assert.strictEqual(connects(), 7)
      assert.isUndefined(breakers.view(userId("ada"), "notes"))
    }).pipe(Effect.scoped)
  )

  it.effect("is forgotten when the server's settings or what the user is known by change", () =>
    Effect.gen(function* () {
      const { adas, breakers, connects, hub, server } = yield* refusingAda(6)
      const [ada] = adas
      const tries = Effect.forEach(adas, (one) => Effect.flip(one.get("notes")), { concurrency: "unbounded" })
      yield* tries
      assert.deepInclude(yield* Effect.flip(ada!.get("notes")), { reason: "backoff" })
      yield* hub.change({ notes: { url: `${server.url}?moved`, isolation: "session" } })
      yield* ada!.links.drop("notes", "settings changed")
      assert.deepInclude(yield* Effect.flip(ada!.get("notes")), { reason: "status" })
      assert.strictEqual(connects(), 6)
      yield* Effect.forEach(numbers(9), () => Effect.andThen(TestClock.adjust("4 seconds"), tries))
      assert.strictEqual(breakers.view(userId("ada"), "notes")?.state, "open")
      breakers.forget(userId("ada"))
      assert.isUndefined(breakers.view(userId("ada"), "notes"))
    }).pipe(Effect.scoped)
  )

  it.effect("B01: five calls in a row that time out open it; one that is answered in between does not", () =>
    Effect.gen(function* () {
      const { bo, breakers, hub } = yield* refusingAda(0)
      const tracker = Context.get(hub.services, RequestTracker)
      yield* bo.get("notes")
      const { principal, sessionId } = bo.context()
      const call = (answer: Effect.Effect<string>) =>
        tracker
          .track({ principal, sessionId, method: "tools/call", kind: "request" }, (record) => {
            record.server = "notes"
            return answer
          })
          .pipe(Effect.exit, Effect.forkChild({ startImmediately: true }))
      const timesOut = Effect.gen(function* () {
        const fiber = yield* call(Effect.never)
        yield* TestClock.adjust("30 seconds")
        yield* Fiber.join(fiber)
      })
      // The window is a minute: they hang side by side.
      const hang = Effect.fnUntraced(function* (count: number) {
        const fibers = yield* Effect.forEach(numbers(count), () => call(Effect.never))
        yield* TestClock.adjust("30 seconds")
        yield* Fiber.joinAll(fibers)
      })
      yield* hang(4)
      yield* Fiber.join(yield* call(Effect.succeed("in time")))
      yield* timesOut
      assert.isUndefined(breakers.view(userId("bo"), "notes"))
      yield* hang(4)
      const view = breakers.view(userId("bo"), "notes")
      assert.strictEqual(view?.state, "open")
      assert.include(view?.reason, "does not answer in time")
    }).pipe(Effect.scoped)
  )
})

describe("a server that ends again and again", () => {
  const proc = { proc: { ...ScriptedStdioUpstream.config(), isolation: "session" as const } }

  it.live("B11: a child process that dies at every call is started five times in ten seconds and no more", () =>
    Effect.gen(function* () {
      const hub = yield* upstreams(proc)
      const [ada, bo] = [yield* hub.session("ada"), yield* hub.session("bo")]
      const children = Context.get(hub.services, StdioChildren)
      const calm = yield* bo.get("proc")
      for (const _ of numbers(5)) {
        const connection = yield* ada.get("proc")
        yield* Effect.flip(callTool(connection, ada.context(), "exit", { code: 3 }))
        yield* connection.closed
        yield* ada.nextClosed
      }
      const refused = yield* Effect.flip(ada.get("proc"))
      assert.deepInclude(refused, { _tag: "UpstreamUnavailable", reason: "backoff" })
      assert.include(refused.message, "exited with code 3")
      assert.isAbove((refused as { readonly retryAfterMs: number }).retryAfterMs, 4_000)
      assert.strictEqual(children.started(), 6)
      assert.deepInclude(ada.links.summaries()[0], { server: "proc", state: "paused" })
      // Bo's own process is another one, and goes on.
      const { value } = contentOf(yield* callTool(calm, bo.context(), "get-data"))
      assert.deepInclude(value, { calls: 1 })
    }).pipe(Effect.scoped)
  )

  it.live("B11: what ends once in each of many sessions, or with its session, is no loop", () =>
    Effect.gen(function* () {
      const hub = yield* upstreams(proc)
      const breakers = Context.get(hub.services, UpstreamBreakers)
      const adas = yield* Effect.forEach(numbers(7), () => hub.session("ada"))
      yield* Effect.forEach(
        adas,
        Effect.fnUntraced(function* (ada) {
          const connection = yield* ada.get("proc")
          yield* Effect.flip(callTool(connection, ada.context(), "exit", { code: 1 }))
          yield* ada.nextClosed
          yield* ada.get("proc")
        }),
        { concurrency: 3 }
      )
      assert.isUndefined(breakers.view(userId("ada"), "proc"))
      yield* Effect.forEach(adas, ({ end }) => end, { concurrency: 3 })
      yield* (yield* hub.session("ada")).get("proc")
      assert.isUndefined(breakers.view(userId("ada"), "proc"))
    }).pipe(Effect.scoped)
  )

  it.effect("B11: one that restarts every ten seconds is left alone after a while, and then for longer each time", () =>
    Effect.gen(function* () {
      const server = yield* ScriptedHttpUpstream.make({ stream: false })
      const hub = yield* upstreams({ notes: { url: server.url, isolation: "session" } })
      const ada = yield* hub.session("ada")
      const breakers = Context.get(hub.services, UpstreamBreakers)
      const ask = Effect.flatMap(ada.get("notes"), (connection) => callTool(connection, ada.context(), "echo", {}))
      const pauses: Array<number> = []
      let restarts = 0
      yield* ask
      while (pauses.length < 3) {
        yield* TestClock.adjust("10 seconds")
        server.forgetSessions()
        restarts++
        const exit = yield* Effect.exit(ask)
        const view = breakers.view(userId("ada"), "notes")
        if (view === undefined) {
          assert.strictEqual(exit._tag, "Success")
          continue
        }
        assert.strictEqual(exit._tag, "Failure")
        pauses.push(view.retryAfterMs)
        yield* TestClock.adjust(view.retryAfterMs)
        yield* ada.links.drop("notes", "for a new attempt")
        yield* ask
      }
      assert.isAtLeast(restarts, 5)
      assert.isAtMost(server.calls("initialize").length, restarts + 1)
      assert.isAbove(pauses[1]!, pauses[0]! * 1.5)
      assert.isAbove(pauses[2]!, pauses[1]! * 1.5)
    }).pipe(Effect.scoped)
  )
})
