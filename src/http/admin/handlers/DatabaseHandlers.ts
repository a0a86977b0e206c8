/** The operation that describes the database: version, migrations, clock, damage. */
import { Clock, Effect, Schema } from "effect"
import { SqlClient } from "effect/sql"
import { WriteTroubles } from "../../../actors/observing/WriteTroubles.ts"
import * as Migrations from "../../../domain/storage/migrations/Migrations.ts"
import { damageIn } from "../../../domain/storage/sql/Damaged.ts"
import { diskFullIn } from "../../../domain/storage/sql/DiskFull.ts"
import { dialectOf } from "../../../domain/storage/sql/Dialect.ts"
import { LongReads } from "../../../domain/storage/sql/LongReads.ts"
import { rowsOf } from "../../../domain/storage/sql/Rows.ts"
import { DatabaseOperations } from "../operations/AdminOperations.ts"
import { asRefusal, OperationRefused } from "../operations/OperationRefused.ts"

const facts = rowsOf("fact of the database", Schema.Struct({ version: Schema.String, now: Schema.Number }))

export const DatabaseHandlers = DatabaseOperations.toLayer(
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const troubles = yield* WriteTroubles
    const reads = (yield* LongReads) ?? sql
    const dialect = dialectOf(sql)
    return DatabaseOperations.of({
      databaseCheck: Effect.fnUntraced(
        function* () {
          const before = yield* Clock.currentTimeMillis
          const rows = yield* facts(sql`select ${dialect.version} as "version", ${dialect.clock} as "now"`)
          const after = yield* Clock.currentTimeMillis
          const migrations = yield* Migrations.applied
          const { now, version } = rows[0]!
          return {
            version: version.split(" ").slice(0, 2).join(" "),
            migrations: migrations.map((one) => one.name),
            clockAheadMs: now - (before + after) / 2,
            damage: yield* dialect.damage(reads),
            full: troubles.full() ?? null
          }
        },
        Effect.catchTag("SqlError", (error) => {
          const damage = damageIn(error)
          return Effect.fail(
            new OperationRefused({
              kind: damage === undefined ? "DatabaseUnavailable" : "DatabaseDamaged",
              exitCode: 3,
              message:
                damage ??
                diskFullIn(error) ??
                "The database does not answer; check DATABASE_URL and that it is running, or without it the data folder"
            })
          )
        }),
        asRefusal
      )
    })
  })
)
