/**
 * The hourly statistics in the table `statistics`, their errors in `statistics_errors`.
 *
 * Each hub adds what it has counted to what is there, and takes its turn to do so: two that add to the same hours in
 * another order would wait for each other. All sums are the database's.
 */
import { Clock, Effect, Layer, Schema } from "effect"
import { SqlClient, type Statement } from "effect/sql"
import { UserId } from "../../Ids.ts"
import { keptFrom, millisPerDay, startOfDay } from "../../records/AuditLog.ts"
import { bucketCount } from "../../records/DurationHistogram.ts"
import {
  hourOf,
  millisPerHour,
  Statistics,
  type StatisticsFilter,
  type StatisticsPart,
  type StatisticsRow,
  type StatisticsSum
} from "../../records/Statistics.ts"
import { merged } from "../../records/StatisticsSums.ts"
import { type ColumnKind, dialectOf } from "./Dialect.ts"
import { LongReads } from "./LongReads.ts"
import { rowsOf } from "./Rows.ts"
import { orUnavailable } from "./Unavailable.ts"

const bucketNames = Array.from({ length: bucketCount }, (_, bucket) => `b${bucket}`)

const columns: Readonly<Record<string, ColumnKind>> = {
  hour: "integer",
  userId: "uuid",
  server: "text",
  tool: "text",
  requests: "integer",
  errors: "integer",
  totalMs: "number",
  maxMs: "number",
  ...Object.fromEntries(bucketNames.map((name) => [name, "integer" as const]))
}

const listOf = (row: StatisticsRow): ReadonlyArray<unknown> => [
  row.hour,
  row.userId,
  row.server,
  row.tool,
  row.requests,
  row.errors,
  row.totalMs,
  row.maxMs,
  ...row.buckets
]

/** PostgreSQL reads objects; these have the columns as members. */
const flat = (row: StatisticsRow) => ({
  ...row,
  ...Object.fromEntries(bucketNames.map((name, bucket) => [name, row.buckets[bucket]]))
})

const errorColumns = {
  hour: "integer",
  userId: "uuid",
  server: "text",
  tool: "text",
  kind: "text",
  requests: "integer"
} as const

const quoted = (names: ReadonlyArray<string>): string => names.map((name) => `"${name}"`).join(", ")
const plusGiven = (name: string): string => `"${name}" = known."${name}" + excluded."${name}"`

const SumRow = Schema.Struct({
  hour: Schema.NullOr(Schema.Number),
  userId: Schema.NullOr(UserId),
  server: Schema.NullOr(Schema.String),
  tool: Schema.NullOr(Schema.String),
  requests: Schema.Number,
  errors: Schema.Number,
  totalMs: Schema.Number,
  maxMs: Schema.Number
})
const storedSums = rowsOf(
  "statistic",
  Schema.StructWithRest(SumRow, [
    Schema.Record(Schema.String, Schema.Union([Schema.Number, Schema.String, Schema.Null]))
  ])
)
const storedKinds = rowsOf("statistic of errors", Schema.Struct({ kind: Schema.String, requests: Schema.Number }))
const storedHours = rowsOf("hour of the statistics", Schema.Struct({ hour: Schema.NullOr(Schema.Number) }))
const storedBatches = rowsOf("writer of statistics", Schema.Struct({ batch: Schema.Number }))

/** Rows removed by one statement, so that others get their turn in between. */
const portion = 500
/** Milliseconds after which nobody tries a batch again. */
const writerKept = millisPerDay

const partOf: Readonly<Record<StatisticsPart, string>> = {
  hour: `s."hour"`,
  day: `s."hour" / 24 * 24`,
  user: `cast(s."userId" as text)`,
  server: `s."server"`,
  tool: `s."tool"`
}

