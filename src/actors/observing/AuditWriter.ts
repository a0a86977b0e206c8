/**
 * Brings audit rows to the `AuditLog` in batches, in the order in which they came.
 *
 * Rows wait in memory, a quarter of a second when all is well. While the database is away they go on waiting, up to a
 * bound of which each user may fill a part (`SharedRoom`); beyond it that user's new rows are lost, and nobody else's.
 * A row whose place was reserved is never lost for want of room. Closing the scope writes what waits.
 */
import { type Cause, Effect, Latch } from "effect"
import type { AuditEvent } from "../../domain/records/AuditEvent.ts"
import { AuditLog } from "../../domain/records/AuditLog.ts"
import type { UserId } from "../../domain/Ids.ts"
import { SharedRoom } from "../../domain/SharedRoom.ts"
import { writeApart } from "../../domain/records/WriteApart.ts"
import * as AuditLosses from "./AuditLosses.ts"
import * as BackgroundWriting from "./BackgroundWriting.ts"
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
/** Users that a line about rows of several of them names. */
const mostNamed = 8

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
  const some = Latch.makeUnsafe(false)
  const waiting: Array<AuditEvent> = []
  const room = new SharedRoom(capacity)
  const losses = yield* AuditLosses.make
  const troubles = yield* WriteTroubles
  let written = 0

  const add = (event: AuditEvent, hasPlace = false): void => {
    if (!hasPlace && !room.take(event.userId)) return losses.add(event)
    waiting.push(event)
    if (waiting.length === 1) some.openUnsafe()
  }

  const takeOff = (count: number): number => {
    for (const { userId } of waiting.splice(0, count)) room.give(userId)
    return count
  }

  const append = (rows: ReadonlyArray<AuditEvent>) =>
    log
      .append(rows)
      .pipe(
        Effect.timeoutOrElse({ duration: appendLimit, orElse: () => Effect.fail(BackgroundWriting.noAnswer) }),
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
    Effect.tap((error) => Effect.sync(() => troubles.note("audit", error)))
  )

  yield* metrics.total("mcphub_audit_rows_total", "Audit rows written", () => written)
  yield* metrics.total("mcphub_audit_lost_total", "Audit rows that could not be written", losses.total)
  yield* metrics.gauge("mcphub_audit_waiting", "Audit rows that wait to be written", () => waiting.length)
  const { flush, isFailing } = yield* BackgroundWriting.make({
    words: {
      stopped: "The audit trail cannot be written; its rows wait for the database",
      resumed: "The audit trail is written again",
      notRemoved: "Old audit rows could not be removed"
    },
    some,
    waits: () => waiting.length > 0,
    writeBatch,
    batchEnded: losses.say,
    collectFor,
    pause,
    farewellLimit,
    left: () => {
      const left = waiting.length + losses.untold()
      return left > 0 ? `${left} audit rows are lost` : undefined
    },
    retain: (now) => log.retain(now, retentionDays)
  })
  const writable = (userId: UserId): boolean => !isFailing() && room.has(userId)

  return {
    add,
    reserve: (userId) => writable(userId) && room.take(userId),
    release: (userId) => room.give(userId),
    writable,
    flush
  } satisfies AuditWriter
})
