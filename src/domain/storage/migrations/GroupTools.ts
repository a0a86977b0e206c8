/**
 * The tools a group admits, which the old hub did not know. Without a row a group admits all tools of its servers.
 *
 * No foreign key: a reference would put triggers on the old hub's table. Rows of a removed group are never joined.
 */
import { Effect } from "effect"
import { SqlClient } from "effect/sql"

export const groupTools = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`create table "mcphub_hub"."group_tools" (
    "groupId" uuid primary key,
    "tools" jsonb not null
  )`
})
