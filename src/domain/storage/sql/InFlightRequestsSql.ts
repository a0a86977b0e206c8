/**
 * Requests in flight in `mcphub_hub.in_flight`: few rows, since most requests end before they are written.
 */
import { Clock, Effect, Layer, Schema } from "effect"
import { SqlClient } from "effect/sql"
import { type InFlightRequest, InFlightRequests } from "../../records/InFlightRequests.ts"
import { dialectOf } from "./Dialect.ts"
import { rowsOf } from "./Rows.ts"
import { orUnavailable } from "./Unavailable.ts"
import { parseJson } from "../../protocol/json/JsonText.ts"

const stored = rowsOf("request in flight", Schema.Struct({ request: Schema.String }))

const make = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const { instant, isOneOf, own, rows, uuid } = dialectOf(sql)
  const table = own("in_flight")

  return InFlightRequests.of({
    write: Effect.fn("InFlightRequests.write")(
      function* (owner, { ended, started }) {
        const now = yield* Clock.currentTimeMillis
        const texts = started.map((request) => ({ requestId: request.requestId, request: JSON.stringify(request) }))
        const given = rows("given", texts, { requestId: "text", request: "text" })
        yield* sql`delete from ${table} where ${isOneOf(`"requestId"`, ended)}`
        yield* sql`update ${table} set "writtenAt" = ${instant(now)} where "owner" = ${uuid(owner)}`
        yield* sql`
          insert into ${table} ("requestId", "owner", "request", "writtenAt")
          select "requestId", ${uuid(owner)}, "request", ${instant(now)} from ${given} where true
          on conflict ("requestId") do nothing`
      },
      sql.withTransaction,
      orUnavailable
    ),
    takeSilent: Effect.fn("InFlightRequests.takeSilent")(function* (owner, writtenBefore) {
      const silent = yield* stored(sql`
        delete from ${table} where "owner" <> ${uuid(owner)} and "writtenAt" < ${instant(writtenBefore)}
        returning "request"`)
      const taken = silent.map(({ request }) => parseJson(request) as InFlightRequest)
      return taken.sort((a, b) => a.startedAt - b.startedAt)
    }, orUnavailable)
  })
})

/** Needs the migrated tables. */
export const layer: Layer.Layer<InFlightRequests, never, SqlClient.SqlClient> = Layer.effect(InFlightRequests, make)
