/** Everything in a database, as text: to compare, or to look for what must not be there. */
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import * as Database from "../../src/cli/database/Database.ts"

/** Every row of every table of a stopped hub's embedded database. */
export const dump = (dataDir: string): Effect.Effect<ReadonlyMap<string, string>> =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const tables = yield* sql<{ readonly name: string }>`select name from sqlite_schema where type = 'table'`
    const rows = yield* Effect.forEach(tables, ({ name }) =>
      Effect.map(sql`select * from ${sql(name)}`, (found) => [name, JSON.stringify(found)] as const)
    )
    return new Map(rows)
  }).pipe(Effect.provide(Database.layerEmbedded(dataDir)), Effect.orDie)

/** Every schema, table and column of a PostgreSQL database, and every row. */
export const dumpPostgres = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const schemas = yield* sql`
    select nspname as name from pg_namespace where nspname !~ '^pg_' and nspname <> 'information_schema' order by 1`
  const columns = yield* sql<{ readonly schema: string; readonly table: string }>`
    select table_schema as schema, table_name as "table", column_name as name, data_type as type
    from information_schema.columns where table_schema !~ '^pg_' and table_schema <> 'information_schema'
    order by 1, 2, ordinal_position`
  const tables = new Set(columns.map(({ schema, table }) => `"${schema}"."${table}"`))
  const rows = yield* Effect.forEach(tables, (table) =>
    Effect.map(sql.unsafe(`select t::text as row from ${table} as t order by 1`), (found) => [table, found] as const)
  )
  return JSON.stringify({ schemas, columns, rows }, null, 1)
})
