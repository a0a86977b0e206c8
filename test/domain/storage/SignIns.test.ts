/** Sign-ins, one-time codes, roles and people of other issuers, on every store. */
import { assert, describe, layer } from "@effect/vitest"
import { Effect, Option, Redacted } from "effect"
import { TestClock } from "effect/testing"
import { randomUUID } from "node:crypto"
import { SignInId, UserId } from "../../../src/domain/Ids.ts"
import { ExternalUsers } from "../../../src/domain/identity/ExternalUsers.ts"
import { Roles } from "../../../src/domain/identity/Roles.ts"
import { codePurposes, SignInCodes, validMs } from "../../../src/domain/identity/SignInCodes.ts"
import { idleMs, longestMs, mostPerUser, SignIns } from "../../../src/domain/identity/SignIns.ts"
import { Users } from "../../../src/domain/identity/Users.ts"
import { Provisioning } from "../../../src/domain/provisioning/Provisioning.ts"
import type { Repositories } from "../../../src/domain/storage/Repositories.ts"
import { stores } from "../../support/Identity.ts"

const now = Date.UTC(2026, 2, 29, 1, 30)
const minute = 60_000

const adaAndBo = Effect.gen(function* () {
  yield* TestClock.setTime(now)
  const users = yield* Users
  const run = randomUUID().slice(0, 8)
  return {
    ada: yield* users.add({ username: `ada-${run}`, isAdmin: true }),
    bo: yield* users.add({ username: `bo-${run}` })
  }
})

const signInOf = (userId: UserId, userAgent?: string) =>
  Effect.flatMap(SignIns, (signIns) => signIns.open({ userId, way: "password", userAgent }))

