/**
 * The tools a group admits, which the old hub did not know. Without a row a group admits all tools of its servers.
 *
 * No foreign key: a reference would put triggers on the old hub's table. Rows of a removed group are never joined.
 */
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import { dialectOf } from "../sql/Dialect.ts"

export const groupTools = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const { own, strict, types } = dialectOf(sql)
  yield* sql`create table ${own("group_tools")} (
    "groupId" ${types.uuid} primary key,
    "tools" ${types.json} not null
  ) ${strict}`
})
