import { assert, describe, layer } from "@effect/vitest"
import { Effect, Option, Redacted } from "effect"
import { TestClock } from "effect/testing"
import { createHash, randomUUID } from "node:crypto"
import { Groups } from "../../../src/domain/identity/Groups.ts"
import { millisPerDay } from "../../../src/domain/identity/HubKey.ts"
import { HubKeys } from "../../../src/domain/identity/HubKeys.ts"
import type { Repositories } from "../../../src/domain/storage/Repositories.ts"
import { GroupId, KeyId, UserId } from "../../../src/domain/Ids.ts"
import { Users } from "../../../src/domain/identity/Users.ts"
import { stores } from "../../support/Identity.ts"
import { adaAndBo, now, principalOf, runs, token, tokensOf } from "../identity/StoredKeys.ts"

const nobody = UserId.make("00000000-0000-4000-8000-000000000000")

for (const [place, store] of stores) {
  describe(`Repositories ${place}`, () => {
    layer(store, { timeout: "60 seconds", excludeTestServices: true })((live) => {
      // Each test moves a clock of its own; the store's connections keep real time.
      const it = {
        effect: <E>(name: string, test: () => Effect.Effect<void, E, Repositories>) =>
          live.effect(name, () => Effect.provide(test(), TestClock.layer()))
      }

      it.effect("a user is found by id and by name, with the time it was added", () =>
        Effect.gen(function* () {
          const { ada, bo } = yield* adaAndBo
          const users = yield* Users
          assert.deepStrictEqual(yield* users.byId(ada.id), ada)
          assert.deepStrictEqual(yield* users.byName(bo.username), bo)
          assert.strictEqual(ada.createdAt, now)
          assert.isTrue(ada.isActive)
          assert.isFalse(ada.isAdmin)
          const names = (yield* users.list).map((user) => user.username)
          assert.includeMembers(names, [ada.username, bo.username])
        })
      )

      it.effect("a user's given uuid is kept, and a name or uuid that is taken is refused", () =>
        Effect.gen(function* () {
          const { ada } = yield* adaAndBo
          const users = yield* Users
          const id = UserId.make(randomUUID())
          assert.strictEqual((yield* users.add({ username: `given-${id}`, id, isAdmin: true })).id, id)
          assert.isTrue((yield* users.byId(id)).isAdmin)
          assert.strictEqual((yield* Effect.flip(users.add({ username: ada.username })))._tag, "UsernameTaken")
          assert.strictEqual((yield* Effect.flip(users.add({ username: "other", id })))._tag, "UsernameTaken")
        })
      )

      it.effect("a name that differs from another's only in case, width or ligatures is taken", () =>
        Effect.gen(function* () {
          const users = yield* Users
          const id = randomUUID()
          const ada = yield* users.add({ username: `straße-office-${id}` })
          for (const username of [`STRASSE-OFFICE-${id}`, `ｓtraße-office-${id}`, `straße-oﬃce-${id}`]) {
            assert.strictEqual((yield* Effect.flip(users.add({ username })))._tag, "UsernameTaken", username)
          }
          const login = `Straße-Office-${id}`
          assert.strictEqual((yield* Effect.flip(users.fromGithub({ githubId: id, login })))._tag, "InvalidValue")
          const bo = yield* users.add({ username: `street-office-${id}` })
          assert.strictEqual((yield* users.byName(ada.username)).id, ada.id)
          assert.notStrictEqual(bo.id, ada.id)
        })
      )

      it.effect("names and ids that fit neither a column nor a path are refused or not found", () =>
        Effect.gen(function* () {
          const users = yield* Users
          for (const username of [
            "",
            " ada",
            "a/b",
            "a\nb",
            "a\ud800b",
            "a\u200bb",
            "a\u202eb",
            "a\u00adb",
            "x".repeat(101)
          ]) {
            assert.strictEqual((yield* Effect.flip(users.add({ username })))._tag, "InvalidValue")
          }
          const id = UserId.make("no-uuid")
          assert.strictEqual((yield* Effect.flip(users.add({ username: "someone", id })))._tag, "InvalidValue")
          assert.strictEqual((yield* Effect.flip(users.byId(id)))._tag, "UserNotFound")
          assert.strictEqual((yield* Effect.flip(users.byName("nobody at all")))._tag, "UserNotFound")
          assert.strictEqual((yield* Effect.flip(users.setActive(nobody, false)))._tag, "UserNotFound")
        })
      )

      it.effect("removing a user removes their keys and groups and nobody else's", () =>
        Effect.gen(function* () {
          const { ada, bo } = yield* adaAndBo
          const users = yield* Users
          const keys = yield* HubKeys
          const groups = yield* Groups
          const adas = yield* keys.create({ userId: ada.id })
          const bos = yield* keys.create({ userId: bo.id })
          yield* groups.create({ userId: ada.id, name: "work", servers: ["github"], tools: ["github-search"] })
          yield* groups.create({ userId: bo.id, name: "work", servers: ["jira"] })
          for (const { key, row } of [adas, bos]) {
            assert.deepStrictEqual(yield* keys.principalOf(row.id), yield* keys.principal(key))
          }
          yield* users.remove(ada.id)
          assert.isTrue(Option.isNone(yield* keys.principalOf(adas.row.id)))
          assert.strictEqual((yield* Effect.flip(users.byId(ada.id)))._tag, "UserNotFound")
          assert.isTrue(Option.isNone(yield* keys.principal(adas.key)))
          assert.deepStrictEqual(yield* keys.listByUser(ada.id), [])
          assert.deepStrictEqual(yield* groups.listByUser(ada.id), [])
          assert.strictEqual((yield* principalOf(bos.key)).userId, bo.id)
          assert.strictEqual((yield* groups.listByUser(bo.id)).length, 1)
          assert.strictEqual((yield* Effect.flip(users.remove(ada.id)))._tag, "UserNotFound")
        })
      )

      it.effect("a password digest is kept as given and a user without one has none", () =>
        Effect.gen(function* () {
          const { ada, bo } = yield* adaAndBo
          const users = yield* Users
          yield* users.setPasswordDigest(ada.id, token("$pbkdf2$600000$salt$digest"))
          const digest = yield* users.passwordDigest(ada.id)
          assert.strictEqual(Redacted.value(Option.getOrThrow(digest)), "$pbkdf2$600000$salt$digest")
          assert.isTrue(Option.isNone(yield* users.passwordDigest(bo.id)))
          assert.strictEqual((yield* Effect.flip(users.passwordDigest(nobody)))._tag, "UserNotFound")
          yield* users.recordLogin(ada.id)
          assert.strictEqual((yield* users.byId(ada.id)).lastLoginAt, now)
          assert.strictEqual((yield* users.byId(bo.id)).lastLoginAt, null)
        })
      )

      it.effect("a GitHub sign-in makes one user, refreshes it, and never takes over a local user of that name", () =>
        Effect.gen(function* () {
          const { ada } = yield* adaAndBo
          const users = yield* Users
          const login = `octo-${runs}`
          const first = yield* users.fromGithub({ githubId: `${runs}1`, login, displayName: "Octo" })
          assert.isFalse(first.isAdmin)
          yield* TestClock.setTime(now + 5_000)
          const again = yield* users.fromGithub({ githubId: `${runs}1`, login, email: "octo@example.com" })
          assert.strictEqual(again.id, first.id)
          assert.strictEqual(again.displayName, "Octo")
          assert.strictEqual(again.email, "octo@example.com")
          assert.strictEqual(again.lastLoginAt, now + 5_000)
          const stranger = yield* Effect.flip(users.fromGithub({ githubId: `${runs}2`, login: ada.username }))
          assert.strictEqual(stranger._tag, "InvalidValue")
        })
      )

      it.effect(
        "a key opens the hub for its own user only, is valid 90 days, and its text and digest are never listed",
        () =>
          Effect.gen(function* () {
            const { ada, bo } = yield* adaAndBo
            const keys = yield* HubKeys
            const { key, row } = yield* keys.create({ userId: ada.id, name: "laptop" })
            assert.match(Redacted.value(key), /^mcphub_[0-9a-f]{64}$/)
            assert.strictEqual(row.expiresAt, now + 90 * millisPerDay)
            const principal = yield* principalOf(key)
            assert.strictEqual(principal.userId, ada.id)
            assert.strictEqual(principal.keyId, row.id)
            assert.strictEqual(principal.expiresAt, row.expiresAt)
            const listed = JSON.stringify(yield* keys.listByUser(ada.id))
            assert.include(listed, "laptop")
            assert.notInclude(listed, Redacted.value(key))
            assert.notInclude(listed, "sha256")
            assert.deepStrictEqual(yield* keys.listByUser(bo.id), [])
          })
      )

      it.effect("validity is 1 to 90 whole days, at creation and at extension", () =>
        Effect.gen(function* () {
          const { ada } = yield* adaAndBo
          const keys = yield* HubKeys
          for (const days of [0, 91, -1, 1.5, Number.NaN]) {
            assert.strictEqual((yield* Effect.flip(keys.create({ userId: ada.id, days })))._tag, "InvalidValue")
          }
          const { row } = yield* keys.create({ userId: ada.id, days: 1 })
          assert.strictEqual(row.expiresAt, now + millisPerDay)
          assert.strictEqual((yield* Effect.flip(keys.extend(row.id, 91)))._tag, "InvalidValue")
          assert.strictEqual((yield* keys.extend(row.id, 7)).expiresAt, now + 7 * millisPerDay)
          assert.strictEqual((yield* keys.extend(row.id)).expiresAt, now + 90 * millisPerDay)
          assert.strictEqual((yield* Effect.flip(keys.create({ userId: nobody })))._tag, "UserNotFound")
        })
      )

      it.effect(
        "a key stops opening the hub at its expiry, when it is revoked, and while its user is deactivated",
        () =>
          Effect.gen(function* () {
            const { ada, bo } = yield* adaAndBo
            const users = yield* Users
            const keys = yield* HubKeys
            const short = yield* keys.create({ userId: ada.id, days: 1 })
            const long = yield* keys.create({ userId: ada.id })
            const bos = yield* keys.create({ userId: bo.id })
            const opens = (key: { readonly key: Redacted.Redacted<string> }) =>
              Effect.map(keys.principal(key.key), Option.isSome)
            yield* TestClock.setTime(now + millisPerDay - 1)
            assert.isTrue(yield* opens(short))
            yield* TestClock.setTime(now + millisPerDay)
            assert.isFalse(yield* opens(short))
            yield* users.setActive(ada.id, false)
            assert.isFalse(yield* opens(long))
            yield* users.setActive(ada.id, true)
            assert.isTrue(yield* opens(long))
            assert.isFalse((yield* keys.revoke(long.row.id)).isActive)
            assert.isFalse(yield* opens(long))
            assert.isTrue(yield* opens(bos))
            const seen = [short, long, bos].map(({ row }) => ({ keyId: row.id, userId: row.userId }))
            const ended = yield* keys.unusable(seen)
            assert.sameMembers(
              ended.map((event) => event.keyId),
              [short.row.id, long.row.id]
            )
            assert.isTrue(ended.every((event) => event.revoked && event.userId === ada.id))
          })
      )

      it.effect("another user's key and group are not found, whatever is asked of them", () =>
        Effect.gen(function* () {
          const { ada, bo } = yield* adaAndBo
          const keys = yield* HubKeys
          const groups = yield* Groups
          const { key, row } = yield* keys.create({ userId: ada.id, name: "mine" })
          yield* keys.setTokens({ keyId: row.id }, { GITHUB_TOKEN: token("ada-github") })
          const group = yield* groups.create({ userId: ada.id, name: "mine", servers: ["github"] })
          const foreign = { keyId: row.id, owner: bo.id }
          const refusals = yield* Effect.all([
            Effect.flip(keys.byId(row.id, bo.id)),
            Effect.flip(keys.extend(row.id, 5, bo.id)),
            Effect.flip(keys.rename(row.id, "stolen", bo.id)),
            Effect.flip(keys.revoke(row.id, bo.id)),
            Effect.flip(keys.setTokens(foreign, { GITHUB_TOKEN: token("bo") })),
            Effect.flip(keys.tokenNames(foreign)),
            Effect.flip(keys.removeToken(foreign, "GITHUB_TOKEN")),
            Effect.flip(groups.byId(group.id, bo.id)),
            Effect.flip(groups.setActive(group.id, false, bo.id)),
            Effect.flip(groups.update(group.id, { servers: [] }, bo.id)),
            Effect.flip(groups.remove(group.id, bo.id))
          ])
          assert.isTrue(refusals.every(({ _tag }) => _tag === "KeyNotFound" || _tag === "GroupNotFound"))
          const principal = yield* principalOf(key)
          assert.strictEqual(principal.keyName, "mine")
          assert.strictEqual(principal.expiresAt, now + 90 * millisPerDay)
          assert.deepStrictEqual(yield* tokensOf(key), { GITHUB_TOKEN: "ada-github" })
          assert.deepStrictEqual(yield* groups.byId(group.id, ada.id), group)
        })
      )

      it.effect("a given key text is kept, twice by one user is once, and never serves two users", () =>
        Effect.gen(function* () {
          const { ada, bo } = yield* adaAndBo
          const keys = yield* HubKeys
          const key = token(`mcphub_${randomUUID().replaceAll("-", "").repeat(2)}`)
          const row = yield* keys.insert({ userId: ada.id, name: "given", key, expiresAt: now + 12_345 })
          assert.strictEqual(row.expiresAt, now + 12_345)
          assert.deepStrictEqual(yield* keys.insert({ userId: ada.id, name: "again", key }), row)
          assert.strictEqual((yield* Effect.flip(keys.insert({ userId: bo.id, name: "b", key })))._tag, "KeyTaken")
          assert.strictEqual((yield* principalOf(key)).userId, ada.id)
          const bad = yield* Effect.flip(keys.insert({ userId: bo.id, name: "b", key: token("secret text") }))
          assert.strictEqual(bad._tag, "InvalidValue")
          assert.notInclude(bad.message, "secret text")
        })
      )

      it.effect("a stored digest does not open the hub itself", () =>
        Effect.gen(function* () {
          const { ada } = yield* adaAndBo
          const keys = yield* HubKeys
          const { key } = yield* keys.create({ userId: ada.id })
          const digest = `sha256:${createHash("sha256").update(Redacted.value(key)).digest("hex")}`
          assert.isTrue(Option.isNone(yield* keys.principal(token(digest))))
          assert.isTrue(Option.isNone(yield* keys.principal(token(""))))
        })
      )

      it.effect("service tokens go onto one key or all keys of a user, merge, and never reach another user", () =>
        Effect.gen(function* () {
          const { ada, bo } = yield* adaAndBo
          const keys = yield* HubKeys
          const one = yield* keys.create({ userId: ada.id })
          const two = yield* keys.create({ userId: ada.id })
          const bos = yield* keys.create({ userId: bo.id })
          yield* keys.setTokens({ userId: ada.id }, { GITHUB_TOKEN: token("ada-gh"), JIRA_EMAIL: token("a@b.c") })
          yield* keys.setTokens({ keyId: one.row.id, owner: ada.id }, { GITHUB_TOKEN: token("ada-gh-one") })
          assert.deepStrictEqual(yield* tokensOf(one.key), { GITHUB_TOKEN: "ada-gh-one", JIRA_EMAIL: "a@b.c" })
          assert.deepStrictEqual(yield* tokensOf(two.key), { GITHUB_TOKEN: "ada-gh", JIRA_EMAIL: "a@b.c" })
          assert.deepStrictEqual(yield* tokensOf(bos.key), {})
          assert.deepStrictEqual(yield* keys.tokenNames({ userId: ada.id }), ["GITHUB_TOKEN", "JIRA_EMAIL"])
          assert.deepStrictEqual((yield* keys.byId(one.row.id)).tokenNames, ["GITHUB_TOKEN", "JIRA_EMAIL"])
          assert.isTrue(yield* keys.removeToken({ userId: ada.id }, "GITHUB_TOKEN"))
          assert.isFalse(yield* keys.removeToken({ userId: ada.id }, "GITHUB_TOKEN"))
          assert.deepStrictEqual(yield* tokensOf(two.key), { JIRA_EMAIL: "a@b.c" })
          assert.notInclude(JSON.stringify(yield* keys.list), "a@b.c")
        })
      )

      it.effect("field D4: a user's token comes with a key made later, and with no other user's", () =>
        Effect.gen(function* () {
          const { ada, bo } = yield* adaAndBo
          const keys = yield* HubKeys
          // Before there is any key.
          yield* keys.setTokens({ userId: ada.id }, { GITHUB_TOKEN: token("ada-gh"), JIRA_TOKEN: token("ada-jira") })
          yield* keys.setTokens({ userId: bo.id }, { GITHUB_TOKEN: token("bo-gh") })
          const one = yield* keys.create({ userId: ada.id })
          assert.deepStrictEqual(yield* tokensOf(one.key), { GITHUB_TOKEN: "ada-gh", JIRA_TOKEN: "ada-jira" })
          assert.deepStrictEqual(one.row.tokenNames, ["GITHUB_TOKEN", "JIRA_TOKEN"])
          // A key's own goes before, until the user's is set again.
          yield* keys.setTokens({ keyId: one.row.id }, { GITHUB_TOKEN: token("ada-gh-one") })
          const two = yield* keys.create({ userId: ada.id })
          assert.deepStrictEqual((yield* tokensOf(two.key))["GITHUB_TOKEN"], "ada-gh")
          assert.deepStrictEqual((yield* tokensOf(one.key))["GITHUB_TOKEN"], "ada-gh-one")
          yield* keys.setTokens({ userId: ada.id }, { GITHUB_TOKEN: token("ada-gh-new") })
          for (const { key } of [one, two]) {
            assert.deepStrictEqual((yield* tokensOf(key))["GITHUB_TOKEN"], "ada-gh-new")
          }
          assert.deepStrictEqual(yield* keys.userTokenNames(ada.id), ["GITHUB_TOKEN", "JIRA_TOKEN"])
          assert.isTrue(yield* keys.removeToken({ userId: ada.id }, "JIRA_TOKEN"))
          assert.isFalse(yield* keys.removeToken({ keyId: one.row.id }, "GITHUB_TOKEN"))
          assert.deepStrictEqual(yield* tokensOf(two.key), { GITHUB_TOKEN: "ada-gh-new" })
          const bos = yield* keys.create({ userId: bo.id })
          assert.deepStrictEqual(yield* tokensOf(bos.key), { GITHUB_TOKEN: "bo-gh" })
        })
      )

      it.effect("field D4: a user who is removed leaves no token to whoever has their id next", () =>
        Effect.gen(function* () {
          const { ada } = yield* adaAndBo
          const keys = yield* HubKeys
          const users = yield* Users
          yield* keys.setTokens({ userId: ada.id }, { GITHUB_TOKEN: token("ada-gh") })
          yield* users.remove(ada.id)
          assert.strictEqual(
            (yield* Effect.flip(keys.setTokens({ userId: ada.id }, { A_TOKEN: token("a") })))._tag,
            "UserNotFound"
          )
          const again = yield* users.add({ username: "ada", id: ada.id })
          const { key } = yield* keys.create({ userId: again.id })
          assert.deepStrictEqual(yield* tokensOf(key), {})
        })
      )

      it.effect("A35: which of many keys exist is asked in one read, whoever owns them", () =>
        Effect.gen(function* () {
          const { ada, bo } = yield* adaAndBo
          const keys = yield* HubKeys
          const [adas, bos] = [yield* keys.create({ userId: ada.id }), yield* keys.create({ userId: bo.id })]
          yield* keys.revoke(bos.row.id)
          const digest = `sha256:${createHash("sha256").update(Redacted.value(adas.key)).digest("hex")}`
          const asked = [
            token("mcphub_" + "0".repeat(64)),
            adas.key,
            token("'; drop table users"),
            bos.key,
            token(digest)
          ]
          assert.deepStrictEqual(yield* keys.exist(asked), [false, true, false, true, false])
          assert.deepStrictEqual(yield* keys.exist([]), [])
        })
      )

      it.effect("a token value that cannot stand in a header is refused without being shown", () =>
        Effect.gen(function* () {
          const { ada } = yield* adaAndBo
          const keys = yield* HubKeys
          const { key, row } = yield* keys.create({ userId: ada.id })
          for (const value of [
            "canary\r\nX: y",
            "canary\n",
            "canary\u0000",
            "canaryé",
            "",
            " canary",
            "c".repeat(8193)
          ]) {
            const refused = yield* Effect.flip(
              keys.setTokens({ keyId: row.id }, { GOOD: token("fine"), GITHUB_TOKEN: token(value) })
            )
            assert.strictEqual(refused._tag, "InvalidValue")
            assert.notInclude(JSON.stringify(refused) + refused.message, "canary")
          }
          const named = yield* Effect.flip(keys.setTokens({ keyId: row.id }, { "canary value": token("x") }))
          assert.notInclude(JSON.stringify(named) + named.message, "canary")
          assert.deepStrictEqual(yield* tokensOf(key), {})
        })
      )

      it.effect("use is added up per key and the last-used time never goes back", () =>
        Effect.gen(function* () {
          const { ada, bo } = yield* adaAndBo
          const keys = yield* HubKeys
          const one = yield* keys.create({ userId: ada.id })
          const two = yield* keys.create({ userId: bo.id })
          const idle = yield* keys.create({ userId: bo.id })
          yield* keys.recordUse([
            { keyId: one.row.id, count: 3, lastUsedAt: now + 500 },
            { keyId: two.row.id, count: 1, lastUsedAt: now + 1 }
          ])
          yield* keys.recordUse([{ keyId: one.row.id, count: 2, lastUsedAt: now + 100 }])
          yield* keys.recordUse([{ keyId: KeyId.make(nobody), count: 2, lastUsedAt: now }])
          const used = yield* keys.byId(one.row.id)
          assert.deepStrictEqual([used.usageCount, used.lastUsedAt], [5, now + 500])
          const other = yield* keys.byId(two.row.id)
          assert.deepStrictEqual([other.usageCount, other.lastUsedAt], [1, now + 1])
          const unused = yield* keys.byId(idle.row.id)
          assert.deepStrictEqual([unused.usageCount, unused.lastUsedAt], [0, null])
        })
      )

      it.effect("groups hold servers and tools, are shown to their own user's principal, and change as asked", () =>
        Effect.gen(function* () {
          const { ada, bo } = yield* adaAndBo
          const keys = yield* HubKeys
          const groups = yield* Groups
          const adas = yield* keys.create({ userId: ada.id })
          const bos = yield* keys.create({ userId: bo.id })
          const work = yield* groups.create({
            userId: ada.id,
            name: "work",
            description: "at work",
            servers: ["github", "my server"],
            tools: ["github-search", "read, write"]
          })
          const home = yield* groups.create({ userId: ada.id, name: "home", servers: [] })
          assert.deepStrictEqual(work.servers, ["github", "my server"])
          assert.deepStrictEqual(work.tools, ["github-search", "read, write"])
          assert.strictEqual(work.createdAt, now)
          assert.isUndefined(home.tools)
          yield* groups.setActive(home.id, false, ada.id)
          const principal = yield* principalOf(adas.key)
          assert.deepStrictEqual(
            principal.groups.map(({ isActive, name, servers, tools }) => ({ isActive, name, servers, tools })),
            [
              { isActive: false, name: "home", servers: [], tools: undefined },
              {
                isActive: true,
                name: "work",
                servers: ["github", "my server"],
                tools: ["github-search", "read, write"]
              }
            ]
          )
          assert.deepStrictEqual((yield* principalOf(bos.key)).groups, [])
          const changed = yield* groups.update(work.id, { name: "office", servers: ["jira"], tools: null }, ada.id)
          assert.deepStrictEqual([changed.name, changed.servers, changed.tools], ["office", ["jira"], undefined])
          assert.strictEqual(changed.description, "at work")
          assert.strictEqual((yield* Effect.flip(groups.update(work.id, { name: "home" })))._tag, "GroupNameTaken")
          yield* groups.remove(home.id, ada.id)
          assert.deepStrictEqual(
            (yield* groups.listByUser(ada.id)).map((group) => group.id),
            [work.id]
          )
        })
      )

      it.effect("a group's name is free for each user, taken twice by none, and no server name holds a comma", () =>
        Effect.gen(function* () {
          const { ada, bo } = yield* adaAndBo
          const groups = yield* Groups
          yield* groups.create({ userId: ada.id, name: "work", servers: ["github"] })
          yield* groups.create({ userId: bo.id, name: "work", servers: ["github"] })
          const again = yield* Effect.flip(groups.create({ userId: ada.id, name: "work", servers: [] }))
          assert.strictEqual(again._tag, "GroupNameTaken")
          const comma = yield* Effect.flip(groups.create({ userId: ada.id, name: "x", servers: ["a,b"] }))
          assert.strictEqual(comma._tag, "InvalidValue")
          const orphan = yield* Effect.flip(groups.create({ userId: nobody, name: "x", servers: [] }))
          assert.strictEqual(orphan._tag, "UserNotFound")
          const unknown = yield* Effect.flip(groups.byId(GroupId.make("no-uuid")))
          assert.strictEqual(unknown._tag, "GroupNotFound")
        })
      )
    })
  })
}
