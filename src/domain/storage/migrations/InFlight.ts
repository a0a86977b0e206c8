/** Requests in flight, see `InFlightRequests`. `request` is JSON in a text column, like the clients of sessions. */
import { Effect } from "effect"
import { SqlClient } from "effect/sql"

export const inFlight = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`create table "mcphub_hub"."in_flight" (
    "requestId" text primary key,
    "owner" uuid not null,
    "request" text not null,
    "writtenAt" timestamptz not null
  )`
})
