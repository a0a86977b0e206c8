/**
 * The hourly statistics, see `Statistics`. A histogram is one column for each of its buckets, so that the database itself
 * adds hours up. Hours are numbers since the epoch.
 *
 * No foreign keys: what was counted stays counted when its user is gone.
 */
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import { dialectOf } from "../sql/Dialect.ts"

/** As many as `DurationHistogram` had when this was released. */
const buckets = Array.from({ length: 40 }, (_, bucket) => `"b${bucket}" integer not null`)

export const statisticsTables = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const { own, strict, types } = dialectOf(sql)
  yield* sql`create table ${own("statistics")} (
    "hour" integer not null,
    "userId" ${types.uuid} not null,
    "server" text not null,
    "tool" text not null,
    "requests" integer not null,
    "errors" integer not null,
    "totalMs" ${types.real} not null,
    "maxMs" ${types.real} not null,
    ${sql.literal(buckets.join(", "))},
    primary key ("hour", "userId", "server", "tool")
  ) ${strict}`
  yield* sql`create index "statistics_user_index" on ${own("statistics")} ("userId", "hour")`
  yield* sql`create table ${own("statistics_errors")} (
    "hour" integer not null,
    "userId" ${types.uuid} not null,
    "server" text not null,
    "tool" text not null,
    "kind" text not null,
    "requests" integer not null,
    primary key ("hour", "userId", "server", "tool", "kind")
  ) ${strict}`
  yield* sql`create index "statistics_errors_user_index" on ${own("statistics_errors")} ("userId", "hour")`
  // The latest batch of each run of a hub: one that was written, unheard, is not added again.
  yield* sql`create table ${own("statistics_writers")} (
    "writer" ${types.uuid} primary key,
    "batch" integer not null,
    "writtenAt" ${types.instant} not null
  ) ${strict}`
})
