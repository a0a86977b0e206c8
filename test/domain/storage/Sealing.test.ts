/** What an old hub wrote as text, sealed and unsealed: keys open the hub before, in between and after. */
import { assert, describe, layer } from "@effect/vitest"
import { Effect, Layer, Option, Redacted, Result } from "effect"
import { SqlClient } from "effect/sql"
import * as Database from "../../../src/cli/database/Database.ts"
import { Credentials } from "../../../src/domain/identity/Credentials.ts"
import { HubKeys } from "../../../src/domain/identity/HubKeys.ts"
import { Sealing } from "../../../src/domain/identity/Sealing.ts"
import { Users } from "../../../src/domain/identity/Users.ts"
import * as Migrations from "../../../src/domain/storage/migrations/Migrations.ts"
import * as Repositories from "../../../src/domain/storage/Repositories.ts"
import { dialectOf } from "../../../src/domain/storage/sql/Dialect.ts"
import * as SealingSql from "../../../src/domain/storage/sql/SealingSql.ts"
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

const services = Layer.merge(Repositories.layerRepositories, SealingSql.layer).pipe(
  Layer.provide(credentials),
  Layer.provideMerge(Migrations.layer)
)

const keyOf = (letter: string) => `mcphub_${letter.repeat(64)}`

/** Every value of keys, tokens and kept texts, as text. */
const stored = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const { own } = dialectOf(sql)
  const rows = [
    yield* sql`select "keyValue", cast("serviceTokens" as text) as "tokens" from "mcphub_keys" order by 1`,
    yield* sql`select cast("tokens" as text) as "tokens" from ${own("user_service_tokens")} order by 1`,
    yield* sql`select "tokenType", "encryptedToken" from "user_tokens" order by 1`
  ]
  return JSON.stringify(rows)
})

/** What each key opens, with whose tokens. */
const opens = Effect.fnUntraced(function* (...keys: ReadonlyArray<string>) {
  const hubKeys = yield* HubKeys
  return yield* Effect.forEach(keys, (key) =>
    Effect.map(
      hubKeys.principal(Redacted.make(key)),
      Option.match({
        onNone: () => "nothing",
        onSome: ({ serviceTokens, username }) =>
          [username, ...[...serviceTokens].map(([name, value]) => `${name}=${Redacted.value(value)}`).sort()].join(" ")
      })
    )
  )
})

for (const [place, database] of databases) {
  describe(`sealing on ${place}`, () => {
    layer(services.pipe(Layer.provideMerge(database)), { timeout: "60 seconds", excludeTestServices: true })((it) => {
      it.effect("leaves no text, any number of times, and goes all the way back; keys open the hub throughout", () =>
        Effect.gen(function* () {
          const sql = yield* SqlClient.SqlClient
          const { json, uuid } = dialectOf(sql)
          const users = yield* Users
          const keys = yield* HubKeys
          const sealing = yield* Sealing
          const [ada, bo] = [yield* users.add({ username: "ada" }), yield* users.add({ username: "bo" })]
          const put = (id: string, text: string, tokens: object | null) => sql`
            update "mcphub_keys" set "keyValue" = ${text}, "serviceTokens" = ${tokens === null ? null : json(tokens)}
            where "id" = ${uuid(id)}`
          const first = (yield* keys.create({ userId: ada.id, name: "first" })).row
          const second = (yield* keys.create({ userId: bo.id, name: "second" })).row
          const torn = (yield* keys.create({ userId: bo.id, name: "torn" })).row
          const minted = yield* keys.create({ userId: bo.id, name: "minted here" })
          yield* put(first.id, keyOf("a"), { GITHUB_TOKEN: "ada-canary", JIRA_TOKEN: "", COUNT: 7 })
          yield* put(second.id, keyOf("b"), { GITHUB_TOKEN: "bo-canary" })
          yield* put(torn.id, "mcphub_1753862400000", ["no", "object"])
          yield* keys.setTokens({ userId: ada.id }, { SLACK_TOKEN: Redacted.make("ada-slack-canary") })
          const all = [keyOf("a"), keyOf("b"), Redacted.value(minted.key)]
          const before = yield* opens(...all)
          assert.deepStrictEqual(before, [
            "ada GITHUB_TOKEN=ada-canary SLACK_TOKEN=ada-slack-canary",
            "bo GITHUB_TOKEN=bo-canary",
            "bo"
          ])

          const sealed = yield* sealing.seal({ final: false })
          assert.deepStrictEqual(sealed, { keys: 2, tokens: 2, twins: 0, kept: 2, digests: 0 })
          const rows = yield* stored
          assert.notMatch(rows, /canary|mcphub_[ab]{64}/)
          assert.include(rows, "mcphub_1753862400000")
          assert.include(rows, "COUNT")
          assert.deepStrictEqual(yield* opens(...all), before)
          assert.deepStrictEqual(yield* sealing.seal({ final: false }), { ...sealed, keys: 0, tokens: 0 })
          assert.strictEqual(yield* stored, rows)
          // The digest that a thief of the database reads is no key.
          assert.deepStrictEqual(yield* opens("mcphub_1753862400000", /sha256:[0-9a-f]{64}/.exec(rows)![0]), [
            "nothing",
            "nothing"
          ])

          const back = yield* sealing.unseal
          assert.deepStrictEqual(back, { keys: 2, tokens: 4, twins: 0, kept: 0, digests: 1 })
          const plain = yield* stored
          assert.notInclude(plain, "enc:v1:")
          for (const text of [keyOf("a"), keyOf("b"), "ada-canary", "bo-canary"]) assert.include(plain, text)
          // The old hub looks on the key alone.
          const ofAda =
            yield* sql`select cast("serviceTokens" as text) as "tokens" from "mcphub_keys" where "id" = ${uuid(first.id)}`
          assert.include(JSON.stringify(ofAda), "ada-slack-canary")
          assert.deepStrictEqual(yield* opens(...all), before)
          assert.deepStrictEqual(yield* sealing.unseal, { ...back, keys: 0, tokens: 0 })

          // For good, and then there is no way back for keys.
          assert.deepStrictEqual(yield* sealing.seal({ final: true }), { ...sealed, tokens: 4, kept: 0 })
          assert.deepStrictEqual(yield* opens(...all), before)
          assert.notInclude(yield* stored, "mcphub-key:")
          assert.strictEqual((yield* sealing.unseal).keys, 0)
          assert.deepStrictEqual(yield* opens(...all), before)
        })
      )

      it.effect("is refused with another credential key, naming the tokens, and changes nothing", () =>
        Effect.gen(function* () {
          const sealing = yield* Sealing
          const keys = yield* HubKeys
          const users = yield* Users
          const ada = yield* users.byName("ada")
          yield* keys.setTokens({ userId: ada.id }, { OTHER_TOKEN: Redacted.make("other-canary") })
          const before = yield* stored
          const other = SealingSql.layer.pipe(
            Layer.provide(Credentials.layer(Redacted.make("quite another credential key")))
          )
          const refused = yield* Effect.gen(function* () {
            const theirs = yield* Sealing
            return [yield* Effect.result(theirs.seal({ final: true })), yield* Effect.result(theirs.unseal)]
          }).pipe(Effect.provide(other, { local: true }))
          for (const one of refused) {
            assert.isTrue(Result.isFailure(one) && one.failure._tag === "OtherCredentialKey")
            assert.include(JSON.stringify(one), `OTHER_TOKEN of user ${ada.id}`)
          }
          assert.strictEqual(yield* stored, before)
          assert.strictEqual((yield* sealing.seal({ final: false })).twins, 0)
        })
      )
    })
  })
}
