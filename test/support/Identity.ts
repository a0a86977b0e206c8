/**
 * The three stores every repository test runs on: memory, the embedded database, and PostgreSQL.
 */
import { Effect, Layer, Redacted } from "effect"
import * as Database from "../../src/cli/database/Database.ts"
import { embeddedForTest } from "./Embedded.ts"
import { Credentials } from "../../src/domain/identity/Credentials.ts"
import * as Repositories from "../../src/domain/storage/Repositories.ts"
import type { KeyEvents } from "../../src/domain/identity/KeyEvents.ts"
import * as Migrations from "../../src/domain/storage/migrations/Migrations.ts"
import { hasPostgres, Postgres } from "./Postgres.ts"

export const credentials = Credentials.layer(Redacted.make("a credential key for tests"))

/** Repositories and key events without `Principals`, whose periodic work a test that sets the clock must not wait for. */
export type Store = Layer.Layer<Repositories.Repositories | KeyEvents>

const repositories = Repositories.layerRepositories.pipe(
  Layer.provide(credentials),
  Layer.provideMerge(Migrations.layer)
)

const memory: Store = Repositories.layerRepositoriesMemory.pipe(Layer.provide(credentials), Layer.orDie)

const embedded: Store = repositories.pipe(Layer.provideMerge(embeddedForTest), Layer.orDie)

const postgres: Store = Layer.unwrap(
  Effect.gen(function* () {
    const server = yield* Postgres
    return repositories.pipe(Layer.provideMerge(Database.layerPostgres(yield* server.database)))
  })
).pipe(Layer.provide(Postgres.layer), Layer.orDie)

export const stores: ReadonlyArray<readonly [place: string, store: Store]> = [
  ["in memory", memory],
  ["on the embedded database", embedded],
  ...(hasPostgres ? [["on PostgreSQL", postgres] as const] : [])
]
