/**
 * Requests in flight in `mcphub_hub.in_flight`: few rows, since most requests end before they are written.
 */
import { Clock, Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { type InFlightRequest, InFlightRequests } from "../../records/InFlightRequests.ts"
import { jsonb, orUnavailable, texts } from "./LegacyColumns.ts"
import { parseJson } from "../../protocol/json/JsonText.ts"

const make = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const table = sql`"mcphub_hub"."in_flight"`
  const instant = (ms: number) => sql`to_timestamp(${ms}::float8 / 1000)`

  return InFlightRequests.of({
    write: Effect.fn("InFlightRequests.write")(
      function* (owner, { ended, started }) {
        const now = yield* Clock.currentTimeMillis
        const rows = started.map((request) => ({ requestId: request.requestId, request: JSON.stringify(request) }))
        yield* sql`delete from ${table} where "requestId" = any(${texts(sql, ended)})`
        yield* sql`update ${table} set "writtenAt" = ${instant(now)} where "owner" = ${owner}::uuid`
        yield* sql`
          insert into ${table} ("requestId", "owner", "request", "writtenAt")
          select "requestId", ${owner}::uuid, "request", ${instant(now)}
          from jsonb_to_recordset(${jsonb(sql, rows)}) as given("requestId" text, "request" text)
          on conflict ("requestId") do nothing`
      },
      sql.withTransaction,
      orUnavailable
    ),
    takeSilent: Effect.fn("InFlightRequests.takeSilent")(function* (owner, writtenBefore) {
      const rows = yield* sql<{ readonly request: string }>`
        delete from ${table} where "owner" <> ${owner}::uuid and "writtenAt" < ${instant(writtenBefore)}
        returning "request"`
      const taken = rows.map(({ request }) => parseJson(request) as InFlightRequest)
      return taken.sort((a, b) => a.startedAt - b.startedAt)
    }, orUnavailable)
  })
})

/** Needs the migrated tables. */
export const layer: Layer.Layer<InFlightRequests, never, SqlClient.SqlClient> = Layer.effect(InFlightRequests, make)
