/**
 * Brings a database to this version: an empty one, an old hub's, or an earlier one of ours.
 *
 * On PostgreSQL everything new lives in the schema `mcphub_hub`, the record of migrations too. Several hubs may start at
 * once: one migrates, the others wait for it.
 */
import { Effect, Layer, Schema } from "effect"
import { Migrator, SqlClient, type SqlError } from "effect/sql"
import { dialectOf } from "../sql/Dialect.ts"
import { rowsOf } from "../sql/Rows.ts"
import { auditTables } from "./AuditTables.ts"
import { groupTools } from "./GroupTools.ts"
import { inFlight } from "./InFlight.ts"
import { legacyTables } from "./LegacyTables.ts"
import { sessions } from "./Sessions.ts"
import { signIn } from "./SignIn.ts"
import { statisticsTables } from "./StatisticsTables.ts"
import { userTokens } from "./UserTokens.ts"

/** All migrations in order; add to the end, never change one that was released. */
export const migrations = {
  "0001_legacy_tables": legacyTables,
  "0002_group_tools": groupTools,
  "0003_audit_log": auditTables,
  "0004_sessions": sessions,
  "0005_in_flight": inFlight,
  "0006_user_tokens": userTokens,
  "0007_sign_in": signIn,
  "0008_statistics": statisticsTables
}

const prepareSchema = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`select 1 as mine where ${dialectOf(sql).hasTurn("migrations")}`
  yield* sql.onDialectOrElse({
    sqlite: () => Effect.void,
    orElse: () =>
      Effect.andThen(sql`set local client_min_messages = warning`, sql`create schema if not exists "mcphub_hub"`)
  })
})

/** The record of migrations, under the name that the library quotes. */
const record = (sql: SqlClient.SqlClient): string =>
  sql.onDialectOrElse({ sqlite: () => "migrations", orElse: () => "mcphub_hub.migrations" })

/** Runs what is pending, in one transaction; returns the ids and names that ran. */
export const run: Effect.Effect<
  ReadonlyArray<readonly [id: number, name: string]>,
  Migrator.MigrationError | SqlError.SqlError,
  SqlClient.SqlClient
> = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  return yield* sql.withTransaction(
    Effect.andThen(prepareSchema, Migrator.make({})({ loader: Migrator.fromRecord(migrations), table: record(sql) }))
  )
})

const done = rowsOf("migration", Schema.Struct({ id: Schema.Number, name: Schema.String }))

/** Ids and names of those that have run on this database, the newest last. */
export const applied: Effect.Effect<
  ReadonlyArray<{ readonly id: number; readonly name: string }>,
  SqlError.SqlError,
  SqlClient.SqlClient
> = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const { own, tableExists } = dialectOf(sql)
  if (!(yield* tableExists("migrations"))) return []
  return yield* done(sql`select "migration_id" as "id", "name" from ${own("migrations")} order by "migration_id"`)
})

/** Those that have not run on this database, the newest last. */
export const pending: Effect.Effect<ReadonlyArray<string>, SqlError.SqlError, SqlClient.SqlClient> = Effect.map(
  applied,
  (rows) => {
    const ids = new Set(rows.map((row) => row.id))
    return Object.keys(migrations).filter((name) => !ids.has(Number.parseInt(name, 10)))
  }
)

/** Runs the migrations before whatever is provided with it. */
export const layer: Layer.Layer<never, Migrator.MigrationError | SqlError.SqlError, SqlClient.SqlClient> =
  Layer.effectDiscard(run)
