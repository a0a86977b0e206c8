/**
 * Tables of what a session leaves for the next run of the hub, see `SessionStore`.
 *
 * No foreign keys: references would put triggers on the old hub's tables. Rows of removed users and keys are swept.
 * `client` is JSON in a text column because a client may send what `jsonb` cannot hold (U+0000, lone surrogates).
 */
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import { dialectOf } from "../sql/Dialect.ts"

export const sessions = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const { own, strict, types } = dialectOf(sql)
  yield* sql`create table ${own("sessions")} (
    "digest" ${types.text(80)} primary key,
    "owner" ${types.uuid} not null,
    "sessionId" ${types.uuid} not null,
    "userId" ${types.uuid} not null,
    "keyId" ${types.uuid} not null,
    "target" text not null,
    "protocolVersion" ${types.text(20)} not null,
    "client" text not null,
    "adopted" ${types.boolean} not null,
    "createdAt" ${types.instant} not null,
    "lastActiveAt" ${types.instant} not null,
    "endedAt" ${types.instant}
  ) ${strict}`
  yield* sql`create index "sessions_lastActiveAt" on ${own("sessions")} ("lastActiveAt")`
})
