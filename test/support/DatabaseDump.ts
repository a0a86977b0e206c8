/** Every row of every table of a stopped hub's embedded database, as text. */
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import * as Database from "../../src/cli/database/Database.ts"

export const dump = (dataDir: string): Effect.Effect<ReadonlyMap<string, string>> =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const tables = yield* sql<{ readonly schema: string; readonly name: string }>`
      select table_schema as schema, table_name as name from information_schema.tables
      where table_type = 'BASE TABLE' and table_schema not in ('pg_catalog', 'information_schema')`
    const rows = yield* Effect.forEach(tables, ({ name, schema }) =>
      Effect.map(
        sql`select * from ${sql(schema)}.${sql(name)}`,
        (found) =>
          [
            `${schema}.${name}`,
            JSON.stringify(found, (_, value: unknown) => (typeof value === "bigint" ? String(value) : value))
          ] as const
      )
    )
    return new Map(rows)
  }).pipe(Effect.provide(Database.layerEmbedded(dataDir)), Effect.orDie)
