import { assert, describe, it } from "@effect/vitest"
import { Clock, Deferred, Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { timeoutAwake } from "../../src/domain/AwakeTimeout.ts"
import * as StallingClock from "../support/StallingClock.ts"

/** Something that answers when told to, with a second for it, in a process that can stand still. */
const waiting = Effect.gen(function* () {
  const { clock, stall } = yield* StallingClock.make
  const answer = yield* Deferred.make<string>()
  const fiber = yield* Deferred.await(answer).pipe(
    timeoutAwake(1_000, () => Effect.succeed("too late")),
    Effect.provideService(Clock.Clock, clock),
    Effect.forkChild({ startImmediately: true })
  )
  return { fiber, stall, answers: Deferred.succeed(answer, "answered") }
})

describe("a timeout for what comes over the wire", () => {
  it.effect("ends at exactly its time in a process that is awake", () =>
    Effect.gen(function* () {
      const { fiber } = yield* waiting
      yield* TestClock.adjust(999)
      assert.isUndefined(fiber.pollUnsafe())
      yield* TestClock.adjust(1)
      assert.strictEqual(yield* Fiber.join(fiber), "too late")
    })
  )

  it.effect("B28: that passed while the process stood still gives what lies unread a moment", () =>
    Effect.gen(function* () {
      const { answers, fiber, stall } = yield* waiting
      stall(2_000)
      yield* TestClock.adjust(1_000)
      assert.isUndefined(fiber.pollUnsafe())
      yield* TestClock.adjust(100)
      yield* answers
      assert.strictEqual(yield* Fiber.join(fiber), "answered")
    })
  )

  it.effect("B28: ends after that moment where nothing has come", () =>
    Effect.gen(function* () {
      const { fiber, stall } = yield* waiting
      stall(2_000)
      yield* TestClock.adjust(1_149)
      assert.isUndefined(fiber.pollUnsafe())
      yield* TestClock.adjust(1)
      assert.strictEqual(yield* Fiber.join(fiber), "too late")
    })
  )

  it.effect("B28: ends although the process stands still again and again", () =>
    Effect.gen(function* () {
      const { fiber, stall } = yield* waiting
      stall(2_000)
      yield* TestClock.adjust(1_000)
      for (let n = 0; n < 4; n++) {
        stall(2_000)
        yield* TestClock.adjust(150)
        assert.isUndefined(fiber.pollUnsafe())
      }
      stall(2_000)
      yield* TestClock.adjust(150)
      assert.strictEqual(yield* Fiber.join(fiber), "too late")
    })
  )
})
