/**
 * Brings audit rows to the `AuditLog` in batches, in the order in which they came.
 *
 * Rows wait in memory, a quarter of a second when all is well. While the database is away they go on waiting, up to a
 * bound; beyond it new rows are lost, which is counted and logged. Closing the scope writes what waits.
 */
import { Cause, Clock, Effect, Exit, Latch, Schedule, Semaphore } from "effect"
import type { AuditEvent } from "../../domain/records/AuditEvent.ts"
import { AuditLog } from "../../domain/records/AuditLog.ts"
import { HubMetrics } from "./HubMetrics.ts"

/** Rows that wait at most, some tens of megabytes. */
const defaultCapacity = 50_000
/** Rows in one statement. */
const batchSize = 500
/** How long rows are collected before they are written. */
const collectFor = "250 millis"
/** Between attempts while the database is away. */
const pause = "1 second"
/** The database's time for one batch. */
const appendLimit = "5 seconds"
/** The time to write what waits when the hub stops. */
const farewellLimit = "10 seconds"
const retainEvery = "1 hour"

export interface AuditWriterOptions {
  readonly retentionDays: number
  readonly capacity?: number | undefined
}

export interface AuditWriter {
  readonly add: (event: AuditEvent) => void
  /** False from a failed attempt to the next good one, and while no row fits. */
  readonly writable: () => boolean
  /** Writes what waits now; ends early, keeping the rows, when the database does not answer. */
  readonly flush: Effect.Effect<void>
}

export const make = Effect.fnUntraced(function* ({ capacity = defaultCapacity, retentionDays }: AuditWriterOptions) {
  const log = yield* AuditLog
  const metrics = yield* HubMetrics
  const turn = yield* Semaphore.make(1)
  const some = Latch.makeUnsafe(false)
  const waiting: Array<AuditEvent> = []
  let failing = false
  let written = 0
  let lost = 0
  /** Of the lost rows, those the log has given the number of; and whether it says that more are being lost. */
  let told = 0
  let saidLosing = false

  const add = (event: AuditEvent): void => {
    if (waiting.length >= capacity) return void lost++
    waiting.push(event)
    if (waiting.length === 1) some.openUnsafe()
  }

  /** A line when rows cannot be written any more, one when the first is lost, and one when they can again. */
  const say = Effect.fnUntraced(function* (fails: boolean) {
    const before = failing
    failing = fails
    if (fails) {
      if (!before) yield* Effect.logWarning("The audit trail cannot be written; its rows wait for the database")
      if (saidLosing || lost === told) return
      saidLosing = true
      yield* Effect.logError(`${capacity} audit rows wait for the database and no more can: further ones are lost`)
    } else if (before || lost > told) {
      const since = lost - told
      told = lost
      saidLosing = false
      yield* Effect.logWarning(`The audit trail is written again; ${since} rows were lost`)
    }
  })

  /** Writes the oldest rows; a batch that fails for its own sake, and not the database's, is given up. */
  const writeBatch = Effect.gen(function* () {
    const batch = waiting.slice(0, batchSize)
    const exit = yield* log
      .append(batch)
      .pipe(
        Effect.timeoutOrElse({ duration: appendLimit, orElse: () => Effect.fail("no answer" as const) }),
        Effect.exit
      )
    if (Exit.isFailure(exit)) {
      if (Cause.hasInterrupts(exit.cause)) return yield* Effect.interrupt
      if (!Cause.hasDies(exit.cause)) return false
      lost += batch.length
      told += batch.length
      yield* Effect.logError(`${batch.length} audit rows could not be written and are lost`, exit.cause)
    } else written += batch.length
    waiting.splice(0, batch.length)
    return true
  })

  const flush = Effect.gen(function* () {
    let ok = true
    while (ok && waiting.length > 0) {
      ok = yield* writeBatch
      yield* say(!ok)
    }
    return ok
  }).pipe(turn.withPermit)

  const write = Effect.gen(function* () {
    yield* some.await
    yield* Effect.sleep(collectFor)
    some.closeUnsafe()
    while (!(yield* flush)) yield* Effect.sleep(pause)
  })

  const farewell = Effect.gen(function* () {
    yield* Effect.timeoutOption(flush, farewellLimit)
    const left = waiting.length + lost - told
    if (left > 0) yield* Effect.logError(`${left} audit rows are lost: the database does not answer`)
  })

  const retain = Effect.gen(function* () {
    yield* log.retain(yield* Clock.currentTimeMillis, retentionDays)
  }).pipe(
    Effect.catch(() => Effect.logWarning("Old audit rows could not be removed: the database is away")),
    // The hub serves without it, and the rows stay.
    Effect.catchDefect((defect) => Effect.logError("Old audit rows could not be removed", defect)),
    Effect.repeat(Schedule.spaced(retainEvery))
  )

  yield* metrics.total("mcphub_audit_rows_total", "Audit rows written", () => written)
  yield* metrics.total("mcphub_audit_lost_total", "Audit rows that could not be written", () => lost)
  yield* metrics.gauge("mcphub_audit_waiting", "Audit rows that wait to be written", () => waiting.length)
  yield* Effect.addFinalizer(() => farewell)
  yield* Effect.forkScoped(Effect.forever(write))
  yield* Effect.forkScoped(retain)

  return {
    add,
    writable: () => !failing && waiting.length < capacity,
    flush: Effect.asVoid(flush)
  } satisfies AuditWriter
})
