import { assert, describe, it } from "@effect/vitest"
import { spawn } from "node:child_process"
import * as net from "node:net"
import { Cause, Deferred, Effect, Exit, Fiber, Layer, Option } from "effect"
import { TestClock } from "effect/testing"
import { HubMetrics } from "../../src/actors/HubMetrics.ts"
import { RequestLog } from "../../src/actors/RequestLog.ts"
import { type EndedRequest, type RequestRecord, RequestTracker, type TrackOptions } from "../../src/actors/RequestTracker.ts"
import { defaults, HubConfig } from "../../src/domain/HubConfig.ts"
import { KeyId, SessionId, UserId } from "../../src/domain/Ids.ts"
import type { Principal } from "../../src/domain/Principal.ts"

const person = (username: string): Principal => ({
  userId: UserId.make(`${username}-id`),
  username,
  isAdmin: false,
  keyId: KeyId.make(`key-of-${username}`),
  keyName: "default",
  expiresAt: Number.MAX_SAFE_INTEGER,
  groups: [],
  serviceTokens: new Map()
})
const ada = person("ada")
const bo = person("bo")

const call = (principal: Principal, more: Partial<TrackOptions> = {}): TrackOptions => ({
  principal,
  sessionId: SessionId.make(`session-of-${principal.username}`),
  method: "tools/call",
  kind: "request",
  ...more
})

const test = RequestTracker.layer.pipe(Layer.provide(RequestLog.layerOff), Layer.provideMerge(HubMetrics.layer))
const withConfig = (config: Partial<typeof defaults>) =>
  test.pipe(Layer.provide(Layer.succeed(HubConfig, { ...defaults, ...config })))

/** A request whose effect runs until it is interrupted, and what it saw. */
const hanging = Effect.fnUntraced(function* (options: TrackOptions) {
  const tracker = yield* RequestTracker
  const started = yield* Deferred.make<RequestRecord>()
  const interrupted = yield* Deferred.make<void>()
  const fiber = yield* tracker
    .track(options, (record) =>
      Deferred.succeed(started, record).pipe(
        Effect.andThen(Effect.never),
        Effect.onInterrupt(() => Deferred.succeed(interrupted, undefined))
      )
    )
    .pipe(Effect.forkChild)
  return { fiber, record: yield* Deferred.await(started), interrupted }
})

const collectEnded = Effect.gen(function* () {
  const tracker = yield* RequestTracker
  const ended: Array<EndedRequest> = []
  tracker.onEnded((request) => ended.push(request))
  return ended
})

const errorOf = <A, E>(exit: Exit.Exit<A, E>): E => {
  assert.isTrue(Exit.isFailure(exit))
  return Option.getOrThrow(Exit.findErrorOption(exit))
}

