import { assert, describe, it } from "@effect/vitest"
import { Cause, Deferred, Effect, Exit, Fiber, Logger, Scope } from "effect"
import * as SingleFlight from "../../src/domain/SingleFlight.ts"

/** Flights in a scope of their own, and work that counts its runs and ends when the test says so. */
const setUp = Effect.fnUntraced(function* (interrupted?: () => string) {
  const scope = yield* Scope.make()
  yield* Effect.addFinalizer((exit) => Scope.close(scope, exit))
  const flights = SingleFlight.make<string, number, string>(scope, interrupted)
  const begun = yield* Deferred.make<void>()
  const runs: Array<Deferred.Deferred<number, string>> = []
  const ends: Array<Exit.Exit<number, string>> = []
  const work = (): Effect.Effect<number, string> =>
    Effect.suspend(() => {
      const run = Deferred.makeUnsafe<number, string>()
      runs.push(run)
      return Effect.andThen(Deferred.succeed(begun, undefined), Deferred.await(run))
    }).pipe(Effect.onExit((exit) => Effect.sync(() => void ends.push(exit))))
  const ask = (key: string) => Effect.forkChild(flights.run(key, work), { startImmediately: true })
  return { ask, begun: Deferred.await(begun), ends, flights, runs, scope, work }
})

