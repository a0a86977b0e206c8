import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Layer, Redacted } from "effect"
import { TestClock } from "effect/testing"
import { HubMetrics } from "../../../src/actors/observing/HubMetrics.ts"
import * as Logging from "../../../src/actors/observing/Logging.ts"
import { LogOutput, LogSink } from "../../../src/actors/observing/LogOutput.ts"
import { RequestLog } from "../../../src/actors/observing/RequestLog.ts"
import { RequestTracker } from "../../../src/actors/requests/RequestTracker.ts"
import { defaults, HubConfig, type HubConfigShape } from "../../../src/domain/config/HubConfig.ts"
import { UserId } from "../../../src/domain/Ids.ts"
import { call as callOf, person } from "../support/Requests.ts"

const call = (username: string, method = "tools/call") =>
  callOf(person(username, { GITHUB_TOKEN: "ghp_canary" }), { method })

/** A sink that keeps its chunks, and can be made to stand still. */
const makeSink = () => {
  const chunks: Array<string> = []
  let gate: Effect.Effect<void> = Effect.void
  return {
    chunks,
    lines: () =>
      chunks
        .join("")
        .split("\n")
        .filter((line) => line !== ""),
    block: (until: Effect.Effect<void>) => (gate = until),
    layer: LogOutput.layer.pipe(
      Layer.provide(
        Layer.succeed(LogSink, {
          write: (chunk) =>
            Effect.andThen(
              Effect.suspend(() => gate),
              Effect.sync(() => chunks.push(chunk))
            )
        })
      )
    )
  }
}

const tracked = (sink: ReturnType<typeof makeSink>, config: Partial<HubConfigShape> = {}) =>
  RequestTracker.layer.pipe(
    Layer.provide([RequestLog.layer, HubMetrics.layer]),
    Layer.provideMerge(sink.layer),
    Layer.provide(Layer.succeed(HubConfig, { ...defaults, ...config }))
  )

const requests = Effect.gen(function* () {
  const tracker = yield* RequestTracker
  yield* tracker.track(call("ada"), (record) =>
    Effect.sync(() => {
      record.server = "github"
      record.target = "github-get-user"
    })
  )
  yield* Effect.exit(tracker.track(call("bo"), () => Effect.fail({ _tag: "UpstreamFailed", message: "ghp_canary" })))
})

