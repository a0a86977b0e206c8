/**
 * Tables of sign-in: who is signed in, one-time codes, roles, and users as OpenID providers know them. Secrets are
 * digests.
 *
 * No foreign keys: references would put triggers on the old hub's table. Rows go with their user (UsersSql.ts), and one
 * that was left is never joined.
 */
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import { dialectOf } from "../sql/Dialect.ts"

export const signIn = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const { own, strict, types } = dialectOf(sql)
  yield* sql`create table ${own("sign_ins")} (
    "digest" ${types.text(80)} primary key,
    "id" ${types.uuid} not null unique,
    "userId" ${types.uuid} not null,
    "way" ${types.text(100)} not null,
    "userAgent" ${types.text(200)},
    "createdAt" ${types.instant} not null,
    "lastSeenAt" ${types.instant} not null,
    "expiresAt" ${types.instant} not null
  ) ${strict}`
  yield* sql`create index "sign_ins_userId" on ${own("sign_ins")} ("userId")`
  yield* sql`create table ${own("sign_in_codes")} (
    "digest" ${types.text(80)} primary key,
    "userId" ${types.uuid} not null,
    "purpose" ${types.text(20)} not null,
    "expiresAt" ${types.instant} not null,
    unique ("userId", "purpose")
  ) ${strict}`
  yield* sql`create table ${own("user_roles")} (
    "userId" ${types.uuid} primary key,
    "role" ${types.text(20)} not null
  ) ${strict}`
  yield* sql`create table ${own("external_users")} (
    "issuer" text not null,
    "subject" text not null,
    "userId" ${types.uuid} not null,
    primary key ("issuer", "subject")
  ) ${strict}`
})
