import { assert, describe, layer } from "@effect/vitest"
import { Effect, Option, Redacted } from "effect"
import { SqlClient } from "effect/sql"
import { randomUUID } from "node:crypto"
import { Groups } from "../../../src/domain/identity/Groups.ts"
import { HubKeys } from "../../../src/domain/identity/HubKeys.ts"
import { Provisioning } from "../../../src/domain/provisioning/Provisioning.ts"
import { Users } from "../../../src/domain/identity/Users.ts"
import { stores } from "../../support/Identity.ts"

let runs = 0

const newKey = () => `mcphub_${randomUUID().replaceAll("-", "").repeat(2)}`

const principalOf = (key: string) =>
  Effect.flatMap(HubKeys, (keys) => keys.principal(Redacted.make(key))).pipe(Effect.map(Option.getOrThrow))

const counts = (created: number, updated: number, unchanged: number) => ({ created, updated, unchanged })

for (const [place, store] of stores) {
  describe(`Provisioning ${place}`, () => {
    layer(store, { timeout: "60 seconds", excludeTestServices: true })((it) => {
      it.effect("creates what the file names, and the same file again changes nothing", () =>
        Effect.gen(function* () {
          const run = ++runs
          const provisioning = yield* Provisioning
          const id = randomUUID()
          const [adaKey, boKey] = [newKey(), newKey()]
          const file = {
            users: [
              {
                username: `ada-${run}`,
                id,
                admin: true,
                groups: [{ name: "work", servers: ["github"], tools: ["github-search"] }],
                keys: [{ name: "laptop", key: adaKey, expiresAt: "2037-01-02T03:04:05Z" }],
                serviceTokens: { GITHUB_TOKEN: "ada-token" }
              },
              { username: `bo-${run}`, keys: [{ key: boKey }], serviceTokens: { GITHUB_TOKEN: "bo-token" } }
            ]
          }
          const first = yield* provisioning.apply(file)
          assert.deepStrictEqual(first, {
            users: counts(2, 0, 0),
            groups: counts(1, 0, 0),
            keys: counts(2, 0, 0),
            serviceTokens: 2,
            minted: []
          })
          const again = yield* provisioning.apply(file)
          assert.deepStrictEqual(again, {
            users: counts(0, 0, 2),
            groups: counts(0, 0, 1),
            keys: counts(0, 0, 2),
            serviceTokens: 0,
            minted: []
          })
          const ada = yield* principalOf(adaKey)
          assert.strictEqual(String(ada.userId), id)
          assert.isTrue(ada.isAdmin)
          assert.strictEqual(ada.expiresAt, Date.UTC(2037, 0, 2, 3, 4, 5))
          assert.deepStrictEqual(
            ada.groups.map(({ name, servers, tools }) => ({ name, servers, tools })),
            [{ name: "work", servers: ["github"], tools: ["github-search"] }]
          )
          assert.strictEqual(Redacted.value(ada.serviceTokens.get("GITHUB_TOKEN")!), "ada-token")
          const bo = yield* principalOf(boKey)
          assert.isFalse(bo.isAdmin)
          assert.deepStrictEqual(bo.groups, [])
          assert.strictEqual(Redacted.value(bo.serviceTokens.get("GITHUB_TOKEN")!), "bo-token")
        })
      )

      it.effect("brings what exists to the file's values and leaves the rest alone", () =>
        Effect.gen(function* () {
          const run = ++runs
          const [provisioning, keys, groups] = [yield* Provisioning, yield* HubKeys, yield* Groups]
          const key = newKey()
          const user = (rest: object) => ({ users: [{ username: `ada-${run}`, ...rest }] })
          yield* provisioning.apply(
            user({ keys: [{ name: "old", key }], groups: [{ name: "work", servers: ["a"], tools: ["a-x"] }] })
          )
          const { keyId, userId } = yield* principalOf(key)
          const extra = yield* keys.create({ userId, name: "extra" })
          const summary = yield* provisioning.apply(
            user({
              admin: true,
              keys: [{ name: "new", key }, { name: "minted" }],
              groups: [{ name: "work", servers: ["a", "b"] }],
              serviceTokens: { JIRA_TOKEN: "t" }
            })
          )
          assert.deepStrictEqual(summary.users, counts(0, 1, 0))
          assert.deepStrictEqual(summary.keys, counts(1, 1, 0))
          assert.deepStrictEqual(summary.groups, counts(0, 1, 0))
          const minted = summary.minted[0]!
          assert.strictEqual((yield* principalOf(Redacted.value(minted.key))).keyName, "minted")
          assert.strictEqual((yield* keys.byId(keyId)).name, "new")
          const group = (yield* groups.listByUser(userId))[0]
          assert.deepStrictEqual([group?.servers, group?.tools], [["a", "b"], undefined])
          const all = yield* keys.listByUser(userId)
          assert.isTrue(all.length === 3 && all.every(({ tokenNames }) => tokenNames.includes("JIRA_TOKEN")))
          const late = yield* keys.create({ userId, name: "late" })
          assert.deepStrictEqual(late.row.tokenNames, ["JIRA_TOKEN"])
          yield* keys.setTokens({ keyId }, { JIRA_TOKEN: Redacted.make("another") })
          const tokens = user({ serviceTokens: { JIRA_TOKEN: "t" } })
          assert.strictEqual((yield* provisioning.apply(tokens)).serviceTokens, 1)
          assert.strictEqual((yield* provisioning.apply(tokens)).serviceTokens, 0)
          yield* keys.revoke(extra.row.id)
          yield* keys.revoke(keyId)
          yield* provisioning.apply(user({ keys: [{ name: "new", key }] }))
          assert.isFalse((yield* keys.byId(keyId)).isActive)
        })
      )

      it.effect("a conflict anywhere in the file leaves everything as it was and names its place, never a secret", () =>
        Effect.gen(function* () {
          const run = ++runs
          const [provisioning, users] = [yield* Provisioning, yield* Users]
          const key = newKey()
          yield* provisioning.apply({ users: [{ username: `ada-${run}`, keys: [{ key }] }] })
          const refused = yield* Effect.flip(
            provisioning.apply(
              {
                users: [
                  { username: `new-${run}`, keys: [{}], serviceTokens: { GITHUB_TOKEN: "canary" } },
                  { username: `bo-${run}`, keys: [{ key }] }
                ]
              },
              "users.json"
            )
          )
          assert.strictEqual(refused._tag, "ProvisioningRefused")
          assert.include(refused.message, "users.json")
          assert.include(refused.message, "users[1].keys[0].key")
          assert.notInclude(JSON.stringify(refused) + refused.message, key)
          for (const name of [`new-${run}`, `bo-${run}`]) {
            assert.strictEqual((yield* Effect.flip(users.byName(name)))._tag, "UserNotFound")
          }
          const wrongId = { users: [{ username: `ada-${run}`, id: randomUUID() }] }
          assert.include((yield* Effect.flip(provisioning.apply(wrongId))).message, "users[0].id")
        })
      )

      it.effect("A54: a name means the user whose username it is, and nobody where several only go by it", () =>
        Effect.gen(function* () {
          // Only tables that another hub has filled hold people without a username; in memory there are none.
          const database = yield* Effect.serviceOption(SqlClient.SqlClient)
          if (Option.isNone(database)) return
          const sql = database.value
          const run = ++runs
          const [provisioning, users] = [yield* Provisioning, yield* Users]
          const add = (column: "githubUsername" | "displayName", name: string) => {
            const id = randomUUID()
            return Effect.as(
              sql`insert into "users" ("id", ${sql(column)}, "isAdmin", "isActive", "createdAt", "updatedAt")
                select cast(${id} as ${sql.onDialectOrElse({ pg: () => sql.literal("uuid"), orElse: () => sql.literal("text") })}),
                  ${name}, false, true, "createdAt", "updatedAt" from "users" where "username" = ${`ada-${run}`}`,
              id
            )
          }
          const [ada, bo] = [`ada-${run}`, `bo-${run}`]
          const local: string = (yield* users.add({ username: ada })).id
          const login = yield* add("githubUsername", ada)
          yield* provisioning.apply({
            users: [{ username: ada, admin: true, keys: [{ key: newKey() }], serviceTokens: { GITHUB_TOKEN: "t" } }]
          })
          const isAdmin = Effect.map(users.list, (all) =>
            [local, login].map((id: string) => all.find((user) => user.id === id)!.isAdmin)
          )
          assert.deepStrictEqual(yield* isAdmin, [true, false])
          // Nobody has the username: a GitHub name and a display name are worth the same.
          const first = yield* add("githubUsername", bo)
          yield* add("displayName", bo)
          const error = yield* Effect.flip(provisioning.apply({ users: [{ username: bo, admin: true }] }))
          assert.match(error.message, /users\[0\]\.username.*several users go by the name/)
          const named = yield* provisioning.apply({ users: [{ username: bo, id: first, admin: true }] })
          assert.deepStrictEqual(named.users, counts(0, 1, 0))
          const admins = (yield* users.list).filter((user) => user.username === bo && user.isAdmin)
          assert.deepStrictEqual(
            admins.map(({ id }): string => id),
            [first]
          )
        })
      )

      it.effect("every mistake in a file is listed with its path, and no value of a key or token is shown", () =>
        Effect.gen(function* () {
          const provisioning = yield* Provisioning
          const refusal = (input: unknown) =>
            Effect.map(Effect.flip(provisioning.apply(input, "f.json")), (refused) => {
              assert.strictEqual(refused._tag, "ProvisioningRefused")
              assert.notInclude(JSON.stringify(refused) + refused.message, "canary")
              return refused._tag === "ProvisioningRefused" ? refused.problems.map((problem) => problem.path) : []
            })
          assert.deepStrictEqual(yield* refusal({ users: [{ username: "x", serviceTokens: { A: ["canary"] } }] }), [
            "users[0].serviceTokens.A"
          ])
          assert.deepStrictEqual(yield* refusal({ users: [{ username: "x", group: [] }, { admin: true }] }), [
            "users[0].group",
            "users[1].username"
          ])
          const paths = yield* refusal({
            users: [
              { username: "a/b", id: "no", groups: [{ name: "", servers: ["a,b"] }] },
              { username: "y", keys: [{ key: "canary" }, { expiresAt: "soon" }], serviceTokens: { T: "canary\n" } },
              { username: "y" }
            ]
          })
          assert.deepStrictEqual(paths, [
            "users[0].username",
            "users[0].id",
            "users[0].groups[0].name",
            "users[0].groups[0].servers",
            "users[1].keys[0].key",
            "users[1].keys[1].expiresAt",
            "users[1].serviceTokens",
            "users[2].username"
          ])
          assert.strictEqual((yield* refusal("canary")).length, 1)
        })
      )

      it.effect("a thousand users load in one go within seconds", () =>
        Effect.gen(function* () {
          const run = ++runs
          const provisioning = yield* Provisioning
          const keys = Array.from({ length: 1_000 }, newKey)
          const users = keys.map((key, n) => ({
            username: `user-${run}-${n}`,
            keys: [{ key }],
            groups: [{ name: "g", servers: ["s"] }],
            serviceTokens: { GITHUB_TOKEN: `token-${n}` }
          }))
          const started = performance.now()
          const summary = yield* provisioning.apply({ users })
          assert.isBelow(performance.now() - started, 10_000)
          assert.deepStrictEqual(
            [summary.users.created, summary.groups.created, summary.keys.created],
            [1_000, 1_000, 1_000]
          )
          const principal = yield* principalOf(keys[777]!)
          assert.strictEqual(principal.username, `user-${run}-777`)
          assert.strictEqual(Redacted.value(principal.serviceTokens.get("GITHUB_TOKEN")!), "token-777")
        })
      )
    })
  })
}
