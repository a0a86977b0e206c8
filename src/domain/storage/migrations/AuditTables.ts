/**
 * The audit trail. On PostgreSQL every day (UTC) is a partition of one table, so that an old day goes by dropping a table
 * and not by deleting rows; `AuditDays` makes and drops the days.
 *
 * No foreign keys: what was done stays written when its user is gone.
 */
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import { dialectOf } from "../sql/Dialect.ts"

const postgres: ReadonlyArray<string> = [
  `create sequence "mcphub_hub"."audit_log_seq"`,
  `create index "audit_log_seq_index" on "mcphub_hub"."audit_log" ("seq")`,
  `create index "audit_log_user_index" on "mcphub_hub"."audit_log" ("userId", "seq")`
]

export const auditTables = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const { own, types } = dialectOf(sql)
  const [sequence, ...indexes] = sql.onDialectOrElse({ sqlite: () => [], orElse: () => postgres })
  if (sequence !== undefined) yield* sql.unsafe(sequence)
  // SQLite has no index on the user: with it every batch would rewrite a page for each of its users.
  const { ending, seq } = sql.onDialectOrElse({
    sqlite: () => ({ seq: "integer primary key autoincrement", ending: `, unique ("time", "id")) strict` }),
    orElse: () => ({
      seq: `bigint not null default nextval('"mcphub_hub"."audit_log_seq"')`,
      ending: `, primary key ("time", "id")) partition by range ("time")`
    })
  })
  yield* sql`create table ${own("audit_log")} (
    "seq" ${sql.literal(seq)},
    "time" ${types.instant} not null,
    "id" text not null,
    "kind" text not null,
    "userId" ${types.uuid} not null,
    "username" text not null,
    "keyId" ${types.uuid} not null,
    "sessionId" ${types.uuid} not null,
    "server" text,
    "method" text not null,
    "target" text,
    "outcome" text not null,
    "durationMs" ${types.real} not null,
    "errorCode" integer,
    "errorKind" text,
    "origin" text${sql.literal(ending)}`
  yield* Effect.forEach(indexes, (index) => sql.unsafe(index), { discard: true })
})
