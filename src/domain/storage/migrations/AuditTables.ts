/**
 * The audit trail: one table, of which every day (UTC) is a partition of its own, so that an old day goes by dropping
 * a table and not by deleting rows. `AuditLogSql` makes and drops the days.
 *
 * No foreign keys: what was done stays written when its user is gone.
 */
import { Effect } from "effect"
import { SqlClient } from "effect/sql"

const statements: ReadonlyArray<string> = [
  `create sequence "mcphub_hub"."audit_log_seq"`,
  `create table "mcphub_hub"."audit_log" (
    "seq" bigint not null default nextval('"mcphub_hub"."audit_log_seq"'),
    "time" timestamp with time zone not null,
    "id" text not null,
    "kind" text not null,
    "userId" uuid not null,
    "username" text not null,
    "keyId" uuid not null,
    "sessionId" uuid not null,
    "server" text,
    "method" text not null,
    "target" text,
    "outcome" text not null,
    "durationMs" double precision not null,
    "errorCode" integer,
    "errorKind" text,
    "origin" text,
    primary key ("time", "id")
  ) partition by range ("time")`,
  `create index "audit_log_seq_index" on "mcphub_hub"."audit_log" ("seq")`,
  `create index "audit_log_user_index" on "mcphub_hub"."audit_log" ("userId", "seq")`
]

export const auditTables = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* Effect.forEach(statements, (statement) => sql.unsafe(statement), { discard: true })
})
