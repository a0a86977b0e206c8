import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Layer, Scope } from "effect"
import { TestClock } from "effect/testing"
import { HourlyStatistics } from "../../../src/actors/observing/HourlyStatistics.ts"
import { HubMetrics } from "../../../src/actors/observing/HubMetrics.ts"
import { RequestLog } from "../../../src/actors/observing/RequestLog.ts"
import { mostNames } from "../../../src/actors/observing/StatisticsCells.ts"
import { RequestTracker } from "../../../src/actors/requests/RequestTracker.ts"
import { defaults, HubConfig } from "../../../src/domain/config/HubConfig.ts"
import type { Principal } from "../../../src/domain/identity/Principal.ts"
import { DatabaseUnavailable } from "../../../src/domain/identity/IdentityErrors.ts"
import { millisPerHour, otherName, Statistics } from "../../../src/domain/records/Statistics.ts"
import * as StatisticsMemory from "../../../src/domain/storage/memory/StatisticsMemory.ts"
import { ada, bo, call } from "../support/Requests.ts"

/** A store whose database a test takes away, breaks, or lets write without a word. */
const makeStore = Effect.gen(function* () {
  const state: { mode: "up" | "down" | "broken" | "silent"; attempts: number } = { mode: "up", attempts: 0 }
  const written = yield* Deferred.make<void>()
  const memory = yield* Effect.provide(Statistics, StatisticsMemory.layer)
  const add: Statistics["Service"]["add"] = (batch, rows) =>
    Effect.suspend(() => {
      state.attempts++
      if (state.mode === "down") return new DatabaseUnavailable({ message: "The database does not answer" })
      if (state.mode === "broken") return Effect.die(new Error("A statement failed"))
      const added = memory.add(batch, rows)
      if (state.mode === "up") return added
      return added.pipe(Effect.andThen(Deferred.succeed(written, undefined)), Effect.andThen(Effect.never))
    })
  const layer = Layer.succeed(Statistics, { ...memory, add })
  const seen = (by: "user" | "tool" | "hour", userId?: Principal["userId"]) =>
    Effect.map(memory.sums({ by: [by], userId, limit: 10_000 }), (sums) =>
      sums.map((sum) => [by === "user" ? sum.userId : by === "tool" ? sum.tool : sum.hour, sum.requests])
    )
  return { state, memory, layer, seen, written: Deferred.await(written) }
})

const counting = (
  store: Layer.Layer<Statistics>,
  { capacity, ...config }: Partial<typeof defaults> & { readonly capacity?: number } = {}
) =>
  RequestTracker.layer.pipe(
    Layer.provide(RequestLog.layerOff),
    Layer.provideMerge(HourlyStatistics.layerWith(capacity === undefined ? {} : { capacity })),
    Layer.provideMerge([HubMetrics.layer, store]),
    Layer.provide(Layer.succeed(HubConfig, { ...defaults, ...config }))
  )

/** One call of a listed tool. */
const calls = (principal: Principal, tool: string | undefined, server = "files") =>
  Effect.flatMap(RequestTracker, (tracker) =>
    tracker.track(call(principal), (record) =>
      Effect.sync(() => {
        record.server = server
        record.target = tool ?? "made up"
        record.tool = tool
      })
    )
  )

const flush = Effect.flatMap(HourlyStatistics, (statistics) => statistics.flush)

