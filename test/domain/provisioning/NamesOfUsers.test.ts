import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { SecureRandom } from "effect/crypto"
import { randomUUID } from "node:crypto"
import { Credentials } from "../../../src/domain/identity/Credentials.ts"
import { UserId } from "../../../src/domain/Ids.ts"
import { makePlan, type StoredUser } from "../../../src/domain/provisioning/ProvisioningPlan.ts"

const user = (isOwnName: boolean): StoredUser => ({
  id: UserId.make(randomUUID()),
  username: "ada",
  isAdmin: false,
  isOwnName
})

const plan = (users: ReadonlyArray<StoredUser>, entry: { readonly id?: string } = {}) =>
  Effect.gen(function* () {
    return yield* makePlan(
      [{ username: "ada", admin: true, serviceTokens: {}, ...entry }],
      { users, groups: [], userTokens: [], keys: [] },
      yield* Credentials
    )
  }).pipe(Effect.provide([Credentials.layer(Redacted.make("a credential key for tests")), SecureRandom.layerWebCrypto]))

describe("a name that several users go by", () => {
  it.effect("A54: means the one whose username it is, in whatever order they are stored", () =>
    Effect.gen(function* () {
      const [local, github] = [user(true), user(false)]
      for (const users of [
        [local, github],
        [github, local]
      ]) {
        const { problems, writes } = yield* plan(users)
        assert.deepStrictEqual(problems, [])
        assert.deepStrictEqual(writes.adminChanges, [{ id: local.id, isAdmin: true }])
      }
    })
  )

  it.effect("A54: is refused where it is nobody's username, unless the file says by id who is meant", () =>
    Effect.gen(function* () {
      const [one, other] = [user(false), user(false)]
      const { problems, writes } = yield* plan([one, other])
      assert.deepStrictEqual(
        problems.map(({ path }) => path),
        ["users[0].username"]
      )
      assert.match(problems[0]!.reason, /several users go by the name "ada"; say by "id"/)
      assert.deepStrictEqual(writes.adminChanges, [])
      const named = yield* plan([one, other], { id: other.id })
      assert.deepStrictEqual(named.problems, [])
      assert.deepStrictEqual(named.writes.adminChanges, [{ id: other.id, isAdmin: true }])
    })
  )
})