describe("SingleFlight", () => {
  it.effect("runs once for all who ask at the same time, and anew for whoever asks afterwards", () =>
    Effect.gen(function* () {
      const { ask, begun, flights, runs } = yield* setUp()
      const first = yield* ask("ada")
      const second = yield* ask("ada")
      yield* begun
      const third = yield* ask("ada")
      assert.isTrue(flights.has("ada"))
      assert.deepStrictEqual([...flights.keys()], ["ada"])
      yield* Deferred.succeed(runs[0]!, 7)
      for (const asked of [first, second, third]) assert.strictEqual(yield* Fiber.join(asked), 7)
      assert.strictEqual(runs.length, 1)
      assert.isFalse(flights.has("ada"))

      const later = yield* ask("ada")
      yield* Effect.yieldNow
      assert.strictEqual(runs.length, 2)
      yield* Deferred.succeed(runs[1]!, 8)
      assert.strictEqual(yield* Fiber.join(later), 8)
    }).pipe(Effect.scoped)
  )

  it.effect("keeps keys apart: what ada waits for is neither begun nor ended by bo", () =>
    Effect.gen(function* () {
      const { ask, flights, runs, scope } = yield* setUp()
      const ada = yield* ask("ada")
      yield* Effect.yieldNow
      const bo = yield* ask("bo")
      yield* Effect.yieldNow
      assert.strictEqual(runs.length, 2)
      yield* Deferred.succeed(runs[1]!, 2)
      assert.strictEqual(yield* Fiber.join(bo), 2)
      assert.isUndefined(ada.pollUnsafe())
      assert.deepStrictEqual([...flights.keys()], ["ada"])
      yield* Scope.close(scope, Exit.void)
    }).pipe(Effect.scoped)
  )

  it.effect("tells a failure to all who wait, and does not remember it", () =>
    Effect.gen(function* () {
      const { ask, begun, flights, runs } = yield* setUp()
      const asked = [yield* ask("ada"), yield* ask("ada")]
      yield* begun
      yield* Deferred.fail(runs[0]!, "no")
      for (const one of asked) assert.strictEqual(yield* Effect.flip(Fiber.join(one)), "no")
      assert.strictEqual(yield* flights.run("ada", () => Effect.succeed(9)), 9)
    }).pipe(Effect.scoped)
  )

  it.effect(
    "tells a defect to all who wait, also one thrown before there is any work, and it is reported nowhere else",
    () =>
      Effect.gen(function* () {
        const { flights } = yield* setUp()
        const logged: Array<unknown> = []
        const asked = [
          () => Effect.die("broken"),
          (): Effect.Effect<never> => {
            throw new Error("broken")
          }
        ].map((work) =>
          Effect.gen(function* () {
            const waiting = yield* Effect.forkChild(Effect.exit(flights.run("ada", work)), { startImmediately: true })
            const joined = yield* Effect.exit(flights.run("ada", () => Effect.succeed(1)))
            return [yield* Fiber.join(waiting), joined]
          })
        )
        const exits = (yield* Effect.all(asked).pipe(
          Effect.provide(Logger.layer([Logger.make(({ message }) => void logged.push(message))]))
        )).flat()
        assert.strictEqual(exits.length, 4)
        for (const exit of exits) assert.isTrue(Exit.isFailure(exit) && Cause.hasDies(exit.cause))
        assert.deepStrictEqual(logged, [])
        assert.isFalse(flights.has("ada"))
      }).pipe(Effect.scoped)
  )

  it.effect("goes on when whoever asked first is interrupted, and when everybody is", () =>
    Effect.gen(function* () {
      const { ask, begun, ends, flights, runs } = yield* setUp()
      const first = yield* ask("ada")
      const second = yield* ask("ada")
      yield* begun
      yield* Fiber.interrupt(first)
      assert.isUndefined(second.pollUnsafe())
      yield* Fiber.interrupt(second)
      assert.deepStrictEqual(ends, [])
      assert.isTrue(flights.has("ada"))
      const third = yield* ask("ada")
      yield* Deferred.succeed(runs[0]!, 7)
      assert.strictEqual(yield* Fiber.join(third), 7)
      assert.strictEqual(runs.length, 1)
    }).pipe(Effect.scoped)
  )

  it.effect("leaves nothing behind when the caller is interrupted before the work has begun", () =>
    Effect.gen(function* () {
      const { ask, begun, runs } = yield* setUp()
      yield* Fiber.interrupt(yield* ask("ada"))
      const second = yield* ask("ada")
      yield* begun
      assert.strictEqual(runs.length, 1)
      yield* Deferred.succeed(runs[0]!, 7)
      assert.strictEqual(yield* Fiber.join(second), 7)
    }).pipe(Effect.scoped)
  )

  it.effect("ends with its scope: who waits is interrupted, or hears the error given for it", () =>
    Effect.gen(function* () {
      const silent = yield* setUp()
      const waiting = yield* silent.ask("ada")
      yield* silent.begun
      yield* Scope.close(silent.scope, Exit.void)
      assert.strictEqual(silent.ends.length, 1)
      const exit = yield* Fiber.await(waiting)
      assert.isTrue(Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause))

      const telling = yield* setUp(() => "gone")
      const told = yield* telling.ask("ada")
      yield* telling.begun
      yield* Scope.close(telling.scope, Exit.void)
      assert.strictEqual(yield* Effect.flip(Fiber.join(told)), "gone")
    }).pipe(Effect.scoped)
  )

  it.effect("begins nothing in a scope that has closed, and lets nobody wait for it", () =>
    Effect.gen(function* () {
      const { flights, runs, scope, work } = yield* setUp(() => "gone")
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual(yield* Effect.flip(flights.run("ada", work)), "gone")
      assert.strictEqual(runs.length, 0)
      assert.isFalse(flights.has("ada"))
    }).pipe(Effect.scoped)
  )

  it.effect("forgets a key: who waits goes on waiting, the next to ask begins anew, and the old work can tell", () =>
    Effect.gen(function* () {
      const { flights } = yield* setUp()
      const runs: Array<{ readonly isCurrent: () => boolean; readonly end: Deferred.Deferred<number, string> }> = []
      const ask = Effect.flatMap(
        flights.begin("ada", (isCurrent) =>
          Effect.suspend(() => {
            const end = Deferred.makeUnsafe<number, string>()
            runs.push({ isCurrent, end })
            return Deferred.await(end)
          })
        ),
        (answer) => Effect.forkChild(answer, { startImmediately: true })
      )
      const old = yield* ask
      yield* Effect.yieldNow
      assert.isTrue(runs[0]!.isCurrent())
      flights.forget("ada")
      assert.isFalse(runs[0]!.isCurrent())
      const fresh = yield* ask
      yield* Effect.yieldNow
      assert.deepStrictEqual(
        runs.map(({ isCurrent }) => isCurrent()),
        [false, true]
      )
      yield* Deferred.succeed(runs[0]!.end, 1)
      assert.strictEqual(yield* Fiber.join(old), 1)
      assert.isTrue(flights.has("ada"))
      yield* Deferred.succeed(runs[1]!.end, 2)
      assert.strictEqual(yield* Fiber.join(fresh), 2)
      assert.isFalse(flights.has("ada"))
    }).pipe(Effect.scoped)
  )
})
