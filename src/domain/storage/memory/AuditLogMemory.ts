/** The audit trail in memory: its latest rows, gone with the process. */
import { Effect, Layer } from "effect"
import type { AuditRow } from "../../records/AuditEvent.ts"
import { AuditLog, keptFrom, millisPerDay, startOfDay } from "../../records/AuditLog.ts"

/** Rows kept; the oldest go first. */
const capacity = 10_000

const make = Effect.sync(() => {
  let rows: Array<AuditRow> = []
  let ids = new Set<string>()
  let seq = 0

  const keep = (kept: Array<AuditRow>): void => {
    rows = kept
    ids = new Set(kept.map((row) => row.id))
  }

  return AuditLog.of({
    append: (events) =>
      Effect.sync(() => {
        for (const event of events) {
          if (ids.has(event.id)) continue
          ids.add(event.id)
          rows.push({ ...event, seq: ++seq })
        }
        // Well beyond the bound before anything is moved: moving all rows with every batch would cost more than them.
        if (rows.length > capacity * 2) keep(rows.slice(-capacity))
      }),
    find: ({ after, before, limit, newest, outcome, server, sessionId, since, target, until, userId }) =>
      Effect.sync(() => {
        const found = rows
          .slice(-capacity)
          .filter(
            (row) =>
              (userId === undefined || row.userId === userId) &&
              (server === undefined || row.server === server) &&
              (outcome === undefined || row.outcome === outcome) &&
              (since === undefined || row.time >= since) &&
              (until === undefined || row.time < until) &&
              (sessionId === undefined || row.sessionId === sessionId) &&
              (target === undefined || row.target === target) &&
              (before === undefined || row.seq < before) &&
              (after === undefined || row.seq > after)
          )
        if (after !== undefined) return found.slice(0, limit)
        return newest === true ? found.slice(-limit).toReversed() : found.slice(-limit)
      }),
    retain: (now, days) =>
      Effect.sync(() => {
        const before = (end: number) =>
          rows.reduce<number | undefined>(
            (newest, { time }) => (time < end && (newest === undefined || time > newest) ? time : newest),
            undefined
          )
        const newest = before(startOfDay(now) + millisPerDay)
        const from = keptFrom(now, days, newest === undefined ? undefined : before(startOfDay(newest)))
        if (from !== undefined) keep(rows.filter((row) => row.time >= from))
      })
  })
})

export const layer: Layer.Layer<AuditLog> = Layer.effect(AuditLog, make)
