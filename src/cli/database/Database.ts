/**
 * The hub's database: a PostgreSQL server when `DATABASE_URL` is given, otherwise an SQLite file in the data folder.
 *
 * Both come as a `SqlClient` with the `KeyEvents` that fit. A server that is down does not stop the start; statements
 * fail until it answers. Migrations are the caller's (`domain/storage/migrations/Migrations.ts`).
 */
import { Effect, Layer, type Redacted } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import type { KeyEvents } from "../../domain/identity/KeyEvents.ts"
import { LongReads } from "../../domain/storage/sql/LongReads.ts"
import { StorageCheck } from "../../domain/storage/sql/StorageCheck.ts"
import { type DataDirInUse, lockDataDir } from "./DataDirLock.ts"
import * as FileIdentity from "./FileIdentity.ts"
import * as KeyEventsSqlite from "./KeyEventsSqlite.ts"
import { readingClient, writingClient } from "./SqliteClient.ts"
import { type EmbeddedDatabaseFailed, prepareFile } from "./SqliteFile.ts"

export interface DatabaseOptions {
  /** `postgres://user:password@host:port/database`; absent: the embedded database. */
  readonly databaseUrl?: Redacted.Redacted<string> | undefined
  /** The folder of the embedded database. */
  readonly dataDir: string
  /** Connections to a PostgreSQL server at most; default 10, one of them for key events. */
  readonly maxConnections?: number | undefined
}

export type DatabaseServices = SqlClient.SqlClient | KeyEvents

/** Runs after the file has been opened. */
const checkOf = Effect.fnUntraced(function* (file: string) {
  const problem = FileIdentity.since(file)
  yield* Effect.forkScoped(FileIdentity.watch(file, problem))
  return Effect.sync(() => {
    const found = problem()
    return found === undefined ? undefined : `the file of the database was ${found} while the hub runs`
  })
})

/** An SQLite file that is there, in whatever folder. The connection that writes closes last and leaves the file alone. */
export const layerFile = (file: string): Layer.Layer<DatabaseServices, SqlError.SqlError> =>
  KeyEventsSqlite.layer.pipe(
    Layer.provideMerge(Layer.effect(StorageCheck, checkOf(file))),
    Layer.provideMerge(Layer.effect(LongReads, readingClient(file))),
    Layer.provideMerge(Layer.effect(SqlClient.SqlClient, writingClient(file)))
  )

/** Embedded, in the data folder, which is this process's alone meanwhile. */
export const layerEmbedded = (
  dataDir: string
): Layer.Layer<DatabaseServices, DataDirInUse | EmbeddedDatabaseFailed | SqlError.SqlError> =>
  Layer.unwrap(
    Effect.gen(function* () {
      yield* lockDataDir(dataDir)
      return layerFile(yield* prepareFile(dataDir))
    })
  )

/** On a PostgreSQL server. */
export const layerPostgres = (
  url: Redacted.Redacted<string>,
  maxConnections = 10
): Layer.Layer<DatabaseServices, SqlError.SqlError> =>
  Layer.unwrap(
    Effect.map(
      Effect.promise(() => import("./Postgres.ts")),
      (postgres) => postgres.layer(url, maxConnections)
    )
  )

export const layer = (
  options: DatabaseOptions
): Layer.Layer<DatabaseServices, DataDirInUse | EmbeddedDatabaseFailed | SqlError.SqlError> =>
  options.databaseUrl === undefined
    ? layerEmbedded(options.dataDir)
    : layerPostgres(options.databaseUrl, options.maxConnections)
