import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { type Limited, UserLimits } from "../../../src/actors/limits/UserLimits.ts"
import { UserId } from "../../../src/domain/Ids.ts"

const ada = UserId.make("ada")
const bo = UserId.make("bo")

const kinds: ReadonlyArray<Limited> = ["sessions", "inFlight", "openCalls", "children"]

describe("UserLimits", () => {
  it.effect("a user gets as many places as allowed, and a new one for each given back; bo has all of his", () =>
    Effect.gen(function* () {
      const limits = yield* UserLimits
      assert.deepStrictEqual(
        [1, 2, 3].map(() => limits.take(ada, "sessions", 2)),
        [true, true, false]
      )
      assert.strictEqual(limits.taken(ada, "sessions"), 2)
      assert.deepStrictEqual(
        [1, 2].map(() => limits.take(bo, "sessions", 2)),
        [true, true]
      )
      limits.give(ada, "sessions")
      assert.isTrue(limits.take(ada, "sessions", 2))
      assert.isFalse(limits.take(bo, "sessions", 2))
      assert.strictEqual(limits.total("sessions"), 4)
    }).pipe(Effect.provide(UserLimits.layer))
  )

  it.effect("sessions, requests and processes are counted apart", () =>
    Effect.gen(function* () {
      const limits = yield* UserLimits
      assert.isTrue(limits.take(ada, "sessions", 1))
      assert.isTrue(limits.take(ada, "inFlight", 1))
      assert.isFalse(limits.take(ada, "inFlight", 1))
      assert.deepStrictEqual(
        kinds.map((kind) => limits.taken(ada, kind)),
        [1, 1, 0, 0]
      )
      limits.give(ada, "inFlight")
      assert.isTrue(limits.take(ada, "inFlight", 1))
      assert.strictEqual(limits.taken(ada, "sessions"), 1)
    }).pipe(Effect.provide(UserLimits.layer))
  )

  it.effect("with none allowed nothing is taken, and a lowered limit takes effect for the next place", () =>
    Effect.gen(function* () {
      const limits = yield* UserLimits
      assert.isFalse(limits.take(ada, "children", 0))
      for (const _ of [1, 2, 3]) assert.isTrue(limits.take(ada, "children", 3))
      assert.isFalse(limits.take(ada, "children", 2))
      limits.give(ada, "children")
      assert.isFalse(limits.take(ada, "children", 2))
      limits.give(ada, "children")
      assert.isTrue(limits.take(ada, "children", 2))
    }).pipe(Effect.provide(UserLimits.layer))
  )

  it.effect.prop(
    "whatever is taken and given back, by whomever, the counts are what is held and never below nothing",
    {
      steps: Schema.Array(
        Schema.Struct({
          user: Schema.Literals([ada, bo]),
          what: Schema.Literals(kinds),
          isTaken: Schema.Boolean,
          max: Schema.Literals([0, 1, 2, 3])
        })
      )
    },
    ({ steps }) =>
      Effect.gen(function* () {
        const limits = yield* UserLimits
        const held = new Map<string, number>()
        for (const { isTaken, max, user, what } of steps) {
          const key = `${user} ${what}`
          const before = held.get(key) ?? 0
          if (isTaken) {
            const got = limits.take(user, what, max)
            assert.strictEqual(got, before < max)
            if (got) held.set(key, before + 1)
          } else {
            limits.give(user, what)
            held.set(key, Math.max(0, before - 1))
          }
        }
        for (const what of kinds) {
          const of = (user: UserId) => held.get(`${user} ${what}`) ?? 0
          assert.strictEqual(limits.taken(ada, what), of(ada))
          assert.strictEqual(limits.taken(bo, what), of(bo))
          assert.strictEqual(limits.total(what), of(ada) + of(bo))
        }
      }).pipe(Effect.provide(UserLimits.layer))
  )
})
