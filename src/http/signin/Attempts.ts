/**
 * Limits on attempts to sign in. Each attempt is counted before it is looked at, so that many at once are no way
 * round, and a right one is not counted after all.
 *
 * One address has an allowance, for one user name a smaller one. A name has one of its own over all addresses, so that
 * guesses from many do not add up; one address alone cannot use it up and so lock its user out.
 */
import { Clock, Effect, Semaphore } from "effect"
import { monotonicMillis } from "../../domain/Monotonic.ts"
import { TokenBuckets } from "../../domain/TokenBuckets.ts"
import { busy, type Refused, tooManyAttempts } from "./Problems.ts"

const perMinute = (count: number) => ({ capacity: count, perSecond: count / 60 })

const sizes = { address: perMinute(30), addressAndName: perMinute(10), name: perMinute(30), told: perMinute(1) }

/** Names and addresses remembered, of each kind. */
const mostRemembered = 10_000

/** Digests worked out at a time: each keeps a thread of the process busy for some hundred milliseconds. */
const mostHashing = 2
const mostWaiting = 64

export interface Attempts {
  /** Counts one; `name` is who they say they are, where they say so. */
  readonly begin: (address: string, name?: string) => Effect.Effect<void, Refused>
  /** It was a right one. */
  readonly forgive: (address: string, name?: string) => void
  /** Whether it is time to say again that this address is refused. */
  readonly mayTell: (address: string) => boolean
  /** Works out a digest when it is its turn. */
  readonly hashing: <A>(work: Effect.Effect<A>) => Effect.Effect<A, Refused>
}

export const make = Effect.gen(function* () {
  const now = monotonicMillis(yield* Clock.Clock)
  const buckets = {
    address: new TokenBuckets(sizes.address, mostRemembered, now),
    addressAndName: new TokenBuckets(sizes.addressAndName, mostRemembered, now),
    name: new TokenBuckets(sizes.name, mostRemembered, now)
  }
  const told = new TokenBuckets(sizes.told, mostRemembered, now)
  const turns = yield* Semaphore.make(mostHashing)
  let waiting = 0

  const taken = (address: string, name: string | undefined): ReadonlyArray<readonly [TokenBuckets, string]> => [
    [buckets.address, address],
    ...(name === undefined
      ? []
      : ([
          [buckets.addressAndName, `${address} ${name}`],
          [buckets.name, name]
        ] as const))
  ]

  const attempts: Attempts = {
    begin: (address, name) =>
      Effect.suspend(() => {
        for (const [bucket, key] of taken(address, name)) {
          const seconds = bucket.take(key)
          if (seconds !== undefined) return Effect.fail(tooManyAttempts(seconds))
        }
        return Effect.void
      }),
    forgive: (address, name) => {
      for (const [bucket, key] of taken(address, name)) bucket.give(key)
    },
    mayTell: (address) => told.take(address) === undefined,
    hashing: (work) =>
      Effect.suspend(() => {
        if (waiting >= mostWaiting) return Effect.fail(busy)
        waiting++
        return Effect.ensuring(
          turns.withPermit(work),
          Effect.sync(() => waiting--)
        )
      })
  }
  return attempts
})
