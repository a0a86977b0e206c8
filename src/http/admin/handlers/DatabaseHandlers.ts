/** The operation that describes the database: version, migrations, clock. */
import { Clock, Effect } from "effect"
import { SqlClient } from "effect/sql"
import { DatabaseOperations } from "../operations/AdminOperations.ts"
import { asRefusal, OperationRefused } from "../operations/OperationRefused.ts"

export const DatabaseHandlers = DatabaseOperations.toLayer(
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    return DatabaseOperations.of({
      databaseCheck: Effect.fnUntraced(
        function* () {
          const before = yield* Clock.currentTimeMillis
          const rows = yield* sql<{ readonly version: string; readonly now: number }>`
            select version() as "version", (extract(epoch from clock_timestamp()) * 1000)::float8 as "now"`
          const after = yield* Clock.currentTimeMillis
          const migrations = yield* sql<{ readonly name: string }>`
            select "name" from "mcphub_hub"."migrations" order by "migration_id"`
          const { now, version } = rows[0]!
          return {
            version: version.split(" ").slice(0, 2).join(" "),
            migrations: migrations.map((one) => one.name),
            clockAheadMs: Number(now) - (before + after) / 2
          }
        },
        Effect.catchTag("SqlError", () =>
          Effect.fail(
            new OperationRefused({
              kind: "DatabaseUnavailable",
              exitCode: 3,
              message: "The database does not answer; check DATABASE_URL and that it is running"
            })
          )
        ),
        asRefusal
      )
    })
  })
)
