import { assert, describe, layer } from "@effect/vitest"
import { Effect } from "effect"
import { randomUUID } from "node:crypto"
import { UserId } from "../../../src/domain/Ids.ts"
import { millisPerDay } from "../../../src/domain/records/AuditLog.ts"
import { bucketCount, bucketOf, percentile } from "../../../src/domain/records/DurationHistogram.ts"
import {
  hourOf,
  millisPerHour,
  Statistics,
  type StatisticsQuery,
  type StatisticsRow
} from "../../../src/domain/records/Statistics.ts"
import { stores } from "../../support/Identity.ts"

const now = Date.UTC(2026, 2, 29, 12, 30)
const thisHour = hourOf(now)

const user = () => UserId.make(randomUUID())

const row = (userId: UserId, durations: ReadonlyArray<number>, more: Partial<StatisticsRow> = {}): StatisticsRow => {
  const buckets = Array.from({ length: bucketCount }, () => 0)
  for (const ms of durations) buckets[bucketOf(ms)]!++
  return {
    hour: thisHour,
    userId,
    server: "files",
    tool: "read",
    requests: durations.length,
    errors: 0,
    totalMs: durations.reduce((sum, ms) => sum + ms, 0),
    maxMs: Math.max(...durations),
    buckets,
    errorsByKind: {},
    ...more
  }
}

const add = (...rows: ReadonlyArray<StatisticsRow>) =>
  Effect.flatMap(Statistics, (statistics) => statistics.add({ writer: randomUUID(), number: 1 }, rows))

const ask = (query: Partial<StatisticsQuery>) =>
  Effect.flatMap(Statistics, (statistics) => statistics.sums({ by: [], limit: 100, ...query }))

