/**
 * The hourly statistics of the running hub: every ended request of a client is counted in memory (`StatisticsCells`), and
 * what was counted is added to the `Statistics` of the database in the background.
 *
 * While the database is away the counts wait, up to a bound. A batch that may have been written unheard goes out again
 * under its number and is not added twice. Notifications, which nobody waits for, are not counted.
 */
import { randomUUID } from "node:crypto"
import { Clock, Context, Effect, Latch, Layer, Schedule, Semaphore } from "effect"
import { HubConfig } from "../../domain/config/HubConfig.ts"
import { DatabaseUnavailable } from "../../domain/identity/IdentityErrors.ts"
import { Statistics, type StatisticsRow } from "../../domain/records/Statistics.ts"
import type { EndedRequest } from "../../domain/requests/RequestRecord.ts"
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
const retainEvery = "1 hour"

const noAnswer = new DatabaseUnavailable({ message: "The database does not answer" })

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
  const turn = yield* Semaphore.make(1)
  const some = Latch.makeUnsafe(false)
  const cells = new StatisticsCells(capacity, () => some.openUnsafe())
  const writer = randomUUID()
  /** Taken from the cells, and not known to be written. */
  let batch: ReadonlyArray<StatisticsRow> = []
  let number = 0
  /** Requests of batches that the database does not take. */
  let refused = 0
  let failing: string | undefined

  const say = Effect.fnUntraced(function* (reason: string | undefined) {
    const before = failing
    failing = reason
    if (reason !== undefined && reason !== before) {
      yield* Effect.logWarning("The statistics cannot be written; their counts wait for the database").pipe(
        Effect.annotateLogs({ reason })
      )
    }
    if (reason === undefined && before !== undefined) yield* Effect.logWarning("The statistics are written again")
  })

  const requestsIn = (rows: ReadonlyArray<StatisticsRow>): number => rows.reduce((sum, row) => sum + row.requests, 0)

  const writeBatch = Effect.suspend(() => {
    if (batch.length === 0) {
      batch = cells.take(batchSize)
      number++
    }
    return statistics.add({ writer, number }, batch)
  }).pipe(
    Effect.timeoutOrElse({ duration: addLimit, orElse: () => Effect.fail(noAnswer) }),
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
    ),
    Effect.map((error) => error?.message)
  )

  const flush = Effect.gen(function* () {
    let reason: string | undefined
    while (reason === undefined && (batch.length > 0 || cells.waiting > 0)) {
      reason = yield* writeBatch
      yield* say(reason)
    }
    return reason === undefined
  }).pipe(turn.withPermit)

  const write = Effect.gen(function* () {
    yield* some.await
    yield* Effect.sleep(collectFor)
    some.closeUnsafe()
    while (!(yield* flush)) yield* Effect.sleep(collectFor)
  })

  const farewell = Effect.gen(function* () {
    yield* Effect.timeoutOption(flush, farewellLimit)
    if (batch.length > 0 || cells.waiting > 0) {
      yield* Effect.logError(`Statistics of the last requests are lost: ${failing ?? noAnswer.message}`)
    }
  })

  const retain = Effect.flatMap(Clock.currentTimeMillis, (now) => statistics.retain(now, days)).pipe(
    Effect.catch(() => Effect.logWarning("Old statistics could not be removed: the database is away")),
    // The hub serves without it, and the rows stay.
    Effect.catchDefect((defect) => Effect.logError("Old statistics could not be removed", defect)),
    Effect.repeat(Schedule.spaced(retainEvery))
  )

  const lost = "Requests that are missing from the hourly statistics"
  yield* metrics.total("mcphub_statistics_lost_total", lost, () => cells.lost + refused)
  const waiting = "Sums of the hourly statistics that wait to be written"
  yield* metrics.gauge("mcphub_statistics_waiting", waiting, () => cells.waiting + batch.length)
  yield* Effect.addFinalizer(() => farewell)
  yield* Effect.forkScoped(Effect.forever(write))
  yield* Effect.forkScoped(retain)

  return {
    ended: (request) => {
      if (request.record.kind === "request") cells.count(request)
    },
    flush: Effect.asVoid(flush)
  } satisfies HourlyStatisticsShape
})
