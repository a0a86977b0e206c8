/**
 * What of sessions outlives a process, see `SessionStore`.
 *
 * No foreign keys: references would put triggers on the old hub's tables. Rows of removed users and keys are swept.
 * `client` is JSON in a text column because a client may send what `jsonb` cannot hold (U+0000, lone surrogates).
 */
import { Effect } from "effect"
import { SqlClient } from "effect/sql"

export const sessions = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`create table "mcphub_hub"."sessions" (
    "digest" varchar(80) primary key,
    "owner" uuid not null,
    "sessionId" uuid not null,
    "userId" uuid not null,
    "keyId" uuid not null,
    "target" text not null,
    "protocolVersion" varchar(20) not null,
    "client" text not null,
    "adopted" boolean not null,
    "createdAt" timestamptz not null,
    "lastActiveAt" timestamptz not null,
    "endedAt" timestamptz
  )`
  yield* sql`create index "sessions_lastActiveAt" on "mcphub_hub"."sessions" ("lastActiveAt")`
})