describe("The hourly statistics of a hub", () => {
  it.effect("count every request once, with its duration and error, under its user alone", () =>
    Effect.gen(function* () {
      const store = yield* makeStore
      yield* Effect.gen(function* () {
        const tracker = yield* RequestTracker
        yield* calls(ada, "read")
        const slow = call(ada, { method: "resources/read", timeoutMs: 2_000 })
        const late = yield* Effect.forkChild(Effect.exit(tracker.track(slow, () => Effect.never)))
        yield* Effect.yieldNow
        yield* Effect.exit(tracker.track(call(bo), () => Effect.fail({ _tag: "UpstreamFailed" })))
        yield* tracker.track(call(bo, { method: "notifications/progress", kind: "notification" }), () => Effect.void)
        yield* TestClock.adjust("2 seconds")
        assert.isDefined(late.pollUnsafe())
        yield* TestClock.adjust("10 seconds")
        const { kinds, sums } = store.memory
        assert.deepStrictEqual(
          (yield* sums({ by: ["user", "server", "tool"], limit: 10 })).map((sum) => [
            sum.userId,
            sum.server,
            sum.tool,
            sum.requests,
            sum.errors,
            sum.maxMs
          ]),
          [
            [ada.userId, "", "", 1, 1, 2_000],
            [ada.userId, "files", "read", 1, 0, 0],
            [bo.userId, "", otherName, 1, 1, 0]
          ]
        )
        assert.deepStrictEqual(yield* kinds({ userId: ada.userId }), { timeout: 1 })
        assert.deepStrictEqual(yield* kinds({ userId: bo.userId }), { upstream_failed: 1 })
      }).pipe(Effect.provide(counting(store.layer)))
    })
  )

  it.effect("B48: a user who calls more tools than fit fills neither the memory nor another user's part", () =>
    Effect.gen(function* () {
      const store = yield* makeStore
      yield* Effect.gen(function* () {
        const metrics = yield* HubMetrics
        for (let n = 0; n < 2_000; n++) yield* calls(ada, `tool-${n}`)
        for (let n = 0; n < 2_000; n++) yield* calls(ada, undefined)
        yield* calls(bo, "read")
        assert.strictEqual(metrics.value("mcphub_statistics_waiting"), mostNames + 2)
        yield* flush
        yield* calls(ada, "one more")
        yield* flush
        const tools = yield* store.seen("tool", ada.userId)
        assert.strictEqual(tools.length, mostNames + 1)
        assert.deepStrictEqual(tools[0], [otherName, 4_001 - mostNames])
        assert.deepStrictEqual(yield* store.seen("tool", bo.userId), [["read", 1]])
        assert.strictEqual(metrics.value("mcphub_statistics_lost_total"), 0)
      }).pipe(Effect.provide(counting(store.layer)))
    })
  )

  it.effect("B48: what has no room while the database is away is counted as lost, of that user alone", () =>
    Effect.gen(function* () {
      const store = yield* makeStore
      yield* Effect.gen(function* () {
        const metrics = yield* HubMetrics
        store.state.mode = "down"
        for (let n = 0; n < 10; n++) yield* calls(ada, `tool-${n}`)
        yield* calls(bo, "read")
        yield* TestClock.adjust("20 seconds")
        assert.isAtLeast(store.state.attempts, 1)
        assert.deepStrictEqual(yield* store.seen("user"), [])
        // Half of the room is ada's; of the rest bo has what he needs.
        assert.strictEqual(metrics.value("mcphub_statistics_lost_total"), 7)
        yield* calls(ada, "tool-0")
        store.state.mode = "up"
        yield* TestClock.adjust("20 seconds")
        assert.deepStrictEqual(yield* store.seen("user"), [
          [ada.userId, 4],
          [bo.userId, 1]
        ])
        // Once its hour is over and it is written, a cell makes room again.
        yield* TestClock.adjust(millisPerHour)
        for (let n = 0; n < 3; n++) yield* calls(ada, `next-${n}`)
        assert.strictEqual(metrics.value("mcphub_statistics_lost_total"), 7)
      }).pipe(Effect.provide(counting(store.layer, { capacity: 6 })))
    })
  )

  it.effect("each hour has its own, also when the clock is set back", () =>
    Effect.gen(function* () {
      const store = yield* makeStore
      yield* Effect.gen(function* () {
        yield* TestClock.setTime(5 * millisPerHour - 1)
        yield* calls(ada, "read")
        yield* TestClock.setTime(5 * millisPerHour)
        yield* calls(ada, "read")
        yield* TestClock.setTime(4 * millisPerHour)
        yield* calls(ada, "read")
        yield* flush
        assert.deepStrictEqual(yield* store.seen("hour", ada.userId), [
          [4, 2],
          [5, 1]
        ])
      }).pipe(Effect.provide(counting(store.layer)))
    })
  )

  it.effect("a batch that was written unheard is not counted twice, nor is what was counted meanwhile lost", () =>
    Effect.gen(function* () {
      const store = yield* makeStore
      yield* Effect.gen(function* () {
        store.state.mode = "silent"
        yield* calls(ada, "read")
        yield* TestClock.adjust("10 seconds")
        yield* store.written
        yield* calls(ada, "read")
        yield* calls(bo, "read")
        yield* TestClock.adjust("5 seconds")
        store.state.mode = "up"
        yield* TestClock.adjust("30 seconds")
        assert.deepStrictEqual(yield* store.seen("user"), [
          [ada.userId, 2],
          [bo.userId, 1]
        ])
      }).pipe(Effect.provide(counting(store.layer)))
    })
  )

  it.effect("what a database will never take is given up, counted and does not stop the rest", () =>
    Effect.gen(function* () {
      const store = yield* makeStore
      yield* Effect.gen(function* () {
        const metrics = yield* HubMetrics
        store.state.mode = "broken"
        yield* calls(ada, "read")
        yield* calls(ada, "read")
        yield* flush
        store.state.mode = "up"
        yield* calls(bo, "read")
        yield* flush
        assert.deepStrictEqual(yield* store.seen("user"), [[bo.userId, 1]])
        assert.strictEqual(metrics.value("mcphub_statistics_lost_total"), 2)
      }).pipe(Effect.provide(counting(store.layer)))
    })
  )

  it.effect("what was counted is written when the hub stops", () =>
    Effect.gen(function* () {
      const store = yield* makeStore
      const scope = yield* Scope.make()
      const services = yield* Layer.buildWithScope(counting(store.layer), scope)
      yield* Effect.provideContext(calls(ada, "read"), services)
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual(yield* store.seen("user"), [[ada.userId, 1]])
    })
  )

  it.effect("no name of a tool holds a key, or what a database or a terminal cannot take", () =>
    Effect.gen(function* () {
      const store = yield* makeStore
      yield* Effect.gen(function* () {
        yield* calls(ada, `\u0000\u001b mcphub_${"0123456789abcdef".repeat(4)} ${"y".repeat(100_000)}`)
        yield* flush
        const [[tool]] = (yield* store.seen("tool")) as [[string, number]]
        assert.match(tool, /^\ufffd\ufffd mcphub_<redacted> y+$/)
        assert.strictEqual(tool.length, 256)
      }).pipe(Effect.provide(counting(store.layer)))
    })
  )

  it.effect("STATISTICS_RETENTION_DAYS=0 counts nothing", () =>
    Effect.gen(function* () {
      const store = yield* makeStore
      yield* Effect.gen(function* () {
        yield* calls(ada, "read")
        yield* flush
        assert.deepStrictEqual(yield* store.seen("user"), [])
      }).pipe(Effect.provide(counting(store.layer, { statisticsRetentionDays: 0 })))
    })
  )
})
