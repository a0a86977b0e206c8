/** Keys whose time comes, as an operator hears of them. */
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer, Logger, References } from "effect"
import { TestClock } from "effect/testing"
import * as KeyExpiry from "../../../src/actors/observing/KeyExpiry.ts"
import { HubMetrics } from "../../../src/actors/observing/HubMetrics.ts"
import { HubKeys } from "../../../src/domain/identity/HubKeys.ts"
import { Users } from "../../../src/domain/identity/Users.ts"
import * as Repositories from "../../../src/domain/storage/Repositories.ts"
import { credentials } from "../../support/Identity.ts"

/** Two users, and what the hub tells of their keys from the moment at which it begins to `look`. */
const hearing = Effect.gen(function* () {
  const lines: Array<string> = []
  const keep = Logger.make(({ fiber, message }) => {
    const { key, user } = fiber.getRef(References.CurrentLogAnnotations)
    lines.push(`${user}/${key}: ${String(message).split(";")[0]}`)
  })
  const stores = yield* Layer.build(
    Layer.merge(Repositories.layerRepositoriesMemory.pipe(Layer.provide(credentials)), HubMetrics.layer)
  )
  const users = Context.get(stores, Users)
  const metrics = Context.get(stores, HubMetrics)
  return {
    lines,
    keys: Context.get(stores, HubKeys),
    ada: yield* users.add({ username: "ada" }),
    bo: yield* users.add({ username: "bo" }),
    counts: () => (["ending", "ended"] as const).map((state) => metrics.value("mcphub_keys", { state })),
    look: Layer.build(KeyExpiry.layer).pipe(Effect.provideContext(stores), Effect.provide(Logger.layer([keep])))
  }
})

describe("a key whose time comes", () => {
  it.effect("field D4: is told of from 14 days before its end, once a day, and once it has ended", () =>
    Effect.gen(function* () {
      const { ada, bo, counts, keys, lines, look } = yield* hearing
      const laptop = yield* keys.create({ userId: ada.id, name: "laptop", days: 20 })
      yield* keys.create({ userId: bo.id, name: "phone", days: 90 })
      const revoked = yield* keys.create({ userId: ada.id, name: "lost", days: 20 })
      yield* keys.revoke(revoked.row.id)
      yield* look

      yield* TestClock.adjust("5 days")
      assert.deepStrictEqual([lines, counts()], [[], [0, 0]])
      yield* TestClock.adjust("26 hours")
      assert.deepStrictEqual([lines, counts()], [["ada/laptop: A key ends soon"], [1, 0]])
      yield* TestClock.adjust("24 hours")
      assert.strictEqual(lines.length, 2)
      yield* keys.extend(laptop.row.id, 15)
      yield* TestClock.adjust("12 hours")
      assert.deepStrictEqual([lines.length, counts()], [2, [0, 0]])
      yield* TestClock.adjust("15 days")
      assert.strictEqual(lines.at(-1), "ada/laptop: A key has ended")
      assert.deepStrictEqual(counts(), [0, 1])
      // A week later nobody needs to hear of it every day any more.
      const told = lines.length
      yield* TestClock.adjust("40 days")
      assert.isAtMost(lines.length - told, 14)
      assert.deepStrictEqual(counts(), [0, 0])
    }).pipe(Effect.scoped)
  )

  it.effect("field D4: is told of as ended when it ends, between two looks, and no other key is", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(Date.parse("2026-01-01"))
      const { ada, bo, counts, keys, lines, look } = yield* hearing
      const { row } = yield* keys.create({ userId: ada.id, name: "laptop", days: 1 })
      yield* TestClock.adjust("3 minutes")
      yield* keys.create({ userId: bo.id, name: "phone", days: 1 })
      yield* look
      yield* TestClock.setTime(row.expiresAt - 1)
      const ending = ["ada/laptop: A key ends soon", "bo/phone: A key ends soon"]
      assert.deepStrictEqual([lines.toSorted(), counts()], [ending, [2, 0]])
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual([lines.slice(2), counts()], [["ada/laptop: A key has ended"], [1, 1]])
    }).pipe(Effect.scoped)
  )
})