for (const [place, store] of stores) {
  describe(`The hourly statistics ${place}`, () => {
    layer(store, { timeout: "60 seconds", excludeTestServices: true })((it) => {
      it.effect("add up what several hubs have counted in the same hour, each user's own", () =>
        Effect.gen(function* () {
          const [ada, bo] = [user(), user()]
          yield* Effect.forEach(
            [
              row(ada, [1, 10], { errors: 1, errorsByKind: { timeout: 1 } }),
              row(ada, [100], { errors: 1, errorsByKind: { timeout: 1 } }),
              row(ada, [7.5]),
              row(bo, [1000])
            ],
            (one) => add(one),
            { concurrency: "unbounded" }
          )
          const [sum, ...others] = yield* ask({ userId: ada })
          assert.deepStrictEqual(others, [])
          assert.deepStrictEqual(
            { ...sum!, buckets: [] },
            {
              hour: null,
              userId: null,
              server: null,
              tool: null,
              requests: 4,
              errors: 2,
              totalMs: 118.5,
              maxMs: 100,
              buckets: []
            }
          )
          assert.deepStrictEqual(sum!.buckets, row(ada, [1, 10, 100, 7.5]).buckets)
          const statistics = yield* Statistics
          assert.deepStrictEqual(yield* statistics.kinds({ userId: ada }), { timeout: 2 })
          assert.strictEqual((yield* ask({ userId: bo }))[0]!.requests, 1)
          assert.deepStrictEqual(yield* statistics.kinds({ userId: bo }), {})
          assert.deepStrictEqual(yield* ask({ userId: user() }), [])
        })
      )

      it.effect("are kept apart by user, server, tool, hour and day, and only where asked for", () =>
        Effect.gen(function* () {
          const [ada, bo] = [user(), user()]
          const server = `server-${ada}`
          yield* add(
            row(ada, [1, 1, 1], { server, tool: "read", hour: thisHour - 24 }),
            row(ada, [1, 1], { server, tool: "read" }),
            row(ada, [1], { server, tool: "write" }),
            row(bo, [1, 1, 1, 1], { server, tool: "read", hour: thisHour - 1 })
          )
          const seen = (query: Partial<StatisticsQuery>) =>
            Effect.map(ask({ server, ...query }), (sums) =>
              sums.map((sum) => [sum.hour, sum.userId, sum.server, sum.tool, sum.requests])
            )
          assert.deepStrictEqual(yield* seen({ by: ["user"] }), [
            [null, ada, null, null, 6],
            [null, bo, null, null, 4]
          ])
          assert.deepStrictEqual(yield* seen({ by: ["tool"] }), [
            [null, null, null, "read", 9],
            [null, null, null, "write", 1]
          ])
          assert.deepStrictEqual(yield* seen({ by: ["hour"], userId: ada }), [
            [thisHour - 24, null, null, null, 3],
            [thisHour, null, null, null, 3]
          ])
          const day = Math.floor(thisHour / 24) * 24
          assert.deepStrictEqual(yield* seen({ by: ["day", "server"] }), [
            [day - 24, null, server, null, 3],
            [day, null, server, null, 7]
          ])
          assert.deepStrictEqual(yield* seen({ since: now - millisPerHour, by: ["user"] }), [
            [null, bo, null, null, 4],
            [null, ada, null, null, 3]
          ])
          assert.deepStrictEqual(yield* seen({ until: now, by: ["user"], userId: ada }), [[null, ada, null, null, 3]])
          assert.deepStrictEqual(yield* seen({ by: ["user", "tool"], limit: 1 }), [[null, ada, null, "read", 5]])
          assert.deepStrictEqual(yield* seen({ tool: "write" }), [[null, null, null, null, 1]])
        })
      )

      it.effect("a batch that is written again, because nobody heard of the first time, counts once", () =>
        Effect.gen(function* () {
          const statistics = yield* Statistics
          const [ada, bo] = [user(), user()]
          const writer = randomUUID()
          yield* statistics.add({ writer, number: 1 }, [row(ada, [1], { errors: 1, errorsByKind: { timeout: 1 } })])
          yield* statistics.add({ writer, number: 1 }, [row(ada, [1], { errors: 1, errorsByKind: { timeout: 1 } })])
          yield* statistics.add({ writer, number: 2 }, [row(ada, [1]), row(bo, [1])])
          yield* statistics.add({ writer: randomUUID(), number: 1 }, [row(ada, [1])])
          assert.strictEqual((yield* ask({ userId: ada }))[0]!.requests, 3)
          assert.strictEqual((yield* ask({ userId: bo }))[0]!.requests, 1)
          assert.deepStrictEqual(yield* statistics.kinds({ userId: ada }), { timeout: 1 })
        })
      )

      it.effect("days that are over for long enough go, hours and errors alike, in portions", () =>
        Effect.gen(function* () {
          const statistics = yield* Statistics
          const [ada, bo] = [user(), user()]
          const old = hourOf(now - 401 * millisPerDay)
          const errors = { errors: 1, errorsByKind: { timeout: 1 } }
          yield* add(
            ...Array.from({ length: 1_200 }, (_, n) => row(ada, [1], { hour: old - n, tool: `t${n}`, ...errors })),
            row(bo, [1], { hour: hourOf(now - 399 * millisPerDay), ...errors }),
            row(bo, [1], { hour: thisHour - 24 }),
            row(bo, [1])
          )
          assert.strictEqual((yield* ask({ userId: ada }))[0]!.requests, 1_200)
          yield* statistics.retain(now, 400)
          assert.deepStrictEqual(yield* ask({ userId: ada }), [])
          assert.deepStrictEqual(yield* statistics.kinds({ userId: ada }), {})
          assert.strictEqual((yield* ask({ userId: bo }))[0]!.requests, 3)
          assert.deepStrictEqual(yield* statistics.kinds({ userId: bo }), { timeout: 1 })
          // A clock that jumps ahead takes nothing before there are hours of a second day.
          yield* statistics.retain(now + 500 * millisPerDay, 400)
          assert.strictEqual((yield* ask({ userId: bo }))[0]!.requests, 3)
        })
      )

      it.effect("a batch may name an hour twice", () =>
        Effect.gen(function* () {
          const ada = user()
          const errors = { errors: 1, errorsByKind: { timeout: 1 } }
          yield* add(row(ada, [1], errors), row(ada, [9]), row(ada, [4], errors))
          const [sum] = yield* ask({ userId: ada })
          assert.deepStrictEqual([sum!.requests, sum!.errors, sum!.maxMs], [3, 2, 9])
          assert.deepStrictEqual(sum!.buckets, row(ada, [1, 9, 4]).buckets)
        })
      )

      it.effect("names are kept as they are, whatever is in them", () =>
        Effect.gen(function* () {
          const ada = user()
          const tool = `it's "quoted" \\ ${"é".repeat(100)} ); drop table statistics; --`
          yield* add(row(ada, [1], { tool }), row(ada, [1], { server: "", tool: "" }))
          const sums = yield* ask({ userId: ada, by: ["server", "tool"] })
          assert.deepStrictEqual(
            sums.map((sum) => [sum.server, sum.tool]),
            [
              ["", ""],
              ["files", tool]
            ]
          )
        })
      )

      it.effect("percentiles of summed hours are within a bucket of the true ones", () =>
        Effect.gen(function* () {
          const ada = user()
          const durations = Array.from({ length: 1_000 }, (_, n) => (n + 1) / 2)
          yield* Effect.forEach([0, 1, 2, 3, 4], (part) =>
            add(
              row(
                ada,
                durations.filter((_, n) => n % 5 === part),
                { hour: thisHour - part }
              )
            )
          )
          const [sum] = yield* ask({ userId: ada })
          for (const p of [0.5, 0.95, 0.99, 1]) {
            const exact = durations[Math.ceil(p * 1_000) - 1]!
            assert.approximately(percentile(sum!.buckets, p, sum!.maxMs), exact, exact * 0.02)
          }
        })
      )
    })
  })
}
