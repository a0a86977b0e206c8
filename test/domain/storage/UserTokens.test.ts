/** The way of tokens from keys, where earlier versions kept them, to their user. */
import { assert, describe, layer } from "@effect/vitest"
import { Effect, Layer, Option, Redacted } from "effect"
import { SqlClient } from "effect/sql"
import { HubKeys } from "../../../src/domain/identity/HubKeys.ts"
import { Users } from "../../../src/domain/identity/Users.ts"
import * as Migrations from "../../../src/domain/storage/migrations/Migrations.ts"
import * as Repositories from "../../../src/domain/storage/Repositories.ts"
import { dialectOf } from "../../../src/domain/storage/sql/Dialect.ts"
import * as Database from "../../../src/cli/database/Database.ts"
import { embeddedForTest } from "../../support/Embedded.ts"
import { credentials } from "../../support/Identity.ts"
import { hasPostgres, Postgres } from "../../support/Postgres.ts"

const postgres = Layer.unwrap(
  Effect.flatMap(Postgres, (server) => Effect.map(server.database, Database.layerPostgres))
).pipe(Layer.provide(Postgres.layer), Layer.orDie)

const databases = [
  ["the embedded database", embeddedForTest] as const,
  ...(hasPostgres ? [["PostgreSQL", postgres] as const] : [])
]

const repositories = Repositories.layerRepositories.pipe(
  Layer.provide(credentials),
  Layer.provideMerge(Migrations.layer)
)

for (const [place, database] of databases) {
  describe(`tokens of an earlier version on ${place}`, () => {
    layer(repositories.pipe(Layer.provideMerge(database)), { timeout: "60 seconds", excludeTestServices: true })(
      (it) => {
        it.effect(
          "field D4: become the user's where all keys have the same ones, and no key gets what it had not",
          () =>
            Effect.gen(function* () {
              const sql = yield* SqlClient.SqlClient
              const keys = yield* HubKeys
              const users = yield* Users
              const [ada, bo, cy] = [
                yield* users.add({ username: "ada" }),
                yield* users.add({ username: "bo" }),
                yield* users.add({ username: "cy" })
              ]
              const keyOf = Effect.fnUntraced(function* (
                userId: typeof ada.id,
                tokens: Readonly<Record<string, string>>
              ) {
                const made = yield* keys.create({ userId })
                const given = Object.entries(tokens).map(([name, value]) => [name, Redacted.make(value)] as const)
                if (given.length > 0) yield* keys.setTokens({ keyId: made.row.id }, Object.fromEntries(given))
                return made
              })
              const first = yield* keyOf(ada.id, { A_TOKEN: "ada-1", B_TOKEN: "ada-b" })
              yield* sql`update "mcphub_keys" set "createdAt" = ${dialectOf(sql).time(1_000)}`
              yield* keyOf(ada.id, { A_TOKEN: "ada-2", B_TOKEN: "ada-b" })
              const bare = yield* keyOf(bo.id, {})
              yield* keyOf(bo.id, { A_TOKEN: "bo-1" })
              yield* keyOf(cy.id, { A_TOKEN: "cy-1" })

              // As if that version had just been replaced.
              yield* sql`drop table ${dialectOf(sql).own("user_service_tokens")}`
              yield* Migrations.migrations["0006_user_tokens"]

              const tokensOf = Effect.fnUntraced(function* (key: Redacted.Redacted<string>) {
                const { serviceTokens } = Option.getOrThrow(yield* keys.principal(key))
                return Object.fromEntries([...serviceTokens].map(([name, value]) => [name, Redacted.value(value)]))
              })
              const late = (userId: typeof ada.id) =>
                Effect.flatMap(keys.create({ userId }), ({ key }) => tokensOf(key))
              assert.deepStrictEqual(yield* late(ada.id), { A_TOKEN: "ada-2", B_TOKEN: "ada-b" })
              assert.deepStrictEqual(yield* tokensOf(first.key), { A_TOKEN: "ada-1", B_TOKEN: "ada-b" })
              assert.deepStrictEqual([yield* late(bo.id), yield* tokensOf(bare.key)], [{}, {}])
              assert.deepStrictEqual(yield* late(cy.id), { A_TOKEN: "cy-1" })
            })
        )
      }
    )
  })
}
