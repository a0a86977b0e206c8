import { spawn } from "node:child_process"
import * as net from "node:net"
import { assert, describe, it } from "@effect/vitest"
import { Clock, Deferred, Effect, Exit, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { RequestTracker } from "../../../src/actors/requests/RequestTracker.ts"
import { SessionId } from "../../../src/domain/Ids.ts"
import { ada, bo, call, collectEnded, errorOf, hanging, test, withConfig } from "../support/Requests.ts"

describe("RequestDeadlines", () => {
  it.effect(
    "defect 6: a request without an answer times out at exactly 30 000 ms with a typed error, and the hub lives",
    () =>
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
      assert.deepStrictEqual(
        ended.map((each) => each.endedAt),
        [230_000]
      )
    }).pipe(Effect.provide(test))
  )

  it.effect("a paused request still ends at the hub's hard maximum", () =>
    Effect.gen(function* () {
      const ended = yield* collectEnded
      const { fiber, record } = yield* hanging(call(ada))
      record.pause()
      yield* TestClock.adjust(300_000)
      assert.deepStrictEqual(
        ended.map((each) => each.endedAt),
        [90_000]
      )
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
      const fiber = yield* tracker.track(call(ada), () => Effect.never).pipe(Effect.uninterruptible, Effect.forkChild)
      yield* TestClock.adjust(30_000)
      assert.strictEqual(errorOf(yield* Fiber.await(fiber))._tag, "RequestTimeout")
    }).pipe(Effect.provide(test))
  )
})

describe("RequestDeadlines in real time", () => {
  for (const jumpMs of [3_600_000, -3_600_000]) {
    it.live(`B27: setting the wall clock by ${jumpMs} ms ends no request early or late`, () =>
      Effect.gen(function* () {
        const clock = movable(yield* Clock.Clock)
        yield* Effect.gen(function* () {
          const ended = yield* collectEnded
          const first = yield* hanging(call(ada, { timeoutMs: 100 }))
          const second = yield* hanging(call(bo, { timeoutMs: 400 }))
          clock.move(jumpMs)
          yield* Fiber.await(first.fiber)
          assert.isUndefined(second.fiber.pollUnsafe())
          yield* Fiber.await(second.fiber)
          for (const [index, wanted] of [100, 400].entries()) {
            const actual = ended[index]!.durationMs
            assert.isTrue(actual >= wanted && actual <= wanted + 250, `${actual} ms instead of ${wanted}`)
          }
        }).pipe(Effect.provide(test), Effect.provideService(Clock.Clock, clock))
      })
    )
  }

  it.live("a deadline is met within 250 ms", () =>
    Effect.gen(function* () {
      const ended = yield* collectEnded
      const fibers = yield* Effect.forEach([120, 60, 300], (timeoutMs) => hanging(call(ada, { timeoutMs })))
      for (const { fiber } of fibers) yield* Fiber.await(fiber)
      assert.deepStrictEqual(
        ended.map((each) => each.outcome),
        ["timedOut", "timedOut", "timedOut"]
      )
      for (const [index, wanted] of [60, 120, 300].entries()) {
        const actual = ended[index]!.durationMs
        assert.isTrue(actual >= wanted && actual <= wanted + 250, `${actual} ms instead of ${wanted}`)
      }
    }).pipe(Effect.provide(test))
  )

  it.live("B28: after the process stood still for two seconds, answers that had come in win over their deadlines", () =>
    Effect.gen(function* () {
      const tracker = yield* RequestTracker
      const server = yield* echoServer
      const fibers = yield* Effect.forEach(Array.from({ length: 10 }), () =>
        tracker
          .track(call(ada, { timeoutMs: 1_000 }), () => server.ask)
          .pipe(Effect.forkChild({ startImmediately: true }))
      )
      yield* server.allAsked(10)
      // The other process answers now; this one does not get to read the answers before every deadline has passed.
      server.release()
      stallFor(2_000)
      const awake = Date.now()
      const exits = yield* Effect.forEach(fibers, Fiber.await)
      assert.deepStrictEqual(
        exits,
        Array.from({ length: 10 }, () => Exit.succeed(300_000))
      )
      assert.isBelow(yield* server.answeredAt, awake)
      const { fiber } = yield* hanging(call(ada, { timeoutMs: 50 }))
      assert.strictEqual(errorOf(yield* Fiber.await(fiber))._tag, "RequestTimeout")
    }).pipe(Effect.provide(test), Effect.scoped)
  )
})

/** The machine's clock with a wall time that can be set, as an operator or a time server does. */
const movable = (live: Clock.Clock): Clock.Clock & { readonly move: (ms: number) => void } => {
  let offset = 0
  const millis = () => live.currentTimeMillisUnsafe() + offset
  const nanos = () => live.currentTimeNanosUnsafe() + BigInt(offset) * 1_000_000n
  return {
    currentTimeMillisUnsafe: millis,
    currentTimeMillis: Effect.sync(millis),
    currentTimeNanosUnsafe: nanos,
    currentTimeNanos: Effect.sync(nanos),
    monotonicTimeNanosUnsafe: () => live.monotonicTimeNanosUnsafe(),
    monotonicTimeNanos: live.monotonicTimeNanos,
    sleep: (duration) => live.sleep(duration),
    move: (ms) => void (offset += ms)
  }
}

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
    process.stdin.on("data", () => {
      sockets.forEach((socket) => socket.end("x".repeat(300_000)))
      process.stdout.write("answered " + Date.now() + "\\n")
    })
    process.stdin.on("end", () => process.exit(0))
  `
  const deno = "Deno" in globalThis
  const args = deno ? ["eval", "--ext=cjs", program] : ["-e", program]
  const child = yield* Effect.acquireRelease(
    Effect.sync(() => spawn(process.execPath, args, { stdio: ["pipe", "pipe", "inherit"] })),
    (process) => Effect.sync(() => process.kill("SIGKILL"))
  )
  const port = yield* Deferred.make<number>()
  const answeredAt = yield* Deferred.make<number>()
  let asked = 0
  let wanted = Number.POSITIVE_INFINITY
  const all = yield* Deferred.make<void>()
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    for (const line of text.split("\n")) {
      if (line.startsWith("port ")) Deferred.doneUnsafe(port, Exit.succeed(Number(line.slice(5))))
      if (line.startsWith("answered ")) Deferred.doneUnsafe(answeredAt, Exit.succeed(Number(line.slice(9))))
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
    release: () => child.stdin.write("now\n"),
    /** Unix time, in milliseconds. */
    answeredAt: Deferred.await(answeredAt)
  }
})
