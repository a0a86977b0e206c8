/** Every row of every table of a stopped hub's embedded database, as text. */
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import * as Database from "../../src/cli/database/Database.ts"

export const dump = (dataDir: string): Effect.Effect<ReadonlyMap<string, string>> =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const tables = yield* sql<{ readonly name: string }>`select name from sqlite_schema where type = 'table'`
    const rows = yield* Effect.forEach(tables, ({ name }) =>
      Effect.map(sql`select * from ${sql(name)}`, (found) => [name, JSON.stringify(found)] as const)
    )
    return new Map(rows)
  }).pipe(Effect.provide(Database.layerEmbedded(dataDir)), Effect.orDie)
