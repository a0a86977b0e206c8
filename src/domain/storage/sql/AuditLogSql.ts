/**
 * The audit trail in `mcphub_hub.audit_log`, one partition a day (UTC).
 *
 * A batch is one statement, which takes its turn among all hubs of the database: only so does `seq` grow in the order
 * in which rows become visible, and whoever follows it misses none.
 */
import { Effect, Layer } from "effect"
import { SqlClient, type Statement } from "effect/sql"
import type { AuditEvent, AuditRow } from "../../records/AuditEvent.ts"
import { AuditLog, keptFrom, millisPerDay } from "../../records/AuditLog.ts"
import { millis, orUnavailable } from "./LegacyColumns.ts"

/** Any fixed numbers, other than those of other locks: turns of writing, and of making days. */
const turnOfRows = 6_274_822
const turnOfDays = 6_274_823

/** Days made ahead, so that midnight makes nobody wait. */
const daysAhead = 2

/** How long the removal of a day may hold up who writes; then it is left for the next time. */
const patience = "2s"

const dayOf = (time: number): number => Math.floor(time / millisPerDay)
const iso = (day: number): string => new Date(day * millisPerDay).toISOString()
const partition = (day: number): string => `audit_log_${iso(day).slice(0, 10).replaceAll("-", "")}`

/** The day of a partition's name; undefined for a table that is none of ours. */
const dayNamed = (name: string): number | undefined => {
  const date = /^audit_log_(\d{4})(\d\d)(\d\d)$/.exec(name)
  return date === null ? undefined : dayOf(Date.UTC(Number(date[1]), Number(date[2]) - 1, Number(date[3])))
}

const make = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  /** Days known to have a partition. */
  let made = new Set<number>()

  const makeDay = Effect.fnUntraced(function* (day: number) {
    const name = partition(day)
    const found = yield* sql`select 1 as found where to_regclass(${`"mcphub_hub"."${name}"`}) is not null`
    if (found.length > 0) return
    // Made apart and attached: unlike making it in its place, that waits for no reader, such as a running backup.
    yield* sql.unsafe(`create table "mcphub_hub"."${name}" (like "mcphub_hub"."audit_log" including all)`)
    yield* sql.unsafe(`alter table "mcphub_hub"."audit_log" attach partition "mcphub_hub"."${name}"
      for values from ('${iso(day)}') to ('${iso(day + 1)}')`)
  })

  const makeDays = Effect.fnUntraced(function* (days: Iterable<number>) {
    const missing = [...new Set(days)].filter((day) => !made.has(day))
    if (missing.length === 0) return
    yield* Effect.andThen(
      sql`select pg_advisory_xact_lock(${turnOfDays}::bigint)`,
      Effect.forEach(missing, makeDay, { discard: true })
    ).pipe(sql.withTransaction)
    for (const day of missing) made.add(day)
  })

  const dropDay = (name: string) =>
    Effect.andThen(
      sql.unsafe(`set local lock_timeout = '${patience}'`),
      sql.unsafe(`drop table if exists "mcphub_hub"."${name}"`)
    ).pipe(sql.withTransaction)

  const insert = (events: ReadonlyArray<AuditEvent>, otherwise: Statement.Fragment) => sql`
    with turn as materialized (select pg_advisory_xact_lock(${turnOfRows}::bigint))
    insert into "mcphub_hub"."audit_log" ("time", "id", "kind", "userId", "username", "keyId", "sessionId", "server",
      "method", "target", "outcome", "durationMs", "errorCode", "errorKind", "origin")
    select to_timestamp(e."time" / 1000), e."id", e."kind", e."userId", e."username", e."keyId", e."sessionId",
      e."server", e."method", e."target", e."outcome", e."durationMs", e."errorCode", e."errorKind", e."origin"
    from turn cross join json_to_recordset(${JSON.stringify(events)}::json) as e("time" float8, "id" text, "kind" text,
      "userId" uuid, "username" text, "keyId" uuid, "sessionId" uuid, "server" text, "method" text, "target" text,
      "outcome" text, "durationMs" float8, "errorCode" integer, "errorKind" text, "origin" text) ${otherwise}`

  return AuditLog.of({
    append: Effect.fn("AuditLog.append")(
      function* (events) {
        if (events.length === 0) return
        yield* makeDays(events.map((event) => dayOf(event.time)))
        // What an earlier attempt has written already, unheard, is rare; to look for it costs a quarter of each row.
        yield* Effect.catchIf(
          insert(events, sql.literal("")),
          ({ reason }) => reason._tag === "UniqueViolation",
          () => insert(events, sql.literal('on conflict ("time", "id") do nothing'))
        )
      },
      // A day may have been dropped by hand: it is looked for again.
      (effect) => Effect.tapCause(effect, () => Effect.sync(() => (made = new Set()))),
      orUnavailable
    ),

    find: Effect.fn("AuditLog.find")(function* ({ after, limit, outcome, server, since, userId }) {
      const conditions: Array<Statement.Fragment> = []
      if (userId !== undefined) conditions.push(sql`a."userId" = ${userId}::uuid`)
      if (server !== undefined) conditions.push(sql`a."server" = ${server}`)
      if (outcome !== undefined) conditions.push(sql`a."outcome" = ${outcome}`)
      if (since !== undefined) conditions.push(sql`a."time" >= to_timestamp(${since}::float8 / 1000)`)
      if (after !== undefined) conditions.push(sql`a."seq" > ${after}::bigint`)
      const rows = yield* sql<AuditRow>`
        select a."seq"::float8 as "seq", ${millis(sql, `a."time"`)} as "time", a."id", a."kind",
          a."userId"::text as "userId", a."username", a."keyId"::text as "keyId", a."sessionId"::text as "sessionId",
          a."server", a."method", a."target", a."outcome", a."durationMs", a."errorCode", a."errorKind", a."origin"
        from "mcphub_hub"."audit_log" as a where ${sql.and(conditions)}
        order by a."seq" ${sql.literal(after === undefined ? "desc" : "asc")} limit ${limit}::integer`
      return after === undefined ? rows.toReversed() : rows
    }, orUnavailable),

    retain: Effect.fn("AuditLog.retain")(function* (now, days) {
      const today = dayOf(now)
      yield* makeDays(Array.from({ length: daysAhead + 1 }, (_, ahead) => today + ahead))
      const partitions = yield* sql<{ readonly name: string }>`
        select c."relname" as name from pg_inherits as i join pg_class as c on c."oid" = i."inhrelid"
        where i."inhparent" = '"mcphub_hub"."audit_log"'::regclass`
      const kept = dayOf(keptFrom(now, days))
      for (const { name } of partitions) {
        const day = dayNamed(name)
        if (day === undefined || day >= kept) continue
        yield* dropDay(name)
        made.delete(day)
      }
    }, orUnavailable)
  })
})

/** Needs the migrated tables. */
export const layer: Layer.Layer<AuditLog, never, SqlClient.SqlClient> = Layer.effect(AuditLog, make)
