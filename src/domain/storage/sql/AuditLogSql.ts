/**
 * The audit trail in the table `audit_log`.
 *
 * A batch is one statement, which takes its turn among all hubs of the database: only so does `seq` grow in the order
 * in which rows become visible, and whoever follows it misses none.
 */
import { Effect, Layer, Schema } from "effect"
import { SqlClient, type Statement } from "effect/sql"
import { AuditEvent } from "../../records/AuditEvent.ts"
import { AuditLog, keptFrom, millisPerDay, startOfDay } from "../../records/AuditLog.ts"
import { auditDaysOf, dayOf } from "./AuditDays.ts"
import { dialectOf } from "./Dialect.ts"
import { LongReads } from "./LongReads.ts"
import { rowsOf } from "./Rows.ts"
import { orUnavailable } from "./Unavailable.ts"

/** Days made ahead, so that midnight makes nobody wait. */
const daysAhead = 2

const stored = rowsOf("row of the audit log", Schema.Struct({ seq: Schema.Number, ...AuditEvent.fields }))

const times = rowsOf("time of the audit log", Schema.Struct({ time: Schema.NullOr(Schema.Number) }))

const columns = {
  time: "time",
  id: "text",
  kind: "text",
  userId: "uuid",
  username: "text",
  keyId: "uuid",
  sessionId: "uuid",
  server: "text",
  method: "text",
  target: "text",
  outcome: "text",
  durationMs: "number",
  errorCode: "integer",
  errorKind: "text",
  origin: "text"
} as const

/** In the order of the columns. */
const listOf = (event: AuditEvent): ReadonlyArray<unknown> => [
  event.time,
  event.id,
  event.kind,
  event.userId,
  event.username,
  event.keyId,
  event.sessionId,
  event.server,
  event.method,
  event.target,
  event.outcome,
  event.durationMs,
  event.errorCode,
  event.errorKind,
  event.origin
]

const make = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const reads = (yield* LongReads) ?? sql
  const days = auditDaysOf(sql)
  const { hasTurn, instant, instantOf, millis, own, rows, uuid } = dialectOf(sql)
  const table = own("audit_log")

  const insert = (events: ReadonlyArray<AuditEvent>, otherwise: Statement.Fragment) => sql`
    insert into ${table} ("time", "id", "kind", "userId", "username", "keyId", "sessionId", "server", "method", "target",
      "outcome", "durationMs", "errorCode", "errorKind", "origin")
    select ${instantOf(`e."time"`)}, e."id", e."kind", e."userId", e."username", e."keyId", e."sessionId", e."server",
      e."method", e."target", e."outcome", e."durationMs", e."errorCode", e."errorKind", e."origin"
    from ${rows("e", events, columns, listOf)} where ${hasTurn("auditRows")} ${otherwise}`

  const newestBefore = (end: number) =>
    Effect.map(
      times(sql`select ${millis(`max(a."time")`)} as "time" from ${table} as a where a."time" < ${instant(end)}`),
      ([row]) => row?.time ?? undefined
    )

  return AuditLog.of({
    append: Effect.fnUntraced(
      function* (events) {
        if (events.length === 0) return
        yield* days.prepare(events.map((event) => dayOf(event.time)))
        // What an earlier attempt has written already, unheard, is rare; to look for it costs a quarter of each row.
        yield* Effect.catchIf(
          insert(events, sql.literal("")),
          ({ reason }) => reason._tag === "UniqueViolation",
          () => insert(events, sql.literal('on conflict ("time", "id") do nothing'))
        )
      },
      (effect) => Effect.tapCause(effect, () => days.forget),
      orUnavailable
    ),

    find: Effect.fn("AuditLog.find")(function* (query) {
      const { after, before, limit, newest, outcome, server, sessionId, since, target, until, userId } = query
      const conditions: Array<Statement.Fragment> = []
      if (userId !== undefined) conditions.push(sql`a."userId" = ${uuid(userId)}`)
      if (server !== undefined) conditions.push(sql`a."server" = ${server}`)
      if (outcome !== undefined) conditions.push(sql`a."outcome" = ${outcome}`)
      if (since !== undefined) conditions.push(sql`a."time" >= ${instant(since)}`)
      if (until !== undefined) conditions.push(sql`a."time" < ${instant(until)}`)
      if (sessionId !== undefined) conditions.push(sql`a."sessionId" = ${uuid(sessionId)}`)
      if (target !== undefined) conditions.push(sql`a."target" = ${target}`)
      if (before !== undefined) conditions.push(sql`a."seq" < ${before}`)
      if (after !== undefined) conditions.push(sql`a."seq" > ${after}`)
      const found = yield* stored(reads`
        select cast(a."seq" as double precision) as "seq", ${millis(`a."time"`)} as "time", a."id", a."kind",
          cast(a."userId" as text) as "userId", a."username", cast(a."keyId" as text) as "keyId",
          cast(a."sessionId" as text) as "sessionId", a."server", a."method", a."target", a."outcome", a."durationMs",
          a."errorCode", a."errorKind", a."origin"
        from ${table} as a where ${sql.and(conditions)}
        order by a."seq" ${sql.literal(after === undefined ? "desc" : "asc")} limit ${limit}`)
      return after === undefined && newest !== true ? found.toReversed() : found
    }, orUnavailable),

    retain: Effect.fn("AuditLog.retain")(function* (now, kept) {
      const today = dayOf(now)
      yield* days.prepare(Array.from({ length: daysAhead + 1 }, (_, ahead) => today + ahead))
      const newest = yield* newestBefore(startOfDay(now) + millisPerDay)
      const from = keptFrom(now, kept, newest === undefined ? undefined : yield* newestBefore(startOfDay(newest)))
      if (from !== undefined) yield* days.removeBefore(dayOf(from))
    }, orUnavailable)
  })
})

/** Needs the migrated tables. */
export const layer: Layer.Layer<AuditLog, never, SqlClient.SqlClient> = Layer.effect(AuditLog, make)
