/**
 * The audit rows that are lost, by user: counted, and said in the log with whose they are. A user's rows go on being
 * lost for as long as that user fills their part of the queue, so the log hears of it when it begins and when rows have
 * been written again, at most every ten seconds.
 */
import { Clock, Effect } from "effect"
import type { AuditEvent } from "../../domain/records/AuditEvent.ts"
import type { UserId } from "../../domain/Ids.ts"
import { monotonicMillis } from "../../domain/Monotonic.ts"
import * as Seldom from "../../domain/Seldom.ts"

interface Loss {
  readonly username: string
  rows: number
  hasBegun: boolean
}

export interface AuditLosses {
  /** For want of room. */
  readonly add: (row: AuditEvent) => void
  /** N rows that the database does not take, which whoever gave them up has said. */
  readonly giveUp: (rows: number) => void
  /** Rows lost since the start. */
  readonly total: () => number
  /** Rows that no line has given the number of yet. */
  readonly untold: () => number
  /** Says whose rows began to be lost, and, where rows are written again, how many. */
  readonly say: (areWritten: boolean) => Effect.Effect<void>
}

const everyMs = 10_000

export const make: Effect.Effect<AuditLosses> = Effect.gen(function* () {
  const numbers = Seldom.make(monotonicMillis(yield* Clock.Clock), everyMs)
  const losses = new Map<UserId, Loss>()
  let total = 0
  let untold = 0

  const sayBegun = Effect.suspend(() =>
    Effect.forEach(
      [...losses].filter(([, { hasBegun }]) => !hasBegun),
      ([userId, loss]) => {
        loss.hasBegun = true
        return Effect.logError("As many audit rows of a user wait as may, and further ones are lost").pipe(
          Effect.annotateLogs({ userId, user: loss.username })
        )
      },
      { discard: true }
    )
  )

  const sayNumbers = Effect.suspend(() => {
    if (untold === 0 || !numbers.tell()) return Effect.void
    untold = 0
    const ended = [...losses]
    losses.clear()
    return Effect.forEach(
      ended,
      ([userId, { rows, username }]) =>
        Effect.logWarning(`The audit trail is written again; ${rows} rows of a user were lost`).pipe(
          Effect.annotateLogs({ userId, user: username, lost: rows })
        ),
      { discard: true }
    )
  })

  return {
    add: ({ userId, username }) => {
      total++
      untold++
      const loss = losses.get(userId)
      if (loss === undefined) losses.set(userId, { username, rows: 1, hasBegun: false })
      else loss.rows++
    },
    giveUp: (rows) => void (total += rows),
    total: () => total,
    untold: () => untold,
    say: (areWritten) => (areWritten ? Effect.andThen(sayBegun, sayNumbers) : sayBegun)
  }
})
