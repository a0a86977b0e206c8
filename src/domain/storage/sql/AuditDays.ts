/**
 * The days (UTC) into which the audit log is cut: on PostgreSQL each day is a partition, made ahead and dropped as a whole; on
 * SQLite there is one table, of which old rows go in small portions, so that other statements get their turn in between.
 */
import { Effect } from "effect"
import type { SqlClient, SqlError } from "effect/sql"
import { millisPerDay } from "../../records/AuditLog.ts"
import { dialectOf } from "./Dialect.ts"

export interface AuditDays {
  /** Makes room for days, by their number since the epoch. */
  readonly prepare: (days: Iterable<number>) => Effect.Effect<void, SqlError.SqlError>
  /** Looks again for what was made, since it may have been dropped by hand. */
  readonly forget: Effect.Effect<void>
  readonly removeBefore: (day: number) => Effect.Effect<void, SqlError.SqlError>
}

export const dayOf = (time: number): number => Math.floor(time / millisPerDay)

/** How long the removal of a partition may hold up who writes; then it is left for the next time. */
const patience = "2s"

const iso = (day: number): string => new Date(day * millisPerDay).toISOString()
const partition = (day: number): string => `audit_log_${iso(day).slice(0, 10).replaceAll("-", "")}`

/** The day of a partition's name; undefined for a table that is none of ours. */
const dayNamed = (name: unknown): number | undefined => {
  const date = /^audit_log_(\d{4})(\d\d)(\d\d)$/.exec(String(name))
  return date === null ? undefined : dayOf(Date.UTC(Number(date[1]), Number(date[2]) - 1, Number(date[3])))
}

const partitions = (sql: SqlClient.SqlClient): AuditDays => {
  const { hasTurn } = dialectOf(sql)
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

  const dropDay = (name: string) =>
    Effect.andThen(
      sql.unsafe(`set local lock_timeout = '${patience}'`),
      sql.unsafe(`drop table if exists "mcphub_hub"."${name}"`)
    ).pipe(sql.withTransaction)

  return {
    prepare: Effect.fnUntraced(function* (days) {
      const missing = [...new Set(days)].filter((day) => !made.has(day))
      if (missing.length === 0) return
      yield* Effect.andThen(
        sql`select 1 as mine where ${hasTurn("auditDays")}`,
        Effect.forEach(missing, makeDay, { discard: true })
      ).pipe(sql.withTransaction)
      for (const day of missing) made.add(day)
    }),
    forget: Effect.sync(() => (made = new Set())),
    removeBefore: Effect.fnUntraced(function* (kept) {
      const names = yield* sql`
        select c."relname" as name from pg_inherits as i join pg_class as c on c."oid" = i."inhrelid"
        where i."inhparent" = '"mcphub_hub"."audit_log"'::regclass`
      for (const { name } of names) {
        const day = dayNamed(name)
        if (day === undefined || day >= kept) continue
        yield* dropDay(partition(day))
        made.delete(day)
      }
    })
  }
}

/** Rows removed by one statement. */
const portion = 200

const portions = (sql: SqlClient.SqlClient): AuditDays => ({
  prepare: () => Effect.void,
  forget: Effect.void,
  removeBefore: (day) =>
    sql`delete from "audit_log" where "seq" in (
        select "seq" from "audit_log" where "time" < ${day * millisPerDay} order by "time" limit ${portion})
      returning "seq"`.pipe(Effect.repeat({ while: (removed) => removed.length === portion }), Effect.asVoid)
})

export const auditDaysOf = (sql: SqlClient.SqlClient): AuditDays =>
  sql.onDialectOrElse({ sqlite: () => portions(sql), orElse: () => partitions(sql) })
