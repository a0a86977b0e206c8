/**
 * The three stores every repository test runs on: memory, the embedded database, and PostgreSQL.
 */
import { Effect, Layer, Redacted } from "effect"
import * as Database from "../../src/cli/database/Database.ts"
import { Credentials } from "../../src/domain/Credentials.ts"
import * as Identity from "../../src/domain/Identity.ts"
import * as Migrations from "../../src/domain/migrations/Migrations.ts"
import { hasPostgres, Postgres } from "./Postgres.ts"

export const credentials = Credentials.layer(Redacted.make("a credential key for tests"))

export const memory = Identity.layerMemory.pipe(Layer.provide(credentials), Layer.orDie)

const onDatabase = Identity.layer.pipe(Layer.provide(credentials), Layer.provideMerge(Migrations.layer))

export const embedded = onDatabase.pipe(Layer.provideMerge(Database.layerEmbeddedMemory), Layer.orDie)

export const postgres = Layer.unwrap(
  Effect.gen(function* () {
    const server = yield* Postgres
    return onDatabase.pipe(Layer.provideMerge(Database.layerPostgres(yield* server.database)))
  })
).pipe(Layer.provideMerge(Postgres.layer), Layer.orDie)

export const stores = [
  ["in memory", memory],
  ["on the embedded database", embedded],
  ...(hasPostgres ? ([["on PostgreSQL", postgres]] as const) : [])
] as const
