import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Schema } from "effect"
import { AnswerBytes, type AnswerRoom } from "../../../src/actors/limits/AnswerBytes.ts"
import { Retained } from "../../../src/actors/limits/Retained.ts"
import { defaults, HubConfig } from "../../../src/domain/config/HubConfig.ts"
import { UserId } from "../../../src/domain/Ids.ts"
import { large } from "../../../src/domain/protocol/json/ResponseScanner.ts"

const ada = UserId.make("ada")
const bo = UserId.make("bo")

const layer = (maxAnswerBytesPerUser: number) =>
  AnswerBytes.layer.pipe(
    Layer.provide(Retained.layer),
    Layer.provide(Layer.succeed(HubConfig, { ...defaults, maxAnswerBytesPerUser }))
  )

describe("AnswerBytes", () => {
  it.effect("B08: a user's answers have room together up to the limit; what is refused changes nothing", () =>
    Effect.gen(function* () {
      const answers = yield* AnswerBytes
      const [one, two, bos] = [answers.arriving(ada), answers.arriving(ada), answers.arriving(bo)]
      assert.isTrue(one.hold(200_000))
      assert.isTrue(two.hold(100_000))
      assert.isFalse(two.hold(100_001))
      assert.strictEqual(answers.heldBy(ada), 300_000)
      assert.isTrue(bos.hold(300_000))
      assert.isTrue(one.hold(150_000))
      assert.isTrue(two.hold(150_000))
      one.end()
      assert.isTrue(one.hold(300_000), "what has ended is of no concern")
      assert.strictEqual(answers.heldBy(ada), 150_000)
      assert.strictEqual(answers.held(), 450_000)
    }).pipe(Effect.provide(layer(300_000)))
  )

  it.effect("answers below 64 KiB are not counted, whatever else there is", () =>
    Effect.gen(function* () {
      const answers = yield* AnswerBytes
      assert.isTrue(answers.arriving(ada).hold(100_000))
      for (let n = 0; n < 10; n++) assert.isTrue(answers.arriving(ada).hold(large - 1))
      answers.leaving(ada, large - 1)
      assert.strictEqual(answers.heldBy(ada), 100_000)
      assert.isFalse(answers.arriving(ada).hold(large))
    }).pipe(Effect.provide(layer(100_000)))
  )

  it.effect("B08: what leaves is never refused, counts against what arrives, and is given back once", () =>
    Effect.gen(function* () {
      const answers = yield* AnswerBytes
      const releases = [answers.leaving(ada, 200_000), answers.leaving(ada, 200_000)]
      assert.strictEqual(answers.heldBy(ada), 400_000)
      const room = answers.arriving(ada)
      assert.isFalse(room.hold(70_000))
      assert.isTrue(answers.arriving(bo).hold(200_000))
      releases[0]!()
      releases[0]!()
      assert.isTrue(room.hold(70_000))
      releases[1]!()
      room.end()
      assert.strictEqual(answers.heldBy(ada), 0)
      assert.strictEqual(answers.held(), 200_000)
    }).pipe(Effect.provide(layer(300_000)))
  )

  const Step = Schema.Struct({
    room: Schema.Literals([0, 1, 2, 3]),
    bytes: Schema.Literals([0, 1_000, large, 90_000, 150_000]),
    ends: Schema.Boolean
  })

  it.effect.prop(
    "B08: however answers grow, shrink and end, the counts are what is held, and what arrives never beyond the limit",
    { steps: Schema.Array(Step) },
    ({ steps }) =>
      Effect.gen(function* () {
        const answers = yield* AnswerBytes
        const owners = [ada, ada, bo, bo]
        const rooms: Array<AnswerRoom> = owners.map((owner) => answers.arriving(owner))
        const held = [0, 0, 0, 0]
        const sumOf = (user: UserId) => held.reduce((sum, bytes, at) => (owners[at] === user ? sum + bytes : sum), 0)
        for (const { bytes, ends, room } of steps) {
          const counted = bytes < large ? 0 : bytes
          const others = sumOf(owners[room]!) - held[room]!
          if (ends) {
            rooms[room]!.end()
            rooms[room] = answers.arriving(owners[room]!)
            held[room] = 0
          } else {
            const fits = counted <= held[room]! || others + counted <= 200_000
            assert.strictEqual(rooms[room]!.hold(bytes), fits)
            if (fits) held[room] = counted
          }
          assert.strictEqual(answers.heldBy(ada), sumOf(ada))
          assert.strictEqual(answers.heldBy(bo), sumOf(bo))
          assert.strictEqual(answers.held(), sumOf(ada) + sumOf(bo))
          assert.isAtMost(sumOf(ada), 200_000)
        }
      }).pipe(Effect.provide(layer(200_000)))
  )
})