const make = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const reads = (yield* LongReads) ?? sql
  const { hasTurn, instant, own, rows, uuid } = dialectOf(sql)
  const { literal } = sql
  const table = own("statistics")
  const errors = own("statistics_errors")
  const writers = own("statistics_writers")

  const keyOfSums = literal(quoted(["hour", "userId", "server", "tool"]))
  const keyOfErrors = literal(quoted(["hour", "userId", "server", "tool", "kind"]))
  const insertColumns = literal(quoted(Object.keys(columns)))
  const addAll = literal(
    [
      ...["requests", "errors", "totalMs", ...bucketNames].map(plusGiven),
      `"maxMs" = case when known."maxMs" > excluded."maxMs" then known."maxMs" else excluded."maxMs" end`
    ].join(", ")
  )
  const sumOf = (name: string) => `cast(sum(s."${name}") as double precision) as "${name}"`
  const sumAll = literal(
    [...["requests", "errors", "totalMs", ...bucketNames].map(sumOf), `max(s."maxMs") as "maxMs"`].join(", ")
  )

  /** False where the writer has written this batch, or a later one, already. */
  const begins = (writer: string, number: number, now: number) =>
    Effect.map(
      storedBatches(sql`
        insert into ${writers} as known ("writer", "batch", "writtenAt")
        select ${uuid(writer)}, ${literal(String(Math.trunc(number)))}, ${instant(now)} where ${hasTurn("statistics")}
        on conflict ("writer") do update set "batch" = excluded."batch", "writtenAt" = excluded."writtenAt"
        where known."batch" < excluded."batch"
        returning "batch"`),
      (found) => found.length > 0
    )

  const where = ({ server, since, tool, until, userId }: StatisticsFilter) => {
    const conditions: Array<Statement.Fragment> = []
    if (userId !== undefined) conditions.push(sql`s."userId" = ${uuid(userId)}`)
    if (server !== undefined) conditions.push(sql`s."server" = ${server}`)
    if (tool !== undefined) conditions.push(sql`s."tool" = ${tool}`)
    if (since !== undefined) conditions.push(sql`s."hour" >= ${hourOf(since)}`)
    if (until !== undefined) conditions.push(sql`s."hour" < ${hourOf(until)}`)
    return sql.and(conditions)
  }

  const newestBefore = (end: number) =>
    Effect.map(
      storedHours(sql`select max(s."hour") as "hour" from ${table} as s where s."hour" < ${hourOf(end)}`),
      ([row]) => (row?.hour == null ? undefined : row.hour * millisPerHour)
    )

  const removeBefore = (from: Statement.Fragment, key: Statement.Fragment, hour: number) =>
    sql`delete from ${from} where (${key}) in (
        select ${key} from ${from} where "hour" < ${hour} order by "hour" limit ${portion})
      returning "hour"`.pipe(Effect.repeat({ while: (removed) => removed.length === portion }), Effect.asVoid)

  return Statistics.of({
    add: Effect.fn("Statistics.add")(
      function* ({ number, writer }, batch) {
        if (batch.length === 0) return
        const given = merged(batch)
        if (!(yield* begins(writer, number, yield* Clock.currentTimeMillis))) return
        yield* sql`
          insert into ${table} as known (${insertColumns})
          select ${insertColumns} from ${rows("given", given.map(flat), columns, listOf as never)} where true
          on conflict (${keyOfSums}) do update set ${addAll}`
        const kinds = given.flatMap(({ errorsByKind, hour, server, tool, userId }) =>
          Object.entries(errorsByKind).map(([kind, requests]) => ({ hour, userId, server, tool, kind, requests }))
        )
        if (kinds.length === 0) return
        yield* sql`
          insert into ${errors} as known ("hour", "userId", "server", "tool", "kind", "requests")
          select "hour", "userId", "server", "tool", "kind", "requests" from ${rows("given", kinds, errorColumns)}
          where true on conflict (${keyOfErrors}) do update set ${literal(plusGiven("requests"))}`
      },
      sql.withTransaction,
      orUnavailable
    ),

    sums: Effect.fn("Statistics.sums")(function* ({ by, limit, ...filter }) {
      const has = (part: StatisticsPart) => by.includes(part)
      const time = has("hour") ? partOf.hour : has("day") ? partOf.day : undefined
      const groups = [time, ...(["user", "server", "tool"] as const).filter(has).map((part) => partOf[part])].filter(
        (part) => part !== undefined
      )
      const grouped = groups.length === 0 ? literal("") : literal(`group by ${groups.join(", ")}`)
      const names = [...(has("user") ? ["user" as const] : []), "server" as const, "tool" as const]
      const order = [
        time ?? `sum(s."requests") desc`,
        ...(time === undefined ? [] : [`sum(s."requests") desc`]),
        ...names.filter(has).map((part) => partOf[part])
      ]
      const found = yield* storedSums(reads`
        select ${literal(time ?? "cast(null as integer)")} as "hour",
          ${literal(has("user") ? partOf.user : "cast(null as text)")} as "userId",
          ${literal(has("server") ? partOf.server : "cast(null as text)")} as "server",
          ${literal(has("tool") ? partOf.tool : "cast(null as text)")} as "tool", ${sumAll}
        from ${table} as s where ${where(filter)} ${grouped} having count(*) > 0
        order by ${literal(order.join(", "))} limit ${limit}`)
      return found.map(
        ({ errors: failed, hour, maxMs, requests, server, tool, totalMs, userId, ...buckets }): StatisticsSum => ({
          hour,
          userId,
          server,
          tool,
          requests,
          errors: failed,
          totalMs,
          maxMs,
          buckets: bucketNames.map((name) => Number(buckets[name]))
        })
      )
    }, orUnavailable),

    kinds: Effect.fn("Statistics.kinds")(function* (filter) {
      const found = yield* storedKinds(reads`
        select s."kind", cast(sum(s."requests") as double precision) as "requests"
        from ${errors} as s where ${where(filter)} group by s."kind" order by sum(s."requests") desc, s."kind"`)
      return Object.fromEntries(found.map(({ kind, requests }) => [kind, requests]))
    }, orUnavailable),

    retain: Effect.fn("Statistics.retain")(function* (now, days) {
      yield* sql`delete from ${writers} where "writtenAt" < ${instant(now - writerKept)}`
      const newest = yield* newestBefore(startOfDay(now) + millisPerDay)
      const from = keptFrom(now, days, newest === undefined ? undefined : yield* newestBefore(startOfDay(newest)))
      if (from === undefined) return
      yield* removeBefore(table, keyOfSums, hourOf(from))
      yield* removeBefore(errors, keyOfErrors, hourOf(from))
    }, orUnavailable)
  })
})

/** Needs the migrated tables. */
export const layer: Layer.Layer<Statistics, never, SqlClient.SqlClient> = Layer.effect(Statistics, make)
