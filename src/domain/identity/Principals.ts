/**
 * The way from a presented MCPHub key to its `Principal`, with at most one database read per request, cached for at
 * most 30 s.
 *
 * Everything that authenticates uses it. Unknown, malformed, expired, revoked and deactivated keys are one error, so
 * that no caller can tell them apart. `invalidations` tells the session registry which keys or users have changed, so
 * that it ends their sessions (≤ 1 s after the commit).
 */
import {
  Clock,
  Context,
  Effect,
  Fiber,
  Layer,
  Option,
  PubSub,
  Redacted,
  Schedule,
  Schema,
  type Scope,
  Semaphore,
  Stream
} from "effect"
import { isKeyText, keyDigest } from "./HubKey.ts"
import { timeoutAwake } from "../AwakeTimeout.ts"
import { HubKeys } from "./HubKeys.ts"
import { type KeyEvent, KeyEvents, type KeyNews } from "./KeyEvents.ts"
import * as KeyGuard from "./KeyGuard.ts"
import type { Principal } from "./Principal.ts"
import { monotonicMillis } from "../Monotonic.ts"
import * as SingleFlight from "../SingleFlight.ts"
import { type Moment, PrincipalCache, type SeenKey, timeToLive } from "./PrincipalCache.ts"

/** The key does not open the hub: unknown, malformed, expired, revoked or its owner deactivated — deliberately one case. */
export class KeyRejected extends Schema.TaggedError<KeyRejected>()("KeyRejected", {
  message: Schema.String
}) {}

/** The database did not answer in time and the cache does not know the key. */
export class IdentityUnavailable extends Schema.TaggedError<IdentityUnavailable>()("IdentityUnavailable", {
  message: Schema.String
}) {}

export class Principals extends Context.Service<
  Principals,
  {
    /** The principal of a key, from the cache or with one read. */
    readonly authenticate: (
      key: Redacted.Redacted<string>
    ) => Effect.Effect<Principal, KeyRejected | IdentityUnavailable>
    /**
     * The cached, still valid principal of a key, without an effect: the data path's fast way. Counts as a use of the
     * key, unless the same request asks `again`.
     */
    readonly peek: (key: string, again?: boolean) => Principal | undefined
    /**
     * What the key of a principal opens now, by one read; none when it opens nothing any more. For those who hold a
     * principal whose standing says that it has changed, and who do not have the key.
     */
    readonly renewed: (stale: Principal) => Effect.Effect<Option.Option<Principal>, IdentityUnavailable>
    /** Changes to keys and users, once the cache has dropped them. */
    readonly invalidations: Stream.Stream<KeyEvent>
  }
>()("mcphub/domain/identity/Principals") {
  static readonly layer: Layer.Layer<Principals, never, HubKeys | KeyEvents> = Layer.effect(
    Principals,
    Effect.suspend(() => make)
  )
}

/** Milliseconds the database has to say whose a key is. */
const deadline = 3_000

/** Concurrent look-ups of unknown keys, so that guessing cannot take every database connection. */
const concurrentLookups = 4

/** Concurrent reads of what a session may do by now. */
const concurrentRenewals = 2

/** Keys checked in one statement. */
const checkBatch = 5_000

const rejected = new KeyRejected({
  message:
    "The MCPHub key is missing, unknown, expired or revoked; ask for a key or create one with `mcphub key create`"
})

const unavailable = new IdentityUnavailable({
  message: "The hub cannot check keys at the moment because its database does not answer; try again shortly"
})

