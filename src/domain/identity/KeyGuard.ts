/**
 * The guard that keeps key guessing away from the database: however many unknown keys arrive, the database is read at a
 * bounded rate, and no valid key is rejected for it.
 *
 * A read that finds its key is free; one that finds none takes a token from a bucket. While the bucket is empty, keys
 * that nobody has presented lately wait a quarter of a second, and one statement asks for all of them; only those that
 * exist go on to a read of their own. The requests that wait bound the number of waiting keys.
 */
import { Clock, Deferred, Effect, type Option, type Redacted, type Scope } from "effect"
import { timeoutAwake } from "../AwakeTimeout.ts"
import type { HubKeys } from "./HubKeys.ts"
import { DatabaseUnavailable } from "./IdentityErrors.ts"
import { monotonicMillis } from "../Monotonic.ts"
import { TokenBucket } from "../TokenBucket.ts"

export interface KeyGuard {
  /** Whether the key may be read on its own; false: it does not exist. */
  readonly mayRead: (key: Redacted.Redacted<string>) => Effect.Effect<boolean, DatabaseUnavailable>
  /** What the read found. */
  readonly settle: (found: Option.Option<unknown>) => void
}

/** Reads that may find nothing: at once, and per second. */
export const missedReads = { capacity: 100, perSecond: 20 }

/** Time during which keys are collected for one statement. */
export const gatherFor = "250 millis"

/** Milliseconds the database has to say which of them exist. */
const askFor = 3_000

const silent = new DatabaseUnavailable({ message: "The database did not say in time which keys exist" })

/** Keys asked for in one statement. */
const batch = 5_000

interface Waiting {
  readonly key: Redacted.Redacted<string>
  readonly exists: Deferred.Deferred<boolean, DatabaseUnavailable>
}

export const make = (keys: HubKeys["Service"]): Effect.Effect<KeyGuard, never, Scope.Scope> =>
  Effect.gen(function* () {
    const scope = yield* Effect.scope
    const monotonic = monotonicMillis(yield* Clock.Clock)
    const bucket = new TokenBucket(missedReads, monotonic())
    let waiting: Array<Waiting> = []

    const ask = (asked: ReadonlyArray<Waiting>) =>
      keys.exist(asked.map(({ key }) => key)).pipe(
        timeoutAwake(askFor, () => Effect.fail(silent)),
        Effect.exit,
        Effect.map((exit) =>
          asked.forEach(({ exists }, index) =>
            Deferred.doneUnsafe(
              exists,
              exit._tag === "Success" ? Effect.succeed(exit.value[index] === true) : Effect.failCause(exit.cause)
            )
          )
        )
      )

    const gather = Effect.suspend(() => {
      const all = waiting
      waiting = []
      const parts = Array.from({ length: Math.ceil(all.length / batch) }, (_, i) =>
        all.slice(i * batch, (i + 1) * batch)
      )
      return Effect.forEach(parts, ask, { discard: true })
    })

    return {
      mayRead: (key) =>
        Effect.suspend(() => {
          if (bucket.take(monotonic())) return Effect.succeed(true)
          const exists = Deferred.makeUnsafe<boolean, DatabaseUnavailable>()
          waiting.push({ key, exists })
          const answer = Deferred.await(exists)
          if (waiting.length > 1) return answer
          return Effect.andThen(Effect.forkIn(Effect.delay(gather, gatherFor), scope), answer)
        }),
      settle: (found) => {
        if (found._tag === "Some") bucket.give()
      }
    } satisfies KeyGuard
  })