describe("RequestTracker", () => {
  it.effect("an answer passes through and the request is gone from the view", () =>
    Effect.gen(function* () {
      const tracker = yield* RequestTracker
      const ended = yield* collectEnded
      const answer = yield* tracker.track(call(ada), (record) =>
        Effect.gen(function* () {
          const own = yield* tracker.pendingByUser(ada.userId)
          assert.deepStrictEqual(own.map((each) => each.requestId), [record.requestId])
          assert.deepStrictEqual(yield* tracker.pendingByUser(bo.userId), [])
          assert.strictEqual(Option.getOrThrow(yield* tracker.find(record.requestId)), record)
          assert.strictEqual(tracker.inFlight(ada.userId), 1)
          return 42
        })
      )
      assert.strictEqual(answer, 42)
      assert.deepStrictEqual(yield* tracker.pending, [])
      assert.strictEqual(tracker.inFlight(ada.userId), 0)
      assert.deepStrictEqual(ended.map((each) => each.outcome), ["completed"])
    }).pipe(Effect.provide(test))
  )

  it.effect("defect 6: a request without an answer times out at exactly 30 000 ms with a typed error, and the hub lives", () =>
    Effect.gen(function* () {
      const tracker = yield* RequestTracker
      const { fiber, interrupted, record } = yield* hanging(call(ada))
      yield* TestClock.adjust(29_999)
      assert.isUndefined(fiber.pollUnsafe())
      yield* TestClock.adjust(1)
      yield* Deferred.await(interrupted)
      const error = errorOf(yield* Fiber.await(fiber))
      assert.strictEqual(error._tag, "RequestTimeout")
      assert.strictEqual(error.requestId, record.requestId)
      assert.strictEqual(error._tag === "RequestTimeout" && error.timeoutMs, 30_000)
      assert.strictEqual(tracker.inFlight(ada.userId), 0)
      assert.strictEqual(yield* tracker.track(call(ada), () => Effect.succeed("alive")), "alive")
    }).pipe(Effect.provide(test))
  )

  it.effect("each request times out at its own moment, however far the clock moves at once", () =>
    Effect.gen(function* () {
      const ended = yield* collectEnded
      yield* hanging(call(ada))
      yield* TestClock.adjust(10_000)
      yield* hanging(call(bo, { timeoutMs: 5_000 }))
      yield* hanging(call(ada, { timeoutMs: 25_000 }))
      yield* TestClock.adjust(600_000)
      assert.deepStrictEqual(
        ended.map((each) => [each.record.username, each.outcome, each.endedAt, each.durationMs]),
        [
          ["bo", "timedOut", 15_000, 5_000],
          ["ada", "timedOut", 30_000, 30_000],
          ["ada", "timedOut", 35_000, 25_000]
        ]
      )
    }).pipe(Effect.provide(test))
  )

  it.effect("setting the wall clock back or forth by an hour ends no request early or late", () =>
    Effect.gen(function* () {
      const ended = yield* collectEnded
      yield* TestClock.setTime(7_200_000)
      yield* hanging(call(ada))
      yield* TestClock.setTime(3_600_000)
      yield* TestClock.adjust(1)
      assert.deepStrictEqual(ended, [])
    }).pipe(Effect.provide(test))
  )

  it.effect("progress pushes the deadline back, but never past the total and never past the hub's maximum", () =>
    Effect.gen(function* () {
      const ended = yield* collectEnded
      const { record } = yield* hanging(call(ada))
      record.limit(10_000, 25_000)
      const other = yield* hanging(call(bo, { timeoutMs: 1_000_000, maxTotalMs: 1_000_000 }))
      yield* TestClock.adjust(9_000)
      record.touch()
      yield* TestClock.adjust(9_000)
      record.touch()
      other.record.touch()
      yield* TestClock.adjust(100_000)
      assert.deepStrictEqual(
        ended.map((each) => [each.record.username, each.endedAt]),
        [
          ["ada", 25_000],
          ["bo", 60_000]
        ]
      )
    }).pipe(Effect.provide(withConfig({ maxRequestTimeout: 60_000 })))
  )

  it.effect("the configured default timeout holds, and a server's shorter one replaces it", () =>
    Effect.gen(function* () {
      const ended = yield* collectEnded
      yield* hanging(call(ada))
      const { record } = yield* hanging(call(bo))
      record.limit(2_000)
      yield* TestClock.adjust(60_000)
      assert.deepStrictEqual(
        ended.map((each) => [each.record.username, each.endedAt]),
        [
          ["bo", 2_000],
          ["ada", 7_000]
        ]
      )
    }).pipe(Effect.provide(withConfig({ requestTimeout: 7_000 })))
  )

  it.effect("the clock stands while a human is asked, also nested, and runs on with what was left", () =>
    Effect.gen(function* () {
      const ended = yield* collectEnded
      const { record } = yield* hanging(call(ada))
      yield* TestClock.adjust(20_000)
      record.pause()
      record.pause()
      yield* TestClock.adjust(100_000)
      record.resume()
      yield* TestClock.adjust(100_000)
      record.resume()
      yield* TestClock.adjust(9_999)
      assert.deepStrictEqual(ended, [])
      yield* TestClock.adjust(1)
      assert.deepStrictEqual(ended.map((each) => each.endedAt), [230_000])
    }).pipe(Effect.provide(test))
  )

  it.effect("a paused request still ends at the hub's hard maximum", () =>
    Effect.gen(function* () {
      const ended = yield* collectEnded
      const { fiber, record } = yield* hanging(call(ada))
      record.pause()
      yield* TestClock.adjust(500_000)
      assert.deepStrictEqual(ended.map((each) => each.endedAt), [90_000])
      const error = errorOf(yield* Fiber.await(fiber))
      assert.strictEqual(error._tag === "RequestTimeout" && error.timeoutMs, 90_000)
    }).pipe(Effect.provide(withConfig({ maxRequestTimeout: 90_000 })))
  )

  it.effect("a deadline answers the caller although the effect cannot be interrupted yet", () =>
    Effect.gen(function* () {
      const tracker = yield* RequestTracker
      const release = yield* Deferred.make<void>()
      const fiber = yield* tracker
        .track(call(ada), () => Effect.uninterruptible(Deferred.await(release)))
        .pipe(Effect.forkChild)
      yield* TestClock.adjust(30_000)
      assert.strictEqual(errorOf(yield* Fiber.await(fiber))._tag, "RequestTimeout")
      const cleanup = yield* Effect.forkChild(tracker.cleanupSession(SessionId.make("session-of-ada")))
      yield* Effect.yieldNow
      assert.isUndefined(cleanup.pollUnsafe(), "a session is clean only when the effect has really ended")
      yield* Deferred.succeed(release, undefined)
      assert.strictEqual(yield* Fiber.join(cleanup), 0)
    }).pipe(Effect.provide(test))
  )

  it.effect("a deadline holds below an uninterruptible caller", () =>
    Effect.gen(function* () {
      const tracker = yield* RequestTracker
      const fiber = yield* tracker
        .track(call(ada), () => Effect.never)
        .pipe(Effect.uninterruptible, Effect.forkChild)
      yield* TestClock.adjust(30_000)
      assert.strictEqual(errorOf(yield* Fiber.await(fiber))._tag, "RequestTimeout")
    }).pipe(Effect.provide(test))
  )

  it.effect("interrupting the caller ends the request as cancelled after its finalizers ran", () =>
    Effect.gen(function* () {
      const ended = yield* collectEnded
      const { fiber, interrupted } = yield* hanging(call(ada))
      yield* Fiber.interrupt(fiber)
      assert.isTrue(yield* Deferred.isDone(interrupted))
      assert.deepStrictEqual(ended.map((each) => [each.outcome, each.errorKind]), [["cancelled", "cancelled"]])
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

  it.effect("ending ada's session ends her requests with SessionClosed and leaves bo's and her other session's alone", () =>
    Effect.gen(function* () {
      const tracker = yield* RequestTracker
      const ended = yield* collectEnded
      const first = yield* hanging(call(ada))
      const second = yield* hanging(call(ada))
      const elsewhere = yield* hanging(call(ada, { sessionId: SessionId.make("other") }))
      const bos = yield* hanging(call(bo))
      assert.strictEqual(yield* tracker.cleanupSession(SessionId.make("session-of-ada"), "it was idle"), 2)
      for (const { fiber, interrupted } of [first, second]) {
        assert.isTrue(yield* Deferred.isDone(interrupted))
        const error = errorOf(yield* Fiber.await(fiber))
        assert.strictEqual(error._tag === "SessionClosed" && error.reason, "it was idle")
      }
      assert.deepStrictEqual(ended.map((each) => each.outcome), ["sessionClosed", "sessionClosed"])
      assert.isUndefined(bos.fiber.pollUnsafe())
      assert.isUndefined(elsewhere.fiber.pollUnsafe())
      assert.strictEqual(yield* tracker.cleanupUser(ada.userId), 1)
      assert.isUndefined(bos.fiber.pollUnsafe())
      assert.deepStrictEqual((yield* tracker.pending).map((each) => each.username), ["bo"])
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
      assert.deepStrictEqual(
        [stats.count, stats.pending, stats.errors, stats.errorRate],
        [4, 0, 3, 0.75]
      )
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
      assert.deepStrictEqual((yield* tracker.allUserStats).map((each) => each.userId), [ada.userId, bo.userId])
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

describe("RequestTracker in real time", () => {
  it.live("a deadline is met within 250 ms", () =>
    Effect.gen(function* () {
      const ended = yield* collectEnded
      const fibers = yield* Effect.forEach([120, 60, 300], (timeoutMs) => hanging(call(ada, { timeoutMs })))
      for (const { fiber } of fibers) yield* Fiber.await(fiber)
      assert.deepStrictEqual(ended.map((each) => each.outcome), ["timedOut", "timedOut", "timedOut"])
      for (const [index, wanted] of [60, 120, 300].entries()) {
        const actual = ended[index]!.durationMs
        assert.isTrue(actual >= wanted && actual <= wanted + 250, `${actual} ms instead of ${wanted}`)
      }
    }).pipe(Effect.provide(test))
  )

  it.live("after the process stood still for two seconds, answers that had come in win over their deadlines", () =>
    Effect.gen(function* () {
      const tracker = yield* RequestTracker
      const server = yield* echoServer
      const fibers = yield* Effect.forEach(Array.from({ length: 20 }), () =>
        tracker.track(call(ada, { timeoutMs: 1_000 }), () => server.ask).pipe(Effect.forkChild({ startImmediately: true }))
      )
      yield* server.allAsked(20)
      // The other process answers now; this one does not get to read the answers before every deadline has passed.
      server.release()
      stallFor(2_000)
      const exits = yield* Effect.forEach(fibers, Fiber.await)
      assert.deepStrictEqual(exits, Array.from({ length: 20 }, () => Exit.succeed(500_000)))
      const { fiber } = yield* hanging(call(ada, { timeoutMs: 50 }))
      assert.strictEqual(errorOf(yield* Fiber.await(fiber))._tag, "RequestTimeout")
    }).pipe(Effect.provide(test), Effect.scoped)
  )
})

const stallFor = (ms: number) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)

/** A TCP server in a process of its own, so that it answers while this process stands still. */
const echoServer = Effect.gen(function* () {
  const program = `
    const sockets = []
    const server = require("node:net").createServer((socket) => {
      sockets.push(socket)
      socket.on("error", () => {})
      process.stdout.write("asked\\n")
    })
    server.listen(0, "127.0.0.1", () => process.stdout.write("port " + server.address().port + "\\n"))
    process.stdin.on("data", () => setTimeout(() => sockets.forEach((socket) => socket.end("x".repeat(500_000))), 300))
    process.stdin.on("end", () => process.exit(0))
  `
  const deno = "Deno" in globalThis
  const args = deno ? ["eval", "--ext=cjs", program] : ["-e", program]
  const child = yield* Effect.acquireRelease(
    Effect.sync(() => spawn(process.execPath, args, { stdio: ["pipe", "pipe", "inherit"] })),
    (process) => Effect.sync(() => process.kill("SIGKILL"))
  )
  const port = yield* Deferred.make<number>()
  let asked = 0
  let wanted = Number.POSITIVE_INFINITY
  const all = yield* Deferred.make<void>()
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    for (const line of text.split("\n")) {
      if (line.startsWith("port ")) Deferred.doneUnsafe(port, Exit.succeed(Number(line.slice(5))))
      if (line === "asked" && ++asked >= wanted) Deferred.doneUnsafe(all, Exit.void)
    }
  })
  const listening = yield* Deferred.await(port)
  return {
    ask: Effect.callback<number>((resume) => {
      const socket = net.connect(listening, "127.0.0.1")
      let bytes = 0
      socket.on("data", (data) => (bytes += data.length))
      socket.once("end", () => resume(Effect.succeed(bytes)))
      socket.once("error", (error) => resume(Effect.die(error)))
      return Effect.sync(() => socket.destroy())
    }),
    allAsked: (count: number) =>
      Effect.suspend(() => {
        wanted = count
        return asked >= wanted ? Effect.void : Deferred.await(all)
      }),
    release: () => child.stdin.write("now\n")
  }
})
