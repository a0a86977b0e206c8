import { assert, describe, it } from "@effect/vitest"
import { Cause, Deferred, Effect, Exit, Fiber, Option } from "effect"
import { TestClock } from "effect/testing"
import { HubMetrics } from "../../../src/actors/observing/HubMetrics.ts"
import { type RequestRecord, RequestTracker } from "../../../src/actors/requests/RequestTracker.ts"
import { SessionId } from "../../../src/domain/Ids.ts"
import { ada, bo, call, collectEnded, errorOf, hanging, test } from "../support/Requests.ts"

describe("RequestTracker", () => {
  it.effect("an answer passes through and the request is gone from the view", () =>
    Effect.gen(function* () {
      const tracker = yield* RequestTracker
      const ended = yield* collectEnded
      const answer = yield* tracker.track(call(ada), (record) =>
        Effect.gen(function* () {
          const own = yield* tracker.pendingByUser(ada.userId)
          assert.deepStrictEqual(
            own.map((each) => each.requestId),
            [record.requestId]
          )
          assert.deepStrictEqual(yield* tracker.pendingByUser(bo.userId), [])
          assert.strictEqual(Option.getOrThrow(yield* tracker.find(record.requestId)), record)
          assert.strictEqual(tracker.inFlight(ada.userId), 1)
          return 42
        })
      )
      assert.strictEqual(answer, 42)
      assert.deepStrictEqual(yield* tracker.pending, [])
      assert.strictEqual(tracker.inFlight(ada.userId), 0)
      assert.deepStrictEqual(
        ended.map((each) => each.outcome),
        ["completed"]
      )
    }).pipe(Effect.provide(test))
  )

  it.effect("started from outside of Effect, a request reports its one end to the callback", () =>
    Effect.gen(function* () {
      const tracker = yield* RequestTracker
      const fork = Effect.runForkWith(yield* Effect.context<never>())
      const ends: Array<string> = []
      const start = (name: string, effect: Effect.Effect<string>) =>
        tracker.start(
          call(ada, { timeoutMs: 1_000 }),
          () => effect,
          fork,
          (exit, record) => {
            assert.isTrue(Option.isNone(Effect.runSync(tracker.find(record.requestId))), "it is gone by then")
            ends.push(Exit.isSuccess(exit) ? `${name}: ${exit.value}` : `${name}: ${errorOf(exit)._tag}`)
          }
        )
      const answer = yield* Deferred.make<string>()
      start("at once", Effect.succeed("yes"))
      start("later", Deferred.await(answer))
      start("never", Effect.never)
      const cancelled = start("cancelled", Effect.never)
      yield* tracker.endWith(cancelled.requestId, "cancelled", "the client cancelled it")
      yield* Deferred.succeed(answer, "done")
      yield* TestClock.adjust(5_000)
      assert.deepStrictEqual(ends.sort(), [
        "at once: yes",
        "cancelled: RequestCancelled",
        "later: done",
        "never: RequestTimeout"
      ])
      assert.strictEqual((yield* tracker.userStats(ada.userId)).count, 4)
    }).pipe(Effect.provide(test))
  )

  it.effect("interrupting the caller ends the request as cancelled after its finalizers ran", () =>
    Effect.gen(function* () {
      const ended = yield* collectEnded
      const { fiber, interrupted } = yield* hanging(call(ada))
      yield* Fiber.interrupt(fiber)
      assert.isTrue(yield* Deferred.isDone(interrupted))
      assert.deepStrictEqual(
        ended.map((each) => [each.outcome, each.errorKind]),
        [["cancelled", "cancelled"]]
      )
      const exit = yield* Fiber.await(fiber)
      assert.isTrue(Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause))
    }).pipe(Effect.provide(test))
  )

  it.effect("endWith gives the caller the typed reason, and only for a running request", () =>
    Effect.gen(function* () {
      const tracker = yield* RequestTracker
      const one = yield* hanging(call(ada))
      yield* tracker.endWith(one.record.requestId, "cancelled", "the client cancelled it")
      const error = errorOf(yield* Fiber.await(one.fiber))
      assert.strictEqual(error._tag, "RequestCancelled")
      assert.strictEqual(error.message, "the client cancelled it")
      const again = yield* Effect.flip(tracker.endWith(one.record.requestId, "cancelled", "again"))
      assert.strictEqual(again._tag, "UnknownRequest")
    }).pipe(Effect.provide(test))
  )

  it.effect(
    "ending ada's session ends her requests with SessionClosed and leaves bo's and her other session's alone",
    () =>
      Effect.gen(function* () {
        const tracker = yield* RequestTracker
        const ended = yield* collectEnded
        const first = yield* hanging(call(ada))
        const second = yield* hanging(call(ada))
        const elsewhere = yield* hanging(call(ada, { sessionId: SessionId.make("other") }))
        const bos = yield* hanging(call(bo))
        const sessionsOf = (requests: ReadonlyArray<RequestRecord>) =>
          requests.map(({ sessionId }) => String(sessionId))
        assert.deepStrictEqual(sessionsOf(yield* tracker.pendingBySession(SessionId.make("other"))), ["other"])
        assert.deepStrictEqual(sessionsOf(yield* tracker.pendingByUser(bo.userId)), ["session-of-bo"])
        assert.strictEqual(yield* tracker.cleanupSession(SessionId.make("session-of-ada"), "it was idle"), 2)
        for (const { fiber, interrupted } of [first, second]) {
          assert.isTrue(yield* Deferred.isDone(interrupted))
          const error = errorOf(yield* Fiber.await(fiber))
          assert.strictEqual(error._tag === "SessionClosed" && error.reason, "it was idle")
        }
        assert.deepStrictEqual(
          ended.map((each) => each.outcome),
          ["sessionClosed", "sessionClosed"]
        )
        assert.isUndefined(bos.fiber.pollUnsafe())
        assert.isUndefined(elsewhere.fiber.pollUnsafe())
        assert.strictEqual(yield* tracker.cleanupUser(ada.userId), 1)
        assert.isUndefined(bos.fiber.pollUnsafe())
        assert.deepStrictEqual(
          (yield* tracker.pending).map((each) => each.username),
          ["bo"]
        )
      }).pipe(Effect.provide(test))
  )

  it.effect("whatever races, a request has exactly one outcome", () =>
    Effect.gen(function* () {
      const tracker = yield* RequestTracker
      const ended = yield* collectEnded
      const rounds = 200
      for (let i = 0; i < rounds; i++) {
        const answer = yield* Deferred.make<number>()
        const started = yield* Deferred.make<RequestRecord>()
        const caller = yield* tracker
          .track(call(ada, { timeoutMs: 1 }), (record) =>
            Effect.andThen(Deferred.succeed(started, record), Deferred.await(answer))
          )
          .pipe(Effect.forkChild)
        const { requestId } = yield* Deferred.await(started)
        const racers: ReadonlyArray<Effect.Effect<unknown>> = [
          Deferred.succeed(answer, i),
          TestClock.adjust(1),
          Effect.ignore(tracker.endWith(requestId, "cancelled", "cancelled")),
          tracker.cleanupUser(ada.userId),
          Fiber.interrupt(caller)
        ]
        const staggered = racers.map((racer, index) =>
          Effect.andThen(Effect.repeat(Effect.yieldNow, { times: (i * (index + 3)) % 11 }), racer)
        )
        yield* Effect.all(staggered, { concurrency: "unbounded" })
        yield* Fiber.await(caller)
      }
      assert.strictEqual(ended.length, rounds)
      assert.strictEqual(new Set(ended.map((each) => each.record.requestId)).size, rounds)
      const outcomes = new Set(ended.map((each) => each.outcome))
      assert.deepStrictEqual([...outcomes].sort(), ["cancelled", "completed", "sessionClosed", "timedOut"])
      assert.strictEqual((yield* tracker.userStats(ada.userId)).count, rounds)
      assert.strictEqual(tracker.inFlight(ada.userId), 0)
    }).pipe(Effect.provide(test))
  )

  it.effect("a defect ends the request as failed and propagates unchanged", () =>
    Effect.gen(function* () {
      const tracker = yield* RequestTracker
      const ended = yield* collectEnded
      const bug = new Error("a bug")
      const exit = yield* Effect.exit(tracker.track(call(ada), () => Effect.die(bug)))
      assert.isTrue(Exit.isFailure(exit) && Cause.squash(exit.cause) === bug)
      const thrown = yield* Effect.exit(
        tracker.track(call(ada), (): Effect.Effect<void> => {
          throw bug
        })
      )
      assert.isTrue(Exit.isFailure(thrown) && Cause.squash(thrown.cause) === bug)
      assert.deepStrictEqual(
        ended.map((each) => [each.outcome, each.errorKind]),
        [
          ["failed", "internal"],
          ["failed", "internal"]
        ]
      )
    }).pipe(Effect.provide(test))
  )

  it.effect("defect 7: every method is tracked, notifications and pings as well as tool calls", () =>
    Effect.gen(function* () {
      const tracker = yield* RequestTracker
      const metrics = yield* HubMetrics
      const ended = yield* collectEnded
      const methods = ["initialize", "ping", "tools/list", "tools/call", "resources/read", "x/unheard-of"]
      for (const method of methods) yield* tracker.track(call(ada, { method }), () => Effect.void)
      yield* tracker.track(call(ada, { method: "notifications/initialized", kind: "notification" }), () => Effect.void)
      assert.deepStrictEqual(
        ended.map((each) => each.record.method),
        [...methods, "notifications/initialized"]
      )
      assert.strictEqual((yield* tracker.userStats(ada.userId)).count, 7)
      assert.strictEqual(metrics.value("mcphub_requests_total", { method: "tools/call", outcome: "completed" }), 1)
      assert.strictEqual(metrics.value("mcphub_requests_total", { method: "other" }), 1)
    }).pipe(Effect.provide(test))
  )

  it.effect("defect 8: the error rate is recorded and the pending count goes down again", () =>
    Effect.gen(function* () {
      const tracker = yield* RequestTracker
      const metrics = yield* HubMetrics
      const { fiber } = yield* hanging(call(ada))
      assert.strictEqual((yield* tracker.userStats(ada.userId)).pending, 1)
      assert.strictEqual(metrics.value("mcphub_requests_in_flight"), 1)
      yield* Fiber.interrupt(fiber)
      yield* tracker.track(call(ada), () => Effect.void)
      yield* Effect.exit(tracker.track(call(ada), () => Effect.fail({ _tag: "UpstreamFailed" })))
      yield* tracker.track(call(ada), (record) =>
        Effect.sync(() => {
          record.errorCode = -32602
          record.errorKind = "invalid_params"
        })
      )
      const stats = yield* tracker.userStats(ada.userId)
      assert.deepStrictEqual([stats.count, stats.pending, stats.errors, stats.errorRate], [4, 0, 3, 0.75])
      assert.deepStrictEqual(stats.errorsByKind, { cancelled: 1, upstream_failed: 1, invalid_params: 1 })
      assert.strictEqual(metrics.value("mcphub_requests_in_flight"), 0)
      assert.strictEqual((yield* tracker.userStats(bo.userId)).count, 0)
    }).pipe(Effect.provide(test))
  )

  it.effect("statistics are exact on known durations, per user and for the hub", () =>
    Effect.gen(function* () {
      const tracker = yield* RequestTracker
      for (let ms = 1; ms <= 100; ms++) {
        const { fiber } = yield* hanging(call(ada, { timeoutMs: ms }))
        yield* TestClock.adjust(ms)
        yield* Fiber.await(fiber)
      }
      const { fiber } = yield* hanging(call(bo, { timeoutMs: 7_000 }))
      yield* TestClock.adjust(7_000)
      yield* Fiber.await(fiber)
      const adas = yield* tracker.userStats(ada.userId)
      assert.deepStrictEqual(
        [adas.count, adas.meanMs, adas.p50Ms, adas.p95Ms, adas.p99Ms, adas.errorRate],
        [100, 50.5, 50, 95, 99, 1]
      )
      const bos = yield* tracker.userStats(bo.userId)
      assert.deepStrictEqual([bos.count, bos.meanMs, bos.p50Ms, bos.p99Ms], [1, 7_000, 7_000, 7_000])
      const system = yield* tracker.systemStats
      assert.deepStrictEqual([system.count, system.users, system.sessions], [101, 2, 0])
      assert.strictEqual(system.meanMs, 12_050 / 101)
      assert.deepStrictEqual(
        (yield* tracker.allUserStats).map((each) => each.userId),
        [ada.userId, bo.userId]
      )
    }).pipe(Effect.provide(test))
  )

  it.effect("a late answer is counted and reaches nobody", () =>
    Effect.gen(function* () {
      const tracker = yield* RequestTracker
      const metrics = yield* HubMetrics
      const { fiber } = yield* hanging(call(ada))
      yield* TestClock.adjust(30_000)
      yield* Fiber.await(fiber)
      tracker.lateResponse("github")
      assert.strictEqual((yield* tracker.systemStats).lateResponses, 1)
      assert.strictEqual(metrics.value("mcphub_late_responses_total", { server: "github" }), 1)
      assert.strictEqual(yield* tracker.track(call(ada), () => Effect.succeed("own answer")), "own answer")
    }).pipe(Effect.provide(test))
  )

  it.effect("tracked by hand: complete, fail, time out, clean up; unknown ids are typed errors", () =>
    Effect.gen(function* () {
      const tracker = yield* RequestTracker
      const done = yield* tracker.trackRequest(call(ada))
      yield* tracker.completeRequest(done.requestId, { ok: true })
      assert.deepStrictEqual(yield* done.result, { ok: true })
      const failed = yield* tracker.trackRequest(call(ada))
      yield* tracker.failRequest(failed.requestId, { _tag: "UpstreamFailed" })
      const failure = yield* Effect.flip(failed.result)
      assert.strictEqual(failure._tag, "RequestFailed")
      const late = yield* tracker.trackRequest(call(ada))
      yield* TestClock.adjust(30_000)
      assert.strictEqual((yield* Effect.flip(late.result))._tag, "RequestTimeout")
      const closed = yield* tracker.trackRequest(call(ada))
      assert.strictEqual(yield* tracker.cleanupSession(SessionId.make("session-of-ada")), 1)
      assert.strictEqual((yield* Effect.flip(closed.result))._tag, "SessionClosed")
      for (const id of [done.requestId, late.requestId, "nonsense"]) {
        assert.strictEqual((yield* Effect.flip(tracker.completeRequest(id, 1)))._tag, "UnknownRequest")
        assert.strictEqual((yield* Effect.flip(tracker.failRequest(id, 1)))._tag, "UnknownRequest")
      }
      const stats = yield* tracker.userStats(ada.userId)
      assert.deepStrictEqual(stats.errorsByKind, { upstream_failed: 1, timeout: 1, session_closed: 1 })
      const own = yield* hanging(call(ada))
      assert.strictEqual((yield* Effect.flip(tracker.completeRequest(own.record.requestId, 1)))._tag, "UnknownRequest")
    }).pipe(Effect.provide(test))
  )

  it.effect("closing the tracker ends what still runs", () =>
    Effect.gen(function* () {
      const { fiber, interrupted } = yield* hanging(call(ada)).pipe(Effect.provide(test))
      yield* Deferred.await(interrupted)
      assert.strictEqual(errorOf(yield* Fiber.await(fiber))._tag, "SessionClosed")
    })
  )

  it.effect("a request that ends its own session at its first step ends once and does not hang", () =>
    Effect.gen(function* () {
      const tracker = yield* RequestTracker
      const ended = yield* collectEnded
      const exit = yield* Effect.exit(
        tracker.track(call(ada), (record) => Effect.andThen(tracker.cleanupSession(record.sessionId), Effect.never))
      )
      assert.strictEqual(errorOf(exit)._tag, "SessionClosed")
      assert.strictEqual(ended.length, 1)
    }).pipe(Effect.provide(test))
  )
})
