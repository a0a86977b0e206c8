/**
 * Limits on attempts to sign in. Each attempt with a password is counted before it is looked at, so that many at once are
 * no way round, and a right one is not counted after all.
 *
 * One address has an allowance, for one user name a smaller one. A name has one of its own over all addresses, so that
 * guesses from many do not add up; one address alone cannot use it up and so lock its user out. Whoever is signed in and
 * says their password again has an allowance of their own, which nobody else can use up, from the same address or not.
 */
import { Clock, Effect, Semaphore } from "effect"
import type { UserId } from "../../domain/Ids.ts"
import { monotonicMillis } from "../../domain/Monotonic.ts"
import { TokenBuckets } from "../../domain/TokenBuckets.ts"
import { busy, type Refused, tooManyAttempts } from "./Problems.ts"

const perMinute = (count: number) => ({ capacity: count, perSecond: count / 60 })

const sizes = {
  address: perMinute(30),
  addressAndName: perMinute(10),
  name: perMinute(30),
  user: perMinute(10),
  told: perMinute(1)
}

/** Names and addresses remembered, of each kind. */
const mostRemembered = 10_000

/** Digests worked out at a time: each keeps a thread of the process busy for some hundred milliseconds. */
const hashing = { atOnce: 2, most: 64 }

/** Look-ups of one-time codes at a time, none of which is refused for where it comes from. */
const lookups = { atOnce: 4, most: 256 }

/** `name` is who they say they are, where they say so; `user` who they are known to be. */
export type Trying =
  | { readonly address: string; readonly name?: string; readonly user?: undefined }
  | { readonly user: UserId }

export interface Attempts {
  /** Counts one. */
  readonly begin: (trying: Trying) => Effect.Effect<void, Refused>
  /** It was a right one. */
  readonly forgive: (trying: Trying) => void
  /** Whether it is time to say again that this address is refused. */
  readonly mayTell: (address: string) => boolean
  /** Works out a digest when it is its turn. */
  readonly hashing: InTurn
  /** Looks a one-time code up when it is its turn. */
  readonly lookup: InTurn
}

type InTurn = <A, E>(work: Effect.Effect<A, E>) => Effect.Effect<A, E | Refused>

/** Some at once, the others in turn; beyond `most` under way or waiting there is no place. */
const inTurns = ({ atOnce, most }: typeof hashing): Effect.Effect<InTurn> =>
  Effect.map(Semaphore.make(atOnce), (turns) => {
    let underWay = 0
    return <A, E>(work: Effect.Effect<A, E>) =>
      Effect.suspend((): Effect.Effect<A, E | Refused> => {
        if (underWay >= most) return Effect.fail(busy)
        underWay++
        return Effect.ensuring(
          turns.withPermit(work),
          Effect.sync(() => underWay--)
        )
      })
  })

export const make = Effect.gen(function* () {
  const now = monotonicMillis(yield* Clock.Clock)
  const buckets = {
    address: new TokenBuckets(sizes.address, mostRemembered, now),
    addressAndName: new TokenBuckets(sizes.addressAndName, mostRemembered, now),
    name: new TokenBuckets(sizes.name, mostRemembered, now),
    user: new TokenBuckets(sizes.user, mostRemembered, now)
  }
  const told = new TokenBuckets(sizes.told, mostRemembered, now)

  const taken = (trying: Trying): ReadonlyArray<readonly [TokenBuckets, string]> => {
    if (trying.user !== undefined) return [[buckets.user, trying.user]]
    const { address, name } = trying
    if (name === undefined) return [[buckets.address, address]]
    return [
      [buckets.address, address],
      [buckets.addressAndName, `${address} ${name}`],
      [buckets.name, name]
    ]
  }

  const attempts: Attempts = {
    begin: (trying) =>
      Effect.suspend(() => {
        for (const [bucket, key] of taken(trying)) {
          const seconds = bucket.take(key)
          if (seconds !== undefined) return Effect.fail(tooManyAttempts(seconds))
        }
        return Effect.void
      }),
    forgive: (trying) => {
      for (const [bucket, key] of taken(trying)) bucket.give(key)
    },
    mayTell: (address) => told.take(address) === undefined,
    hashing: yield* inTurns(hashing),
    lookup: yield* inTurns(lookups)
  }
  return attempts
})
