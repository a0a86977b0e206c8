/**
 * Brings audit rows to the `AuditLog` in batches, in the order in which they came.
 *
 * Rows wait in memory, a quarter of a second when all is well. While the database is away they go on waiting, up to a
 * bound of which each user may fill a part (`SharedRoom`); beyond it that user's new rows are lost, and nobody else's.
 * A row whose place was reserved is never lost for want of room. Closing the scope writes what waits.
 */
import { type Cause, Clock, Effect, Latch, Schedule, Semaphore } from "effect"
import type { AuditEvent } from "../../domain/records/AuditEvent.ts"
import { AuditLog } from "../../domain/records/AuditLog.ts"
import { DatabaseUnavailable } from "../../domain/identity/IdentityErrors.ts"
import type { UserId } from "../../domain/Ids.ts"
import { SharedRoom } from "../../domain/SharedRoom.ts"
import { writeApart } from "../../domain/records/WriteApart.ts"
import * as AuditLosses from "./AuditLosses.ts"
import { WriteTroubles } from "./WriteTroubles.ts"
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
/** Users that a line about rows of several of them names. */
const mostNamed = 8

const noAnswer = new DatabaseUnavailable({ message: "The database does not answer" })

export interface AuditWriterOptions {
  readonly retentionDays: number
  readonly capacity?: number | undefined
}

export interface AuditWriter {
  /** `hasPlace`: the row takes a place that was reserved for it. */
  readonly add: (event: AuditEvent, hasPlace?: boolean) => void
  /** Keeps a place free for a row that is to come; false where there is none, or rows cannot be written now. */
  readonly reserve: (userId: UserId) => boolean
  /** No row will come for a place that was reserved. */
  readonly release: (userId: UserId) => void
  /** False from a failed attempt to the next good one, and while no row of the user fits. */
  readonly writable: (userId: UserId) => boolean
  /** Writes what waits now; ends early, keeping the rows, when the database does not answer. */
  readonly flush: Effect.Effect<void>
}

export const make = Effect.fnUntraced(function* ({ capacity = defaultCapacity, retentionDays }: AuditWriterOptions) {
  const log = yield* AuditLog
  const metrics = yield* HubMetrics
  const turn = yield* Semaphore.make(1)
  const some = Latch.makeUnsafe(false)
  const waiting: Array<AuditEvent> = []
  const room = new SharedRoom(capacity)
  const losses = yield* AuditLosses.make
  const troubles = yield* WriteTroubles
  /** Why rows cannot be written now. */
  let failing: string | undefined
  let written = 0

  const add = (event: AuditEvent, hasPlace = false): void => {
    if (!hasPlace && !room.take(event.userId)) return losses.add(event)
    waiting.push(event)
    if (waiting.length === 1) some.openUnsafe()
  }

  const writable = (userId: UserId): boolean => failing === undefined && room.has(userId)

  /** A line when rows cannot be written any more, and one when they can again. */
  const say = Effect.fnUntraced(function* (reason: string | undefined) {
    const before = failing
    failing = reason
    if (reason !== undefined && reason !== before) {
      const line = Effect.logWarning("The audit trail cannot be written; its rows wait for the database")
      yield* Effect.annotateLogs(line, { reason })
    }
    yield* losses.say(reason === undefined)
    if (reason === undefined && before !== undefined) yield* Effect.logWarning("The audit trail is written again")
  })

  const takeOff = (count: number): number => {
    for (const { userId } of waiting.splice(0, count)) room.give(userId)
    return count
  }

  const append = (rows: ReadonlyArray<AuditEvent>) =>
    log
      .append(rows)
      .pipe(
        Effect.timeoutOrElse({ duration: appendLimit, orElse: () => Effect.fail(noAnswer) }),
        Effect.andThen(Effect.sync(() => void (written += takeOff(rows.length))))
      )

  const giveUp = (rows: ReadonlyArray<AuditEvent>, cause: Cause.Cause<unknown>) =>
    Effect.suspend(() => {
      losses.giveUp(takeOff(rows.length))
      const users = [...new Set(rows.map(({ username }) => username))].slice(0, mostNamed)
      return Effect.logError(`${rows.length} audit rows could not be written and are lost`, cause).pipe(
        Effect.annotateLogs({ users })
      )
    })

  /** The oldest rows; the reason why they wait on, where the database does not take them. */
  const writeBatch = Effect.suspend(() => writeApart(waiting.slice(0, batchSize), append, giveUp)).pipe(
    Effect.as(undefined),
    Effect.catch((error) => Effect.succeed(error)),
    Effect.tap((error) => Effect.sync(() => troubles.note("audit", error))),
    Effect.map((error) => error?.message)
  )

  const flush = Effect.gen(function* () {
    let reason: string | undefined
    while (reason === undefined && waiting.length > 0) {
      reason = yield* writeBatch
      yield* say(reason)
    }
    return reason === undefined
  }).pipe(turn.withPermit)

  const write = Effect.gen(function* () {
    yield* some.await
    yield* Effect.sleep(collectFor)
    some.closeUnsafe()
    while (!(yield* flush)) yield* Effect.sleep(pause)
  })

  const farewell = Effect.gen(function* () {
    yield* Effect.timeoutOption(flush, farewellLimit)
    const left = waiting.length + losses.untold()
    if (left > 0) yield* Effect.logError(`${left} audit rows are lost: ${failing ?? noAnswer.message}`)
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
  yield* metrics.total("mcphub_audit_lost_total", "Audit rows that could not be written", losses.total)
  yield* metrics.gauge("mcphub_audit_waiting", "Audit rows that wait to be written", () => waiting.length)
  yield* Effect.addFinalizer(() => farewell)
  yield* Effect.forkScoped(Effect.forever(write))
  yield* Effect.forkScoped(retain)

  return {
    add,
    reserve: (userId) => writable(userId) && room.take(userId),
    release: (userId) => room.give(userId),
    writable,
    flush: Effect.asVoid(flush)
  } satisfies AuditWriter
})
