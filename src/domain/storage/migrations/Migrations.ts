/**
 * Brings a database to this version: an empty one, an old hub's, or an earlier one of ours.
 *
 * Everything new lives in the schema `mcphub_hub`, the record of migrations too. Several hubs may start at once: one
 * migrates, the others wait for it.
 */
import { Effect, Layer } from "effect"
import { Migrator, SqlClient, type SqlError } from "effect/sql"
import { auditTables } from "./AuditTables.ts"
import { groupTools } from "./GroupTools.ts"
import { inFlight } from "./InFlight.ts"
import { legacyTables } from "./LegacyTables.ts"
import { sessions } from "./Sessions.ts"

/** All migrations in order; add to the end, never change one that was released. */
export const migrations = {
  "0001_legacy_tables": legacyTables,
  "0002_group_tools": groupTools,
  "0003_audit_log": auditTables,
  "0004_sessions": sessions,
  "0005_in_flight": inFlight
}

/** Any fixed number: it only has to be the same in every hub. */
const lock = 6_274_821

/** Runs what is pending, in one transaction; returns the ids and names that ran. */
export const run: Effect.Effect<
  ReadonlyArray<readonly [id: number, name: string]>,
  Migrator.MigrationError | SqlError.SqlError,
  SqlClient.SqlClient
> = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  return yield* sql.withTransaction(
    Effect.gen(function* () {
      yield* sql`select pg_advisory_xact_lock(${lock}::bigint)`
      yield* sql`set local client_min_messages = warning`
      yield* sql`create schema if not exists "mcphub_hub"`
      return yield* Migrator.make({})({ loader: Migrator.fromRecord(migrations), table: "mcphub_hub.migrations" })
    })
  )
})

/** Ids and names that have not run on this database, the newest last. */
export const pending: Effect.Effect<ReadonlyArray<string>, SqlError.SqlError, SqlClient.SqlClient> = Effect.gen(
  function* () {
    const sql = yield* SqlClient.SqlClient
    const known = yield* sql`select 1 as found where to_regclass('"mcphub_hub"."migrations"') is not null`
    const done =
      known.length === 0
        ? []
        : yield* sql<{ readonly id: number }>`select "migration_id" as id from "mcphub_hub"."migrations"`
    const ids = new Set(done.map((row) => row.id))
    return Object.keys(migrations).filter((name) => !ids.has(Number.parseInt(name, 10)))
  }
)

/** Runs the migrations before whatever is provided with it. */
export const layer: Layer.Layer<never, Migrator.MigrationError | SqlError.SqlError, SqlClient.SqlClient> =
  Layer.effectDiscard(run)