const make: Effect.Effect<Principals["Service"], never, HubKeys | KeyEvents | Scope.Scope> = Effect.gen(function* () {
  const keys = yield* HubKeys
  const events = yield* KeyEvents
  const clock = yield* Clock.Clock
  const monotonic = monotonicMillis(clock)
  const moment = (): Moment => ({ wall: clock.currentTimeMillisUnsafe(), mono: monotonic() })
  const scope = yield* Effect.scope
  const cache = new PrincipalCache()
  const lookups = SingleFlight.make<string, Principal, KeyRejected | IdentityUnavailable>(scope)
  const permits = yield* Semaphore.make(concurrentLookups)
  /** Sessions of a thousand keys may be renewed at once: nobody who presents a key waits behind them. */
  const renewals = yield* Semaphore.make(concurrentRenewals)
  const guard = yield* KeyGuard.make(keys)
  const changes = yield* PubSub.unbounded<KeyEvent>()

  const find = (key: Redacted.Redacted<string>) =>
    Effect.flatMap(guard.mayRead(key), (mayRead) =>
      mayRead
        ? Effect.tap(permits.withPermit(keys.principal(key)), (found) => Effect.sync(() => guard.settle(found)))
        : Effect.succeedNone
    )

  const read = (
    digest: string,
    key: Redacted.Redacted<string>
  ): Effect.Effect<Principal, KeyRejected | IdentityUnavailable> =>
    Effect.suspend(() => {
      const generation = cache.generation
      return Effect.flatMap(
        Effect.mapError(find(key), () => unavailable),
        (found) => {
          // Something changed during the read, so its answer may be older than the change.
          if (cache.generation !== generation) return read(digest, key)
          const now = moment()
          if (Option.isNone(found)) {
            cache.reject(digest, now)
            return Effect.fail(rejected)
          }
          return Effect.succeed(cache.admit(digest, found.value, now))
        }
      )
    })

  /** The request does not wait for the driver, which takes long to give up a statement when the server stalls. */
  const readInTime = (digest: string, key: Redacted.Redacted<string>) =>
    Effect.flatMap(Effect.forkIn(read(digest, key), scope), (reading) =>
      Fiber.join(reading).pipe(
        timeoutAwake(deadline, () => {
          reading.interruptUnsafe()
          return Effect.fail(unavailable)
        })
      )
    )

  const authenticate = Effect.fnUntraced(function* (key: Redacted.Redacted<string>) {
    const text = Redacted.value(key)
    if (!isKeyText(text)) return yield* rejected
    const digest = keyDigest(text)
    const now = moment()
    const known = cache.get(digest, now)
    if (known !== undefined) return known
    if (cache.isRejected(digest, now)) return yield* rejected
    const principal = yield* lookups.run(digest, () => readInTime(digest, key))
    cache.use(principal.keyId, now.wall)
    return principal
  })

  const announce = (event: KeyEvent) =>
    Effect.suspend(() => {
      cache.apply(event)
      return PubSub.publish(changes, event)
    })

  const renewed = (stale: Principal): Effect.Effect<Option.Option<Principal>, IdentityUnavailable> =>
    Effect.suspend(() => {
      const { generation } = cache
      return Effect.flatMap(
        Effect.mapError(renewals.withPermit(keys.principalOf(stale.keyId)), () => unavailable),
        (found): Effect.Effect<Option.Option<Principal>, IdentityUnavailable> => {
          if (cache.generation !== generation) return renewed(stale)
          if (Option.isSome(found)) return Effect.succeedSome(cache.principalOf(found.value))
          return Effect.as(announce({ userId: stale.userId, keyId: stale.keyId, revoked: true }), Option.none())
        }
      )
    })

  /** Ends those of the given keys that no longer open the hub; while the database is down it changes nothing. */
  const check = Effect.fnUntraced(function* (seen: ReadonlyArray<SeenKey>) {
    for (let from = 0; from < seen.length; from += checkBatch) {
      yield* Effect.forEach(yield* keys.unusable(seen.slice(from, from + checkBatch)), announce, { discard: true })
    }
  })

  const checkAll = Effect.suspend(() => check(cache.seen())).pipe(Effect.timeout(deadline))

  /** A key at its expiry was either extended meanwhile or is over, and that holds while the database is down too. */
  const checkExpired = Effect.suspend(() => {
    const now = clock.currentTimeMillisUnsafe()
    const due = cache.seen(now)
    if (due.length === 0) return Effect.void
    return check(due).pipe(
      Effect.timeout(deadline),
      Effect.catch(() =>
        Effect.forEach(due, ({ keyId, userId }) => announce({ userId, keyId, revoked: true }), { discard: true })
      ),
      Effect.andThen(Effect.sync(() => due.forEach((key) => cache.postpone(key, now + timeToLive))))
    )
  })

  const hear = (news: KeyNews): Effect.Effect<unknown> =>
    news._tag === "changed"
      ? announce(news.event)
      : Effect.suspend(() => {
          cache.clear()
          // Runs beside the stream, so that a slow check delays no news. Retries soon, since sessions of a revoked key
          // end within a second.
          return checkAll.pipe(Effect.retry(Schedule.spaced("250 millis")), Effect.ignore, Effect.forkIn(scope))
        })

  const flush = Effect.suspend(() => {
    const uses = cache.takeUses()
    if (uses.length === 0) return Effect.void
    return keys.recordUse(uses).pipe(
      Effect.timeout(deadline),
      Effect.catch(() => Effect.sync(() => cache.returnUses(uses)))
    )
  })

  // Subscribed before the service exists, so that no change after it is missed.
  yield* events.news.pipe(Stream.runForEach(hear), Effect.forkScoped({ startImmediately: true }))
  yield* checkExpired.pipe(Effect.repeat(Schedule.spaced("500 millis")), Effect.forkScoped)
  // Also finds changes made past the hub: by the old hub, or by hand.
  yield* Effect.ignore(checkAll).pipe(Effect.delay(timeToLive), Effect.forever, Effect.forkScoped)
  yield* Effect.addFinalizer(() => flush)
  yield* flush.pipe(Effect.delay("4 seconds"), Effect.forever, Effect.forkScoped)

  return Principals.of({
    authenticate,
    renewed: (stale) =>
      Effect.timeoutOrElse(renewed(stale), { duration: deadline, orElse: () => Effect.fail(unavailable) }),
    peek: (key, again) => cache.get(keyDigest(key), moment(), again),
    invalidations: Stream.fromPubSub(changes)
  })
})
