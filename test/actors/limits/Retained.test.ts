import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Layer, Schema, Scope } from "effect"
import { Retained, type RetainedKind, retainedKinds } from "../../../src/actors/limits/Retained.ts"
import { defaults, HubConfig } from "../../../src/domain/config/HubConfig.ts"
import { UserId } from "../../../src/domain/Ids.ts"

const ada = UserId.make("ada")
const bo = UserId.make("bo")
const max = 1_600

const layer = Retained.layer.pipe(
  Layer.provide(Layer.succeed(HubConfig, { ...defaults, maxMemoryPerUser: max, maxAnswerBytesPerUser: 1_000 }))
)

describe("Retained", () => {
  it.effect("A64: each kind has a bound of its own, all have one together, and nothing of it is another user's", () =>
    Effect.gen(function* () {
      const retained = yield* Retained
      assert.isTrue(retained.hold(ada, "lists", 800))
      assert.isFalse(retained.hold(ada, "lists", 1), "half of all is the lists' bound")
      assert.isTrue(retained.hold(ada, "events", 400))
      assert.isFalse(retained.hold(ada, "answers", 401), "fits its kind and not beside the others")
      assert.isTrue(retained.hold(ada, "answers", 400))
      assert.isFalse(retained.hold(ada, "subscriptions", 1))
      assert.isTrue(retained.hold(bo, "lists", 800))
      retained.release(ada, "events", 400)
      assert.isTrue(retained.hold(ada, "subscriptions", 100))
      assert.isFalse(retained.hold(ada, "subscriptions", 1))
      assert.deepStrictEqual(
        [retained.refused("lists"), retained.refused("answers"), retained.refused("subscriptions")],
        [1, 1, 2]
      )
      assert.strictEqual(retained.held("lists"), 1_600)
      assert.strictEqual(retained.heldBy(bo).subscriptions, 0)
    }).pipe(Effect.provide(layer))
  )

  it.effect("A64: what is there already counts beyond the bound, and leaves the rest less room", () =>
    Effect.gen(function* () {
      const retained = yield* Retained
      retained.count(ada, "answers", 2_000)
      assert.isFalse(retained.hold(ada, "subscriptions", 1))
      retained.release(ada, "answers", 2_000)
      assert.isTrue(retained.hold(ada, "subscriptions", 1))
    }).pipe(Effect.provide(layer))
  )

  it.effect("A64: what a scope still holds is released at its end, and it takes no more", () =>
    Effect.gen(function* () {
      const retained = yield* Retained
      const scope = yield* Scope.make()
      const room = yield* Scope.provide(retained.room(ada, "lists"), scope)
      assert.isTrue(room.hold(300))
      assert.isTrue(room.hold(500))
      assert.isFalse(room.hold(1))
      room.release(300)
      assert.strictEqual(retained.heldBy(ada).lists, 500)
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual(retained.heldBy(ada).lists, 0)
      assert.isFalse(room.hold(1))
      room.release(500)
      assert.deepStrictEqual([retained.held("lists"), retained.heldBy(ada).lists], [0, 0])
    }).pipe(Effect.provide(layer))
  )

  it.effect("A64: what one thing claims is set to a total, kept where there is no room for more, and ends once", () =>
    Effect.gen(function* () {
      const retained = yield* Retained
      const claim = retained.claim(ada, "lists")
      assert.isTrue(claim.set(500))
      assert.isTrue(claim.set(800))
      assert.isFalse(claim.set(801))
      assert.strictEqual(retained.heldBy(ada).lists, 800)
      assert.isTrue(claim.set(200))
      claim.count(1_000)
      assert.strictEqual(retained.heldBy(ada).lists, 1_200)
      assert.isTrue(claim.set(900), "less than before is no question of room")
      claim.end()
      claim.end()
      assert.isTrue(claim.set(300))
      assert.isFalse(claim.hold(300))
      claim.count(300)
      assert.deepStrictEqual([retained.held("lists"), retained.heldBy(ada).lists], [0, 0])
    }).pipe(Effect.provide(layer))
  )

  const Step = Schema.Struct({
    user: Schema.Literals([ada, bo]),
    kind: Schema.Literals(retainedKinds),
    bytes: Schema.Literals([0, 1, 60, 99, 350]),
    gives: Schema.Boolean
  })

  it.effect.prop(
    "A64: however it is held and released, the sums are exact and never beyond a bound",
    { steps: Schema.Array(Step) },
    ({ steps }) =>
      Effect.gen(function* () {
        const retained = yield* Retained
        const held: Array<{ user: UserId; kind: RetainedKind; bytes: number }> = []
        const sum = (user: UserId, kind?: RetainedKind) =>
          held.reduce((all, one) => (one.user === user && (kind ?? one.kind) === one.kind ? all + one.bytes : all), 0)
        for (const { bytes, gives, kind, user } of steps) {
          const last = held.at(-1)
          if (gives && last !== undefined) {
            held.pop()
            retained.release(last.user, last.kind, last.bytes)
          } else {
            const fits = sum(user, kind) + bytes <= retained.bounds[kind] && sum(user) + bytes <= max
            assert.strictEqual(retained.hold(user, kind, bytes), fits)
            if (fits) held.push({ user, kind, bytes })
          }
          for (const one of retainedKinds) {
            assert.strictEqual(retained.heldBy(ada)[one], sum(ada, one))
            assert.strictEqual(retained.heldBy(bo)[one], sum(bo, one))
            assert.strictEqual(retained.held(one), sum(ada, one) + sum(bo, one))
          }
        }
      }).pipe(Effect.provide(layer))
  )
})
