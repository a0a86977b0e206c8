/** The guard alone: the way it walks, and what becomes of a throw. */
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Logger, Result } from "effect"
import { EventEmitter } from "node:events"
import { type Fork, Guard, type Way } from "../../../src/http/wire/Guard.ts"

/** Without a log. */
const fork: Fork = (effect) => Effect.runFork(Effect.provide(effect, Logger.layer([])))

const guarded = () => {
  let ends = 0
  const guard = new Guard(fork, { breakOff: () => void ends++ })
  return { guard, ends: () => ends }
}

const boom = (): never => {
  throw new Error("boom")
}

describe("the way of a request", () => {
  it("goes through in one turn where what it waits for answers at once, a thousand times in a row", () => {
    const { ends, guard } = guarded()
    const seen: Array<unknown> = []
    function* way(): Way {
      for (let n = 0; n < 1_000; n++) seen.push(yield (resume) => resume(n as never))
    }
    guard.go(way())
    assert.deepStrictEqual([seen.length, seen[999], ends()], [1_000, 999, 0])
  })

  it.live("waits for what comes later, and gets the value or the error of an effect", () =>
    Effect.gen(function* () {
      const { ends, guard } = guarded()
      const done = yield* Deferred.make<ReadonlyArray<unknown>>()
      function* way(): Way {
        const later = yield (resume) => guard.soon(() => resume("later" as never))
        const value = yield* guard.resultOf(Effect.as(Effect.yieldNow, 1))
        const error = yield* guard.resultOf(Effect.fail("no"))
        Deferred.doneUnsafe(done, Effect.succeed([later, value, error]))
      }
      guard.go(way())
      assert.deepStrictEqual(yield* Deferred.await(done), ["later", Result.succeed(1), Result.fail("no")])
      assert.strictEqual(ends(), 0)
    })
  )

  const steps: Readonly<Record<string, (guard: Guard) => Way>> = {
    "at its first step": function* () {
      boom()
    },
    "where it asks": function* () {
      yield boom
    },
    "after an answer at once": function* () {
      yield (resume) => resume(1 as never)
      boom()
    },
    "in the defect of an effect": function* (guard) {
      yield* guard.resultOf(Effect.die(new Error("boom")))
    }
  }
  for (const [where, way] of Object.entries(steps)) {
    it(`that throws ${where} ends its owner once`, () => {
      const { ends, guard } = guarded()
      guard.go(way(guard))
      assert.deepStrictEqual([ends(), guard.hasFailed], [1, true])
    })
  }
})

describe("what is called back", () => {
  it.live(
    "ends its owner when it throws, whoever calls: an event, a timer, an observer, a fiber nobody waits for",
    () =>
      Effect.gen(function* () {
        const emitter = new EventEmitter()
        const kinds: Readonly<Record<string, (guard: Guard) => void>> = {
          on: (guard) => guard.on(emitter, "event", boom),
          once: (guard) => guard.once(emitter, "event", boom),
          after: (guard) => void guard.after(1, boom),
          soon: (guard) => guard.soon(boom),
          observe: (guard) => guard.observe(Effect.runFork(Effect.yieldNow), boom),
          background: (guard) => guard.background(Effect.andThen(Effect.yieldNow, Effect.die("boom")))
        }
        for (const [kind, set] of Object.entries(kinds)) {
          const broken = yield* Deferred.make<string>()
          const breakOff = (): void => void Deferred.doneUnsafe(broken, Effect.succeed(kind))
          set(new Guard(fork, { breakOff }))
          emitter.emit("event")
          assert.strictEqual(yield* Deferred.await(broken), kind)
        }
      })
  )

  it("ends its owner once, and gives what else is asked for", () => {
    const { ends, guard } = guarded()
    assert.strictEqual(
      guard.attempt(() => 1, 2),
      1
    )
    assert.strictEqual(guard.attempt(boom, 2), 2)
    guard.run(boom)
    guard.fail("again")
    assert.strictEqual(ends(), 1)
  })

  it.live("does not come when a timer has been taken back", () =>
    Effect.gen(function* () {
      const { ends, guard } = guarded()
      guard.after(1, boom)()
      yield* Effect.callback<void>((resume) => void guard.after(5, () => resume(Effect.void)))
      assert.strictEqual(ends(), 0)
    })
  )
})