describe("RequestLog", () => {
  it.effect("writes one line per ended request with every key, telling ada from bo", () =>
    Effect.gen(function* () {
      const sink = makeSink()
      yield* requests.pipe(Effect.provide(tracked(sink)))
      const [adas, bos] = sink.lines().map((line) => JSON.parse(line) as Record<string, unknown>)
      assert.match(String(adas!["requestId"]), /^user-ada-id-session-of-ada-tools\/call-0-[0-9a-f]{24}$/)
      assert.deepStrictEqual(adas, {
        time: "1970-01-01T00:00:00.000Z",
        level: "info",
        msg: "request",
        requestId: adas!["requestId"],
        userId: "ada-id",
        user: "ada",
        sessionId: "session-of-ada",
        server: "github",
        method: "tools/call",
        target: "github-get-user",
        outcome: "completed",
        errorCode: null,
        errorKind: null,
        durationMs: 0
      })
      assert.deepStrictEqual(Object.keys(bos!), Object.keys(adas!))
      assert.deepStrictEqual(
        [bos!["user"], bos!["outcome"], bos!["errorKind"], bos!["level"]],
        ["bo", "failed", "upstream_failed", "error"]
      )
      assert.notInclude(sink.chunks.join(""), "ghp_canary")
    })
  )

  it.effect("a request that was ended from outside has the code its client is answered", () =>
    Effect.gen(function* () {
      const sink = makeSink()
      yield* Effect.gen(function* () {
        const tracker = yield* RequestTracker
        const waiting = yield* Effect.forkChild(Effect.exit(tracker.track(call("ada"), () => Effect.never)))
        yield* TestClock.adjust(30_000)
        yield* Fiber.join(waiting)
        yield* tracker.trackRequest(call("bo"))
        yield* tracker.cleanupUser(UserId.make("bo-id"))
      }).pipe(Effect.provide(tracked(sink)))
      const ends = sink.lines().map((line) => JSON.parse(line) as Record<string, unknown>)
      assert.deepStrictEqual(
        ends.map((end) => [end["user"], end["outcome"], end["errorCode"], end["errorKind"], end["durationMs"]]),
        [
          ["ada", "timedOut", 1408, "timeout", 30_000],
          ["bo", "sessionClosed", 1499, "session_closed", 0]
        ]
      )
    })
  )

  it.effect("LOG_REQUESTS=errors leaves completed requests out, off all of them", () =>
    Effect.gen(function* () {
      const errors = makeSink()
      yield* requests.pipe(Effect.provide(tracked(errors, { logRequests: "errors" })))
      assert.deepStrictEqual(
        errors.lines().map((line) => JSON.parse(line).user),
        ["bo"]
      )
      const off = makeSink()
      yield* requests.pipe(Effect.provide(tracked(off, { logRequests: "off" })))
      assert.deepStrictEqual(off.chunks, [])
    })
  )

  it.effect("a client cannot forge a line or colour the terminal through a method or a tool name", () =>
    Effect.gen(function* () {
      const sink = makeSink()
      const evil = `x"}\n{"level":"info","user":"bo"}\r\u001b[31m\u009b31m\u2028${"y".repeat(1_000_000)}`
      yield* Effect.flatMap(RequestTracker, (tracker) =>
        tracker.track(call("ada", evil), (record) => Effect.sync(() => (record.target = evil)))
      ).pipe(Effect.provide(tracked(sink)))
      assert.strictEqual(sink.lines().length, 1)
      assert.isBelow(sink.chunks.join("").length, 2_000)
      assert.match(sink.chunks.join(""), /^[\x20-\x7e]+\n$/)
      assert.strictEqual(JSON.parse(sink.lines()[0]!).user, "ada")
    })
  )

  it.effect("text shaped like a key never reaches the log, wherever it came from", () =>
    Effect.gen(function* () {
      const sink = makeSink()
      const key = `mcphub_${"0123456789abcdef".repeat(4)}`
      yield* Effect.gen(function* () {
        const tracker = yield* RequestTracker
        yield* tracker.track(call("ada", `tools/${key}`), (record) =>
          Effect.sync(() => (record.target = `${"x".repeat(230)}${key}`))
        )
        yield* Effect.logError(`a mistake ${key.toUpperCase()}`, { header: key })
      }).pipe(Effect.provide(Logging.layer({ level: "Info" }).pipe(Layer.provideMerge(tracked(sink)))))
      assert.strictEqual(sink.lines().length, 2)
      assert.notMatch(sink.chunks.join(""), /0123456789abcdef/i)
      assert.include(sink.chunks.join(""), "mcphub_<redacted>")
    })
  )
})

describe("LogOutput", () => {
  it.effect("lines leave together after 100 ms, in order", () =>
    Effect.gen(function* () {
      const sink = makeSink()
      yield* Effect.gen(function* () {
        const output = yield* LogOutput
        yield* Effect.yieldNow
        for (let i = 0; i < 5; i++) output.line(`line ${i}`)
        yield* TestClock.adjust(99)
        assert.deepStrictEqual(sink.chunks, [])
        yield* TestClock.adjust(1)
        assert.deepStrictEqual(sink.chunks, ["line 0\nline 1\nline 2\nline 3\nline 4\n"])
        output.line("later")
        yield* TestClock.adjust(100)
        assert.deepStrictEqual(sink.chunks.slice(1), ["later\n"])
        output.line("last")
      }).pipe(Effect.provide(sink.layer))
      assert.deepStrictEqual(sink.chunks.slice(2), ["last\n"], "flushed when the scope closes")
    })
  )

  it.effect("many lines do not wait for the window", () =>
    Effect.gen(function* () {
      const sink = makeSink()
      yield* Effect.gen(function* () {
        const output = yield* LogOutput
        yield* Effect.yieldNow
        for (let i = 0; i < 512; i++) output.line(`${i}`)
        yield* TestClock.adjust(0)
        assert.strictEqual(sink.lines().length, 512)
      }).pipe(Effect.provide(sink.layer))
    })
  )

  it.effect("B31: a reader that stands still costs lines, which are counted, and never memory", () =>
    Effect.gen(function* () {
      const sink = makeSink()
      const release = yield* Deferred.make<void>()
      yield* Effect.gen(function* () {
        const output = yield* LogOutput
        sink.block(Deferred.await(release))
        output.line("first")
        const stuck = yield* Effect.forkChild(output.flush)
        yield* Effect.yieldNow
        for (let i = 0; i < 25_000; i++) output.line("x")
        yield* Deferred.succeed(release, undefined)
        yield* Fiber.join(stuck)
      }).pipe(Effect.provide(sink.layer))
      const lines = sink.lines()
      assert.strictEqual(lines[0], "first")
      assert.strictEqual(lines.length, 1 + 10_000 + 1)
      assert.strictEqual(JSON.parse(lines.at(-1)!).dropped, 15_000)
    })
  )

  it.effect(
    "B41: lines about one user take away neither another's nor the hub's own, and the log says whose are lost",
    () =>
      Effect.gen(function* () {
        const sink = makeSink()
        const release = yield* Deferred.make<void>()
        yield* Effect.gen(function* () {
          const tracker = yield* RequestTracker
          const output = yield* LogOutput
          sink.block(Deferred.await(release))
          output.line("first")
          const stuck = yield* Effect.forkChild(output.flush)
          yield* Effect.yieldNow
          for (let i = 0; i < 6_000; i++) yield* tracker.track(call("ada"), () => Effect.void)
          yield* Effect.logWarning("about ada").pipe(Effect.annotateLogs({ userId: "ada-id" }))
          for (let i = 0; i < 100; i++) yield* tracker.track(call("bo"), () => Effect.void)
          yield* Effect.logWarning("the hub's own")
          yield* Deferred.succeed(release, undefined)
          yield* Fiber.join(stuck)
          yield* output.flush
          // What has left takes no room any more.
          yield* tracker.track(call("ada", "afterwards"), () => Effect.void)
        }).pipe(Effect.provide(Logging.layer({ level: "Info" }).pipe(Layer.provideMerge(tracked(sink)))))
        const [, ...texts] = sink.lines()
        const lines = texts.map((line) => JSON.parse(line) as Record<string, unknown>)
        const of = (user: string) => lines.filter((line) => line["user"] === user)
        assert.strictEqual(of("ada").length, 5_000 + 1)
        assert.strictEqual(of("ada").at(-1)!["method"], "afterwards")
        assert.strictEqual(of("bo").length, 100)
        assert.strictEqual(lines.filter((line) => line["msg"] === "the hub's own").length, 1)
        assert.deepStrictEqual(
          lines.filter((line) => "dropped" in line).map(({ dropped, userId }) => [userId, dropped]),
          [["ada-id", 1_001]]
        )
      })
  )
})

