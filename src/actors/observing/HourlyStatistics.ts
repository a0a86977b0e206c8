/**
 * The hourly statistics of the running hub: every ended request of a client is counted in memory (`StatisticsCells`), and
 * what was counted is added to the `Statistics` of the database in the background.
 *
 * While the database is away the counts wait, up to a bound. A batch that may have been written unheard goes out again
 * under its number and is not added twice. Notifications, which nobody waits for, are not counted.
 */
import { randomUUID } from "node:crypto"
import { Context, Effect, Latch, Layer } from "effect"
import { HubConfig } from "../../domain/config/HubConfig.ts"
import { Statistics, type StatisticsRow } from "../../domain/records/Statistics.ts"
import type { EndedRequest } from "../../domain/requests/RequestRecord.ts"
import * as BackgroundWriting from "./BackgroundWriting.ts"
import { HubMetrics } from "./HubMetrics.ts"
import { StatisticsCells } from "./StatisticsCells.ts"
import { WriteTroubles } from "./WriteTroubles.ts"

/** Cells of all users: some tens of megabytes. */
const defaultCapacity = 50_000
/** Cells in one transaction. */
const batchSize = 500
/** How long counts are collected before they are written. */
const collectFor = "10 seconds"
/** The database's time for one batch, and the time to write what waits when the hub stops. */
const addLimit = "5 seconds"
const farewellLimit = "3 seconds"

export interface HourlyStatisticsShape {
  /** A request or notification has ended. */
  readonly ended: (request: EndedRequest) => void
  /** Writes what was counted; gives up, keeping the counts, when the database does not answer. */
  readonly flush: Effect.Effect<void>
}

const off: HourlyStatisticsShape = { ended: () => {}, flush: Effect.void }

export class HourlyStatistics extends Context.Reference<HourlyStatisticsShape>(
  "mcphub/actors/observing/HourlyStatistics",
  { defaultValue: () => off }
) {
  /** Into `Statistics`, or nowhere with STATISTICS_RETENTION_DAYS=0. `capacity`: cells of all users together. */
  static readonly layerWith = (options: {
    readonly capacity?: number
  }): Layer.Layer<never, never, Statistics | HubMetrics> =>
    Layer.effect(
      HourlyStatistics,
      Effect.suspend(() => make(options.capacity))
    )
  static readonly layer = this.layerWith({})
}

const make = Effect.fnUntraced(function* (capacity = defaultCapacity) {
  const { statisticsRetentionDays: days } = yield* HubConfig
  if (days === 0) return off
  const statistics = yield* Statistics
  const metrics = yield* HubMetrics
  const troubles = yield* WriteTroubles
  const some = Latch.makeUnsafe(false)
  const cells = new StatisticsCells(capacity, () => some.openUnsafe())
  const writer = randomUUID()
  /** Taken from the cells, and not known to be written. */
  let batch: ReadonlyArray<StatisticsRow> = []
  let number = 0
  /** Requests of batches that the database does not take. */
  let refused = 0

  const requestsIn = (rows: ReadonlyArray<StatisticsRow>): number => rows.reduce((sum, row) => sum + row.requests, 0)

  const writeBatch = Effect.suspend(() => {
    if (batch.length === 0) {
      batch = cells.take(batchSize)
      number++
    }
    return statistics.add({ writer, number }, batch)
  }).pipe(
    Effect.timeoutOrElse({ duration: addLimit, orElse: () => Effect.fail(BackgroundWriting.noAnswer) }),
    Effect.as(undefined),
    Effect.catch((error) => Effect.succeed(error)),
    Effect.catchDefect((defect) => {
      refused += requestsIn(batch)
      return Effect.as(Effect.logError("Statistics could not be written and are lost", defect), undefined)
    }),
    Effect.tap((error) =>
      Effect.sync(() => {
        troubles.note("statistics", error)
        if (error === undefined) batch = []
      })
    )
  )

  const lost = "Requests that are missing from the hourly statistics"
  yield* metrics.total("mcphub_statistics_lost_total", lost, () => cells.lost + refused)
  const waiting = "Sums of the hourly statistics that wait to be written"
  yield* metrics.gauge("mcphub_statistics_waiting", waiting, () => cells.waiting + batch.length)
  const waits = (): boolean => batch.length > 0 || cells.waiting > 0
  const { flush } = yield* BackgroundWriting.make({
    words: {
      stopped: "The statistics cannot be written; their counts wait for the database",
      resumed: "The statistics are written again",
      notRemoved: "Old statistics could not be removed"
    },
    some,
    waits,
    writeBatch,
    collectFor,
    pause: collectFor,
    farewellLimit,
    left: () => (waits() ? "Statistics of the last requests are lost" : undefined),
    retain: (now) => statistics.retain(now, days)
  })

  return {
    ended: (request) => {
      if (request.record.kind === "request") cells.count(request)
    },
    flush
  } satisfies HourlyStatisticsShape
})
