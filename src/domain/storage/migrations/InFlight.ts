/** Requests in flight, see `InFlightRequests`. `request` is JSON in a text column, like the clients of sessions. */
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import { dialectOf } from "../sql/Dialect.ts"

export const inFlight = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const { own, strict, types } = dialectOf(sql)
  yield* sql`create table ${own("in_flight")} (
    "requestId" text primary key,
    "owner" ${types.uuid} not null,
    "request" text not null,
    "writtenAt" ${types.instant} not null
  ) ${strict}`
})