for (const [place, store] of stores) {
  describe(`Sign-ins ${place}`, () => {
    layer(store, { timeout: "60 seconds", excludeTestServices: true })((live) => {
      const it = {
        effect: <E>(name: string, test: () => Effect.Effect<void, E, Repositories>) =>
          live.effect(name, () => Effect.provide(test(), TestClock.layer()))
      }

      it.effect("a cookie is its user's, and no other text is anybody's", () =>
        Effect.gen(function* () {
          const { ada, bo } = yield* adaAndBo
          const signIns = yield* SignIns
          const adas = yield* signInOf(ada.id, "Browser 1\u0007\u202e of ada\ud800")
          const bos = yield* signInOf(bo.id)
          const viewer = Option.getOrThrow(yield* signIns.viewer(adas.cookie))
          assert.deepStrictEqual(viewer, {
            signInId: adas.signIn.id,
            userId: ada.id,
            username: ada.username,
            isAdmin: true,
            role: "user",
            csrf: viewer.csrf
          })
          const other = Option.getOrThrow(yield* signIns.viewer(bos.cookie))
          assert.strictEqual(other.userId, bo.id)
          assert.isFalse(other.isAdmin)
          assert.notStrictEqual(other.csrf, viewer.csrf)
          assert.notInclude(JSON.stringify([viewer, adas.signIn]), Redacted.value(adas.cookie))
          assert.strictEqual(adas.signIn.userAgent, "Browser 1\ufffd\ufffd of ada\ufffd")
          for (const text of ["", "x", `mcphub_signin_${"0".repeat(64)}`, `${Redacted.value(adas.cookie)}\u0000`]) {
            assert.isTrue(Option.isNone(yield* signIns.viewer(Redacted.make(text))), text)
          }
        })
      )

      it.effect("a sign-in lives a week from its last use, and a month in all", () =>
        Effect.gen(function* () {
          const { ada, bo } = yield* adaAndBo
          const signIns = yield* SignIns
          const used = yield* signInOf(ada.id)
          const left = yield* signInOf(bo.id)
          yield* TestClock.adjust(30_000)
          yield* signIns.viewer(used.cookie)
          assert.deepStrictEqual((yield* signIns.listByUser(ada.id))[0], used.signIn)
          yield* TestClock.setTime(now + idleMs - 1)
          assert.isTrue(Option.isSome(yield* signIns.viewer(used.cookie)))
          const [seen] = yield* signIns.listByUser(ada.id)
          assert.strictEqual(seen?.lastSeenAt, now + idleMs - 1)
          assert.strictEqual(seen?.expiresAt, now + 2 * idleMs - 1)
          yield* TestClock.setTime(now + idleMs)
          assert.isTrue(Option.isNone(yield* signIns.viewer(left.cookie)))
          assert.deepStrictEqual(yield* signIns.listByUser(bo.id), [])
          for (const days of [13, 19, 25]) {
            yield* TestClock.setTime(now + days * 24 * 60 * minute)
            assert.isTrue(Option.isSome(yield* signIns.viewer(used.cookie)))
          }
          yield* TestClock.setTime(now + longestMs)
          assert.isTrue(Option.isNone(yield* signIns.viewer(used.cookie)))
          assert.isAtLeast(yield* signIns.sweep, 2)
        })
      )

      it.effect("A37: a revoked sign-in is over at once, and nobody revokes another user's", () =>
        Effect.gen(function* () {
          const { ada, bo } = yield* adaAndBo
          const signIns = yield* SignIns
          const [one, two, three] = [yield* signInOf(ada.id), yield* signInOf(ada.id), yield* signInOf(ada.id)]
          const bos = yield* signInOf(bo.id)
          for (const id of [one.signIn.id, SignInId.make(randomUUID()), SignInId.make("none")]) {
            assert.strictEqual((yield* Effect.flip(signIns.revoke(bo.id, id)))._tag, "SignInNotFound")
          }
          yield* signIns.revoke(ada.id, one.signIn.id)
          assert.isTrue(Option.isNone(yield* signIns.viewer(one.cookie)))
          assert.strictEqual(yield* signIns.revokeAll(ada.id, three.signIn.id), 1)
          assert.isTrue(Option.isNone(yield* signIns.viewer(two.cookie)))
          assert.isTrue(Option.isSome(yield* signIns.viewer(three.cookie)))
          assert.strictEqual(yield* signIns.revokeAll(ada.id), 1)
          assert.isTrue(Option.isSome(yield* signIns.viewer(bos.cookie)))
        })
      )

      it.effect("a user who is deactivated or removed is signed in no more, also when active again", () =>
        Effect.gen(function* () {
          const { ada, bo } = yield* adaAndBo
          const [signIns, users, codes] = [yield* SignIns, yield* Users, yield* SignInCodes]
          const [adas, bos] = [yield* signInOf(ada.id), yield* signInOf(bo.id)]
          const { code } = yield* codes.issue({ userId: ada.id, purpose: "link" })
          yield* users.setActive(ada.id, false)
          assert.isTrue(Option.isNone(yield* signIns.viewer(adas.cookie)))
          assert.strictEqual((yield* Effect.flip(signInOf(ada.id)))._tag, "UserNotFound")
          const refused = yield* Effect.flip(codes.issue({ userId: ada.id, purpose: "link" }))
          assert.strictEqual(refused._tag, "UserNotFound")
          yield* users.setActive(ada.id, true)
          assert.isTrue(Option.isNone(yield* signIns.viewer(adas.cookie)))
          assert.isTrue(Option.isNone(yield* codes.redeem(code)))
          const again = yield* signInOf(ada.id)
          yield* users.remove(ada.id)
          yield* users.add({ username: ada.username, id: ada.id })
          assert.isTrue(Option.isNone(yield* signIns.viewer(again.cookie)))
          assert.isTrue(Option.isSome(yield* signIns.viewer(bos.cookie)))
        })
      )

      it.effect("a user has a bounded number of sign-ins: the one seen longest ago gives way", () =>
        Effect.gen(function* () {
          const { ada, bo } = yield* adaAndBo
          const signIns = yield* SignIns
          const bos = yield* signInOf(bo.id)
          const first = yield* signInOf(ada.id)
          yield* TestClock.adjust(minute)
          yield* Effect.replicateEffect(signInOf(ada.id), mostPerUser - 1, { discard: true })
          yield* TestClock.adjust(minute)
          assert.isTrue(Option.isSome(yield* signIns.viewer(first.cookie)))
          const newest = yield* signInOf(ada.id)
          assert.strictEqual((yield* signIns.listByUser(ada.id)).length, mostPerUser)
          for (const { cookie } of [newest, first, bos]) {
            assert.isTrue(Option.isSome(yield* signIns.viewer(cookie)))
          }
        })
      )

      it.effect("a one-time code signs its user in once, within its time, and the latest of a purpose counts", () =>
        Effect.gen(function* () {
          const { ada, bo } = yield* adaAndBo
          const codes = yield* SignInCodes
          const [adas, bos] = [
            yield* codes.issue({ userId: ada.id, purpose: "link" }),
            yield* codes.issue({ userId: bo.id, purpose: "link" })
          ]
          assert.isTrue(yield* codes.isValid(adas.code))
          const all = yield* Effect.all(
            Array.from({ length: 8 }, () => codes.redeem(adas.code)),
            { concurrency: "unbounded" }
          )
          assert.deepStrictEqual([yield* codes.isValid(adas.code), yield* codes.isValid(bos.code)], [false, true])
          assert.deepStrictEqual(all.flatMap(Option.toArray), [{ userId: ada.id, purpose: "link" }])
          const newer = yield* codes.issue({ userId: bo.id, purpose: "link" })
          assert.isTrue(Option.isNone(yield* codes.redeem(bos.code)))
          assert.isFalse(yield* codes.isValid(bos.code))
          assert.isTrue(Option.isNone(yield* codes.redeem(Redacted.make("mcphub_once_x"))))
          assert.isFalse(yield* codes.isValid(Redacted.make("mcphub_once_x")))
          yield* codes.issue({ userId: bo.id, purpose: "invitation" })
          assert.deepStrictEqual(yield* codes.redeem(newer.code), Option.some({ userId: bo.id, purpose: "link" }))
          for (const purpose of codePurposes) {
            const { code, expiresAt } = yield* codes.issue({ userId: bo.id, purpose })
            yield* TestClock.setTime(expiresAt)
            assert.isFalse(yield* codes.isValid(code), purpose)
            assert.isTrue(Option.isNone(yield* codes.redeem(code)), purpose)
          }
          assert.strictEqual(newer.expiresAt, now + validMs.link)
          const [first, link] = [
            yield* codes.issue({ userId: ada.id, purpose: "first-start" }),
            yield* codes.issue({ userId: ada.id, purpose: "link" })
          ]
          yield* codes.forget("first-start")
          assert.isTrue(Option.isNone(yield* codes.redeem(first.code)))
          assert.isTrue(Option.isSome(yield* codes.redeem(link.code)))
        })
      )

      it.effect("a role belongs to one user, and goes with them", () =>
        Effect.gen(function* () {
          const { ada, bo } = yield* adaAndBo
          const [roles, users, signIns] = [yield* Roles, yield* Users, yield* SignIns]
          yield* roles.set(bo.id, "auditor")
          assert.strictEqual(yield* roles.of(bo.id), "auditor")
          assert.strictEqual(yield* roles.of(ada.id), "user")
          const bos = yield* signInOf(bo.id)
          assert.strictEqual(Option.getOrThrow(yield* signIns.viewer(bos.cookie)).role, "auditor")
          assert.strictEqual((yield* roles.all).get(bo.id), "auditor")
          yield* roles.set(bo.id, "user")
          assert.isFalse((yield* roles.all).has(bo.id))
          // An admin has no other role that would come out later; a change that is none takes nothing away.
          yield* roles.set(bo.id, "auditor")
          yield* roles.set(ada.id, "auditor")
          yield* users.setAdmin(bo.id, false)
          yield* users.setAdmin(ada.id, false)
          assert.deepStrictEqual([yield* roles.of(bo.id), yield* roles.of(ada.id)], ["auditor", "user"])
          yield* users.setAdmin(bo.id, true)
          yield* users.setAdmin(bo.id, false)
          assert.strictEqual(yield* roles.of(bo.id), "user")
          const provisioning = yield* Provisioning
          for (const admin of [true, false]) {
            yield* roles.set(bo.id, "auditor")
            yield* provisioning.apply({ users: [{ username: bo.username, admin }] })
            assert.deepStrictEqual([(yield* users.byId(bo.id)).isAdmin, yield* roles.of(bo.id)], [admin, "user"])
          }
          yield* roles.set(bo.id, "auditor")
          yield* users.remove(bo.id)
          yield* users.add({ username: bo.username, id: bo.id })
          assert.strictEqual(yield* roles.of(bo.id), "user")
          for (const id of [randomUUID(), "none"].map((text) => UserId.make(text))) {
            assert.strictEqual((yield* Effect.flip(roles.set(id, "auditor")))._tag, "UserNotFound")
            assert.strictEqual(yield* roles.of(id), "user")
          }
        })
      )

      it.effect("a person of an issuer is one user for good, and of another issuer somebody else", () =>
        Effect.gen(function* () {
          const { ada, bo } = yield* adaAndBo
          const [people, users] = [yield* ExternalUsers, yield* Users]
          const subject = randomUUID()
          const id = { issuer: "https://one.example", subject }
          yield* people.link(id, ada.id)
          yield* people.link(id, bo.id)
          assert.strictEqual(Option.getOrThrow(yield* people.find(id)).id, ada.id)
          assert.isTrue(Option.isNone(yield* people.find({ issuer: "https://two.example", subject })))
          yield* users.remove(ada.id)
          yield* users.add({ username: ada.username, id: ada.id })
          assert.isTrue(Option.isNone(yield* people.find(id)))
          const githubId = subject.slice(0, 12)
          assert.strictEqual((yield* Effect.flip(users.byGithubId(githubId)))._tag, "UserNotFound")
          const known = yield* users.fromGithub({ githubId, login: `git-${githubId}` })
          assert.strictEqual((yield* users.byGithubId(githubId)).id, known.id)
          const nobody = yield* Effect.flip(people.link(id, UserId.make(randomUUID())))
          assert.strictEqual(nobody._tag, "UserNotFound")
        })
      )
    })
  })
}
