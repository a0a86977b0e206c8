/**
 * The hub's database: a PostgreSQL server when `DATABASE_URL` is given, otherwise an embedded one in the data folder.
 *
 * Both come as the same `SqlClient`, with the `KeyEvents` that fit: LISTEN/NOTIFY between the hubs of a server, in
 * process for the embedded one, which only one process can open. A server that is down does not stop the start;
 * statements fail until it answers. Migrations are the caller's (`domain/migrations/Migrations.ts`).
 */
import { PGlite } from "@electric-sql/pglite"
import { PgClient } from "@effect/sql-pg"
import { Effect, Layer, type Redacted, Schema, type Scope } from "effect"
import type { SqlClient, SqlError } from "effect/sql"
import { existsSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { KeyEvents } from "../../domain/identity/KeyEvents.ts"
import { type DataDirInUse, lockDataDir } from "./DataDirLock.ts"
import { keepSeed, readSeed } from "./EmbeddedSeed.ts"
import * as EmbeddedUpkeep from "./EmbeddedUpkeep.ts"
import { embeddedWire } from "./EmbeddedWire.ts"
import * as KeyEventsPostgres from "./KeyEventsPostgres.ts"

/** The embedded database cannot be opened. */
export class EmbeddedDatabaseFailed extends Schema.TaggedError<EmbeddedDatabaseFailed>()("EmbeddedDatabaseFailed", {
  message: Schema.String
}) {}

export interface DatabaseOptions {
  /** `postgres://user:password@host:port/database`; absent: the embedded database. */
  readonly databaseUrl?: Redacted.Redacted<string> | undefined
  /** The folder of the embedded database, which lives in `db` under it. */
  readonly dataDir: string
  /** Connections to a PostgreSQL server at most; default 10, one of them for key events. */
  readonly maxConnections?: number | undefined
}

export type DatabaseServices = SqlClient.SqlClient | PgClient.PgClient | KeyEvents

/**
 * PostgreSQL's buffers are the process's memory here, and the system caches the same files once more: 16 MiB in place
 * of 128 hold what a hub uses often, and a checkpoint that writes all of them is over soon. Used segments of the log are
 * kept for reuse up to the sizes given. Files it has open are descriptors of the hub, of which a flood of clients must
 * not find too few left.
 */
const settings = ["shared_buffers=16MB", "min_wal_size=32MB", "max_wal_size=64MB", "max_files_per_process=64"].flatMap(
  (set) => ["-c", set]
)

const start = (options: { readonly dataDir?: string; readonly loadDataDir?: Blob }): Promise<PGlite> => {
  const db = new PGlite({ ...options, startParams: [...PGlite.defaultStartParams, ...settings] })
  return db.waitReady.then(() => db)
}

/** A new database from the seed, or made anew, which takes seconds and is said. */
const prepare = async (dataDir: string | undefined): Promise<PGlite> => {
  const place = dataDir === undefined ? {} : { dataDir }
  const seed = readSeed()
  if (seed !== undefined) {
    try {
      return await start({ ...place, loadDataDir: seed })
    } catch {
      // A damaged seed: make the database, and the seed, anew.
      if (dataDir !== undefined) rmSync(dataDir, { recursive: true, force: true })
    }
  }
  process.stderr.write("Preparing the embedded database…\n")
  const db = await start(place)
  await keepSeed(db)
  return db
}

/** Opens the folder, made when there is none; one whose making was broken off holds nothing yet and is made again. */
const openFolder = async (dataDir: string): Promise<PGlite> => {
  const unfinished = `${dataDir}.unfinished`
  if (existsSync(join(dataDir, "PG_VERSION")) && !existsSync(unfinished)) return start({ dataDir })
  if (existsSync(unfinished)) rmSync(dataDir, { recursive: true, force: true })
  writeFileSync(unfinished, "")
  const db = await prepare(dataDir)
  rmSync(unfinished)
  return db
}

const open = (dataDir: string | undefined): Effect.Effect<PGlite, EmbeddedDatabaseFailed, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.tryPromise({
      try: () => (dataDir === undefined ? prepare(undefined) : openFolder(dataDir)),
      catch: (cause) =>
        new EmbeddedDatabaseFailed({
          message:
            `The embedded database in ${dataDir ?? "memory"} does not open (${cause instanceof Error ? cause.message : String(cause)}); ` +
            "check the folder's owner and free space, or choose another folder with --data"
        })
    }),
    (db) => Effect.promise(() => db.close().catch(() => {}))
  )

const embedded = (db: PGlite): Layer.Layer<DatabaseServices, SqlError.SqlError> =>
  Layer.merge(KeyEvents.layerInProcess, EmbeddedUpkeep.layer).pipe(
    Layer.provideMerge(
      PgClient.layer({
        stream: () => embeddedWire(db),
        maxConnections: 1,
        username: "postgres",
        database: "postgres",
        ssl: false
      })
    )
  )

/** Embedded, in the data folder. */
export const layerEmbedded = (
  dataDir: string
): Layer.Layer<DatabaseServices, DataDirInUse | EmbeddedDatabaseFailed | SqlError.SqlError> =>
  Layer.unwrap(
    Effect.gen(function* () {
      yield* lockDataDir(dataDir)
      return embedded(yield* open(join(dataDir, "db")))
    })
  )

/** Embedded, gone with the scope: for tests. */
export const layerEmbeddedMemory: Layer.Layer<DatabaseServices, EmbeddedDatabaseFailed | SqlError.SqlError> =
  Layer.unwrap(Effect.map(open(undefined), embedded))

/** On a PostgreSQL server. */
export const layerPostgres = (
  url: Redacted.Redacted<string>,
  maxConnections = 10
): Layer.Layer<DatabaseServices, SqlError.SqlError> =>
  KeyEventsPostgres.layer.pipe(
    Layer.provideMerge(
      PgClient.layer({
        url,
        maxConnections,
        keepAlive: "10 seconds",
        connectTimeout: "5 seconds",
        applicationName: "mcphub"
      })
    )
  )

export const layer = (
  options: DatabaseOptions
): Layer.Layer<DatabaseServices, DataDirInUse | EmbeddedDatabaseFailed | SqlError.SqlError> =>
  options.databaseUrl === undefined
    ? layerEmbedded(options.dataDir)
    : layerPostgres(options.databaseUrl, options.maxConnections)