describe("Logging", () => {
  const logged = Effect.fnUntraced(function* (level: "Debug" | "Info", effect: Effect.Effect<void>) {
    const sink = makeSink()
    yield* effect.pipe(Effect.provide(Logging.layer({ level }).pipe(Layer.provideMerge(sink.layer))))
    return sink.lines().map((line) => JSON.parse(line) as Record<string, unknown>)
  })

  it.effect("writes JSON with time, level, message and annotations, at or above the level", () =>
    Effect.gen(function* () {
      const lines = yield* logged(
        "Info",
        Effect.gen(function* () {
          yield* Effect.logDebug("too fine")
          yield* Effect.log("connected", { attempts: 2 }).pipe(
            Effect.annotateLogs({ server: "github", level: "forged" })
          )
        })
      )
      assert.deepStrictEqual(lines, [
        { server: "github", level: "info", time: "1970-01-01T00:00:00.000Z", msg: 'connected {"attempts":2}' }
      ])
    })
  )

  it.effect("never unwraps a secret, however deep", () =>
    Effect.gen(function* () {
      const token = Redacted.make("ghp_canary")
      const lines = yield* logged(
        "Debug",
        Effect.logError("failed", token, { headers: [{ token }] }).pipe(
          Effect.annotateLogs({ token, nested: { token } })
        )
      )
      assert.notInclude(JSON.stringify(lines), "ghp_canary")
      assert.include(JSON.stringify(lines), "redacted")
    })
  )

  it.effect("prints a cause with its stack for errors or when debugging, with its message alone otherwise", () =>
    Effect.gen(function* () {
      const failing = (log: typeof Effect.logWarning) =>
        Effect.die(new Error("a bug")).pipe(Effect.catchCause((cause) => log("it failed", cause)))
      const [warning] = yield* logged("Info", failing(Effect.logWarning))
      assert.strictEqual(warning!["cause"], "a bug")
      const [error] = yield* logged("Info", failing(Effect.logError))
      assert.match(String(error!["cause"]), /a bug\n\s+at /)
      const [debugged] = yield* logged("Debug", failing(Effect.logWarning))
      assert.match(String(debugged!["cause"]), /a bug\n\s+at /)
    })
  )

  it("LOG_LEVEL is read in any case and refused when it is no level", () => {
    assert.strictEqual(Logging.parseLevel("debug"), "Debug")
    assert.strictEqual(Logging.parseLevel(" WARN "), "Warn")
    assert.isUndefined(Logging.parseLevel("verbose"))
  })
})
