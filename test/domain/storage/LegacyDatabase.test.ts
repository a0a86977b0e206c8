import { assert, describe, layer } from "@effect/vitest"
import { Effect, Layer, Option, Redacted } from "effect"
import { SqlClient } from "effect/sql"
import * as Database from "../../../src/cli/database/Database.ts"
import { Groups } from "../../../src/domain/identity/Groups.ts"
import { HubKeys } from "../../../src/domain/identity/HubKeys.ts"
import * as Repositories from "../../../src/domain/storage/Repositories.ts"
import * as Migrations from "../../../src/domain/storage/migrations/Migrations.ts"
import { Provisioning } from "../../../src/domain/provisioning/Provisioning.ts"
import { Users } from "../../../src/domain/identity/Users.ts"
import { credentials } from "../../support/Identity.ts"
import { adaId, adaKey, boId, boKey, oldTables, runAll } from "../../support/OldHub.ts"
import { hasPostgres, Postgres } from "../../support/Postgres.ts"

/** Every column, constraint, index and trigger of the legacy tables. */
const shape = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  return yield* sql`
    select c.relname as "table", 'column' as kind, a.attname as name,
      format_type(a.atttypid, a.atttypmod) || a.attnotnull || coalesce(pg_get_expr(d.adbin, d.adrelid), '') as definition
    from pg_attribute a join pg_class c on c.oid = a.attrelid left join pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum
    where c.relname in ('users', 'mcphub_keys', 'user_groups') and a.attnum > 0 and not a.attisdropped
    union all select conrelid::regclass::text, 'constraint', conname, pg_get_constraintdef(oid) from pg_constraint
      where conrelid in ('users'::regclass, 'mcphub_keys'::regclass, 'user_groups'::regclass) and contype in ('p', 'u', 'c')
    union all select tablename, 'index', indexname, indexdef from pg_indexes
      where tablename in ('users', 'mcphub_keys', 'user_groups')
    order by 1, 2, 3`
})

const repositories = Repositories.layerRepositories.pipe(Layer.provide(credentials))

const postgres = Layer.unwrap(
  Effect.gen(function* () {
    const server = yield* Postgres
    return Database.layerPostgres(yield* server.database)
  })
).pipe(Layer.provide(Postgres.layer), Layer.orDie)

for (const form of hasPostgres ? (["text", "text[]"] as const) : []) {
  describe(`An old hub's database with ${form} groups`, () => {
    layer(repositories.pipe(Layer.provideMerge(postgres)), { timeout: "60 seconds", excludeTestServices: true })(
      (it) => {
        it.effect("is used as it is, read and written, and none of its tables is altered", () =>
          Effect.gen(function* () {
            const sql = yield* SqlClient.SqlClient
            yield* runAll(oldTables(form))
            const before = yield* shape
            assert.deepStrictEqual(yield* Migrations.pending, Object.keys(Migrations.migrations))
            assert.strictEqual((yield* Migrations.run).length, Object.keys(Migrations.migrations).length)
            assert.deepStrictEqual(yield* Migrations.run, [])
            assert.deepStrictEqual(yield* Migrations.pending, [])

            const users = yield* Users
            const keys = yield* HubKeys
            const groups = yield* Groups
            assert.deepStrictEqual(
              (yield* users.list).map(({ id, isAdmin, username }) => [id, username, isAdmin]),
              [
                [adaId, "ada", true],
                [boId, "bo", false]
              ]
            )
            const password = Option.getOrThrow(yield* users.passwordDigest(adaId))
            assert.strictEqual(Redacted.value(password), "$2b$10$legacy")

            const ada = Option.getOrThrow(yield* keys.principal(Redacted.make(adaKey)))
            assert.strictEqual(ada.userId, adaId)
            assert.strictEqual(ada.expiresAt, Date.UTC(2037, 0, 2, 3, 4, 5, 678))
            assert.deepStrictEqual(
              [...ada.serviceTokens].map(([name, value]) => [name, Redacted.value(value)]),
              [["GITHUB_TOKEN", "ada-plain"]]
            )
            assert.deepStrictEqual(
              ada.groups.map((group) => group.servers),
              [["github", "jira"]]
            )
            const bo = Option.getOrThrow(yield* keys.principal(Redacted.make(boKey)))
            assert.deepStrictEqual([bo.userId, bo.groups, [...bo.serviceTokens]], [boId, [], []])

            // Another key of hers has what the only one had, and the row of that one is as it was.
            const late = yield* keys.create({ userId: adaId })
            assert.deepStrictEqual(late.row.tokenNames, ["GITHUB_TOKEN"])

            const group = yield* groups.create({ userId: boId, name: "home", servers: ["a", "b"], tools: ["a-x"] })
            assert.deepStrictEqual(group.servers, ["a", "b"])
            yield* groups.update(ada.groups[0]!.id, { servers: ["github", "wiki"] })
            assert.deepStrictEqual(
              yield* sql`select "name", to_jsonb("servers") as servers from "user_groups" order by 1`,
              form === "text"
                ? [
                    { name: "home", servers: "a,b" },
                    { name: "work", servers: "github,wiki" }
                  ]
                : [
                    { name: "home", servers: ["a", "b"] },
                    { name: "work", servers: ["github", "wiki"] }
                  ]
            )
            const extended = yield* keys.extend(ada.keyId, 30)
            assert.isBelow(Math.abs(extended.expiresAt - Date.now() - 30 * 86_400_000), 60_000)
            yield* keys.setTokens({ keyId: ada.keyId }, { JIRA_TOKEN: Redacted.make("sealed-canary") })
            const stored =
              yield* sql`select "serviceTokens"::text as text from "mcphub_keys" where "id" = ${ada.keyId}::uuid`
            assert.include(JSON.stringify(stored), "ada-plain")
            assert.include(JSON.stringify(stored), "enc:v1:")
            assert.notInclude(JSON.stringify(stored), "sealed-canary")

            const provisioning = yield* Provisioning
            const entry = {
              username: "ada",
              keys: [{ key: adaKey }],
              groups: [{ name: "work", servers: ["one", "two"] }]
            }
            const summary = yield* provisioning.apply({ users: [entry] })
            assert.deepStrictEqual(summary.keys, { created: 0, updated: 0, unchanged: 1 })
            assert.deepStrictEqual(summary.groups, { created: 0, updated: 1, unchanged: 0 })
            assert.deepStrictEqual((yield* groups.listByUser(adaId))[0]?.servers, ["one", "two"])

            // "bo" is a GitHub login of one and a display name of another: a username comes before both.
            yield* sql`insert into "users" ("displayName") values ('bo')`
            assert.strictEqual((yield* Effect.flip(users.byName("bo")))._tag, "UserNotFound")
            const own = yield* users.byName("ada")
            yield* sql`insert into "users" ("displayName") values ('ada')`
            assert.strictEqual((yield* users.byName("ada")).id, own.id)
            yield* sql`delete from "users" where "displayName" in ('bo', 'ada') and "githubId" is null and "username" is null`

            yield* users.remove(adaId)
            assert.isTrue(Option.isNone(yield* keys.principal(Redacted.make(adaKey))))
            assert.isTrue(Option.isSome(yield* keys.principal(Redacted.make(boKey))))
            assert.deepStrictEqual(yield* shape, before)
          })
        )
      }
    )
  })
}
