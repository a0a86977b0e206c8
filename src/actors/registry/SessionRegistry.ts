/**
 * The local layer of `Sessions`: every live session actor of this process, each in a scope of its own below the
 * registry's.
 *
 * Keys are (user, key, target, wire id): looking up another user's id finds nothing, by construction. Ending a session,
 * whatever the reason, is always the same two steps: end its requests with a typed reason, then close its scope. One
 * fiber looks for idle sessions; that a key has been revoked or has expired is told by `Principals`, which knows whether
 * it was extended meanwhile. A message costs the registry one map look-up and no reference counting, because the actor
 * itself knows what keeps it busy.
 *
 * Sessions of the stateful revisions are written down (`SessionJournal`), and an id that is not here is looked for there
 * (`SessionRecovery`): a restart does not end a session, only its connections to servers.
 */
import { randomUUID } from "node:crypto"
import { Clock, Deferred, Effect, Exit, Fiber, Layer, Schedule, Scope, Stream } from "effect"
import { HubConfig } from "../../domain/config/HubConfig.ts"
import { SessionId, type UserId, WireSessionId } from "../../domain/Ids.ts"
import { monotonicMillis } from "../../domain/Monotonic.ts"
import * as SingleFlight from "../../domain/SingleFlight.ts"
import type { Principal } from "../../domain/identity/Principal.ts"
import { Principals } from "../../domain/identity/Principals.ts"
import { sessionDigest } from "../../domain/records/SessionStore.ts"
import { changedServers, Settings } from "../../domain/servers/Settings.ts"
import { eraOf } from "../../domain/protocol/Versions.ts"
import { HubMetrics } from "../observing/HubMetrics.ts"
import { Pressure } from "../limits/Pressure.ts"
import * as ServerRestart from "./ServerRestart.ts"
import * as SessionActor from "../session/SessionActor.ts"
import * as SessionJournal from "./SessionJournal.ts"
import * as SessionRecovery from "./SessionRecovery.ts"
import { timeoutAwake } from "../../domain/AwakeTimeout.ts"
import { keyEnded, overloaded, stopping, tooManySessions } from "./SessionRefusals.ts"
import * as SessionRenewal from "./SessionRenewal.ts"
import { Sessions } from "./Sessions.ts"
import { UserLimits } from "../limits/UserLimits.ts"
import type { OpenOptions, SessionPlace } from "../session/Session.ts"
import type { Target } from "../../domain/access/Target.ts"
import { SessionNotFound, type SessionRefused } from "../../domain/requests/SessionErrors.ts"

interface Entry {
  readonly key: string
  readonly actor: SessionActor.SessionActor
  readonly scope: Scope.Closeable
  /** Done when the scope has closed and everything of the session is gone. */
  readonly gone: Deferred.Deferred<void>
  /** Absent for what no session id can find again: actors of stateless clients, and sessions that end with a stream. */
  readonly journal: SessionJournal.JournalEntry | undefined
  readonly leave: SessionPlace["leave"]
}

/** A session idle for this long gives way when its user opens one more than allowed. */
const evictableAfterMs = 60_000
/** When memory runs short, sessions idle for this long end, so many at each look. */
const sheddableAfterMs = 5_000
const shedAtOnce = 100
/** A finalizer that hangs must not hang whoever ends the session. */
const closeLimitMs = 5_000
/** How long the rest of a session waits for requests that do not end when they are interrupted. */
const requestLimitMs = 1_000
/** How often idle sessions are looked for. */
const watchEvery = "500 millis"
/** Ended ids remembered, so that a label is not adopted again after its end. */
const endedCapacity = 10_000

const keyOf = (principal: Principal, target: Target, wireId: string): string =>
  `${principal.userId}\n${principal.keyId}\n${target.text}\n${wireId}`

/** No header can hold this, so no `Mcp-Session-Id` names a session that lives on an event stream. */
const streamedKeyOf = (principal: Principal, target: Target, wireId: string): string =>
  keyOf(principal, target, `\u0000${wireId}`)

const make = Effect.gen(function* () {
  const hub = yield* HubConfig
  const limits = yield* UserLimits
  const principals = yield* Principals
  const settings = yield* Settings
  const now = monotonicMillis(yield* Clock.Clock)
  const pressure = yield* Pressure
  const metrics = yield* HubMetrics
  const registry = yield* Effect.scope
  const services = yield* Effect.context<Exclude<Effect.Services<ReturnType<typeof SessionActor.make>>, Scope.Scope>>()
  const runFork = Effect.runForkWith(services)

  const entries = new Map<string, Entry>()
  const bySession = new Map<string, Entry>()
  /** Under the wire ids minted here. */
  const byMinted = new Map<string, Entry>()
  const opening = SingleFlight.make<string, SessionActor.SessionActor, SessionRefused>(registry)
  const ended = new Set<string>()
  let draining = false
  const leftBehind = metrics.counter("mcphub_sessions_left_behind_total", "Ended sessions of which something hangs")
  let recoveries = 0
  const renew = yield* SessionRenewal.make

  const journal = yield* SessionJournal.make({
    live: function* () {
      for (const { journal } of entries.values()) if (journal !== undefined) yield journal
    },
    lost: (digest) =>
      Effect.suspend(() => {
        const entry = [...entries.values()].find(({ journal }) => journal?.digest === digest)
        return entry === undefined ? Effect.void : end(entry, "the session was ended, or goes on, in another hub")
      })
  })

  const rememberEnd = (key: string): void => {
    ended.add(key)
    if (ended.size > endedCapacity) ended.delete(ended.values().next().value!)
  }

  const start = Effect.fnUntraced(function* (
    key: string,
    wireId: string,
    options: OpenOptions,
    scope: Scope.Closeable
  ) {
    const gone = yield* Deferred.make<void>()
    yield* Effect.addFinalizer(() => Deferred.succeed(gone, undefined))
    const { leave } = yield* Effect.acquireRelease(
      options.streamed === undefined ? takePlace(options.principal) : Effect.succeed(options.streamed.place),
      (place) => Effect.sync(place.leave)
    )
    const sessionId = options.recovered?.session.sessionId ?? SessionId.make(randomUUID())
    const actor = yield* SessionActor.make({
      open: options,
      sessionId,
      wireId: WireSessionId.make(wireId),
      end: (reason) => {
        runFork(Effect.ignore(close(sessionId, reason)))
      }
    })
    // From the moment it is in the map, the end of its key ends it; before, nobody would.
    if (options.principal.standing.key.isRevoked) return yield* keyEnded
    const { userId, keyId } = options.principal
    const digest = sessionDigest(userId, keyId, options.target.text, wireId)
    const isStored = eraOf(options.protocolVersion) === "stateful" && options.streamed === undefined
    const entry: Entry = { key, actor, scope, gone, leave, journal: isStored ? { digest, actor } : undefined }
    entries.set(key, entry)
    bySession.set(sessionId, entry)
    if (options.adopt === undefined) byMinted.set(wireId, entry)
    const openedAt = now()
    yield* Effect.addFinalizer(() =>
      Effect.sync(() => {
        if (entries.get(key) === entry) entries.delete(key)
        if (bySession.get(sessionId) === entry) bySession.delete(sessionId)
        if (byMinted.get(wireId) === entry) byMinted.delete(wireId)
        metrics.sessionEnded(now() - openedAt, options.protocolVersion)
      })
    )
    return actor
  })

  const takePlace = Effect.fnUntraced(function* (principal: Principal) {
    if (limits.take(principal.userId, "sessions", hub.maxSessionsPerUser)) return placeOf(principal.userId)
    const evictable = oldestIdle(principal)
    if (evictable !== undefined) {
      yield* Effect.ignore(close(evictable.actor.sessionId, "made room for a newer session of the same user"))
      if (limits.take(principal.userId, "sessions", hub.maxSessionsPerUser)) return placeOf(principal.userId)
    }
    return yield* tooManySessions(hub.maxSessionsPerUser, evictableAfterMs)
  })

  const placeOf = (user: UserId): SessionPlace => {
    let isTaken = true
    return {
      leave: () => {
        if (isTaken) limits.give(user, "sessions")
        isTaken = false
      }
    }
  }

  const oldestIdle = (principal: Principal): Entry | undefined => {
    let oldest: Entry | undefined
    for (const entry of entries.values()) {
      const { actor } = entry
      if (actor.principal().userId !== principal.userId || actor.inUse()) continue
      if (actor.quietMs() < evictableAfterMs || actor.quietMs() <= (oldest?.actor.quietMs() ?? 0)) continue
      oldest = entry
    }
    return oldest
  }

  const end = Effect.fnUntraced(function* (entry: Entry, reason: string) {
    // From here on nobody finds it; requests that come now get 404 and those in flight their typed error.
    if (entries.get(entry.key) === entry) entries.delete(entry.key)
    const isLeftBehind = (what: string) =>
      Effect.suspend(() => {
        leftBehind.increment()
        return Effect.logError(`A session's ${what} in time and were left behind`)
      })
    const closed = Effect.gen(function* () {
      const requestsEnded = entry.actor.terminate(reason)
      yield* timeoutAwake(requestLimitMs, () => isLeftBehind("requests have not ended"))(requestsEnded)
      yield* Effect.forkIn(Scope.close(entry.scope, Exit.void), registry)
      yield* timeoutAwake(closeLimitMs, () => {
        // Nothing is left to wait for: its place goes to the next one.
        bySession.delete(entry.actor.sessionId)
        entry.leave()
        return isLeftBehind("finalizers have not finished")
      })(Deferred.await(entry.gone))
    })
    // In the registry's scope: it goes on when whoever wanted the end is interrupted.
    yield* Effect.flatMap(Effect.forkIn(closed, registry, { startImmediately: true }), Fiber.join)
  })

  /** Ends for good: the id does not come back to life, not even after a restart. */
  const endForGood = (entry: Entry, reason: string): Effect.Effect<void> => {
    rememberEnd(entry.key)
    return endWritten(entry, reason, "end")
  }

  const endWritten = (entry: Entry, reason: string, how: "end" | "forget"): Effect.Effect<void> => {
    const { journal: written } = entry
    const ending = end(entry, reason)
    return written === undefined
      ? ending
      : Effect.all([journal.ended([written.digest], how), ending], { concurrency: "unbounded", discard: true })
  }

  /** A label of the client's own may be adopted again after its idle time; a minted id is as unknown as any. */
  const endIdle = (entry: Entry): Effect.Effect<void> => endWritten(entry, "idle", "forget")

  const close: Sessions["Service"]["close"] = (sessionId, reason) =>
    Effect.suspend(() => {
      const entry = bySession.get(sessionId)
      return entry === undefined
        ? new SessionNotFound({ message: "No live session has this id" })
        : endForGood(entry, reason)
    })

  const closeWhere = (
    matches: (principal: Principal) => boolean,
    reason: string,
    how: (entry: Entry, reason: string) => Effect.Effect<void> = endForGood
  ): Effect.Effect<number> =>
    Effect.suspend(() => {
      const matching = [...bySession.values()].filter(({ actor }) => matches(actor.principal()))
      return Effect.forEach(matching, (entry) => how(entry, reason), {
        concurrency: "unbounded",
        discard: true
      }).pipe(Effect.as(matching.length))
    })

  const refuseDraining = Effect.suspend(() => (draining ? stopping : Effect.void))

  const refuseOverloaded = Effect.suspend(() => (pressure.memory() ? overloaded : Effect.void))

  const reserve: Sessions["Service"]["reserve"] = Effect.fnUntraced(function* (principal) {
    yield* refuseDraining
    yield* refuseOverloaded
    if (principal.standing.key.isRevoked) return yield* keyEnded
    return yield* takePlace(principal)
  })

  const open: Sessions["Service"]["open"] = Effect.fnUntraced(function* (options) {
    yield* refuseDraining
    const wireId = options.recovered?.wireId ?? options.adopt ?? options.streamed?.wireId ?? randomUUID()
    const key = (options.streamed === undefined ? keyOf : streamedKeyOf)(options.principal, options.target, wireId)
    const live = entries.get(key)
    if (live !== undefined) return live.actor
    if (!opening.has(key)) yield* refuseOverloaded
    return yield* opening.run(key, () => openOnce(key, wireId, options))
  })

  const openOnce = Effect.fnUntraced(function* (key: string, wireId: string, options: OpenOptions) {
    const actor = yield* Effect.uninterruptible(
      Effect.gen(function* () {
        const scope = yield* Scope.fork(registry)
        const starting = start(key, wireId, options, scope).pipe(Scope.provide(scope), Effect.provideContext(services))
        return yield* Effect.onError(starting, (cause) => Scope.close(scope, Exit.failCause(cause)))
      })
    )
    // Before the client learns its id: from then on it counts on it.
    const written = entries.get(key)?.journal
    if (written !== undefined) yield* journal.opened(written)
    if (options.recovered !== undefined) recoveries++
    return actor
  })

  const { recover } = yield* SessionRecovery.make({ claim: journal.claim, open })

  const drain: Sessions["Service"]["drain"] = Effect.fnUntraced(function* (limitMs) {
    draining = true
    yield* Effect.forEach([...bySession.values()], ({ actor }) => actor.settled, {
      concurrency: "unbounded",
      discard: true
    }).pipe(Effect.timeoutOption(limitMs))
    yield* journal.flush
    yield* closeWhere(() => true, "the hub is stopping", end)
  })

  /** Those that make room when memory runs short: in use by nobody, quiet for longest, a few at a time. */
  const longestIdle = (): ReadonlyArray<Entry> =>
    [...entries.values()]
      .filter(({ actor }) => !actor.inUse() && actor.quietMs() >= sheddableAfterMs)
      .sort((a, b) => b.actor.quietMs() - a.actor.quietMs())
      .slice(0, shedAtOnce)

  const watch = Effect.suspend(() => {
    const ends = pressure.memory() ? longestIdle().map((entry) => end(entry, "memory ran short")) : []
    for (const entry of entries.values()) {
      const { actor } = entry
      if (!actor.principal().standing.isCurrent) ends.push(renew(actor))
      if (!actor.inUse() && actor.quietMs() >= hub.sessionIdleMs) {
        ends.push(endIdle(entry))
      }
    }
    // Each in a fiber of its own: one that closes slowly must not delay what is due next.
    return Effect.forEach(ends, (effect) => Effect.forkIn(effect, registry), { discard: true })
  })

  yield* Effect.forkScoped(Effect.repeat(watch, Schedule.spaced(watchEvery)))

  yield* principals.invalidations.pipe(
    Stream.runForEach((event) =>
      event.revoked
        ? closeWhere(
            (principal) =>
              principal.userId === event.userId && (event.keyId === undefined || principal.keyId === event.keyId),
            "the key was revoked or has expired"
          )
        : // Beside the stream, so that a slow read delays no revocation. What fails is taken up by the watch.
          Effect.forEach(
            [...bySession.values()].filter(({ actor }) => actor.principal().userId === event.userId),
            ({ actor }) => Effect.forkIn(renew(actor), registry),
            { discard: true }
          )
    ),
    Effect.forkScoped
  )

  const restart = yield* ServerRestart.make(function* () {
    for (const { actor } of bySession.values()) yield actor
  })

  let known = settings.current()
  yield* settings.changes.pipe(
    Stream.runForEach((next) => {
      const changed = changedServers(known, next)
      known = next
      return Effect.forEach([...bySession.values()], ({ actor }) => actor.reconfigure(changed), {
        concurrency: "unbounded",
        discard: true
      })
    }),
    Effect.forkScoped
  )

  const kept = (what: "events" | "bytes"): number => {
    let sum = 0
    for (const { actor } of bySession.values()) sum += actor.keptEvents()[what]
    return sum
  }

  yield* metrics.gauge("mcphub_sessions", "Live user sessions", () => bySession.size)
  yield* metrics.gauge("mcphub_kept_events", "Events kept for clients that come back", () => kept("events"))
  yield* metrics.gauge("mcphub_kept_event_bytes", "Bytes of the events kept for clients", () => kept("bytes"))
  yield* metrics.total(
    "mcphub_sessions_recovered_total",
    "Sessions that went on after a restart, or came from another hub",
    () => recoveries
  )

  return Sessions.of({
    open,
    reserve,
    find: (principal, target, wireId) => entries.get(keyOf(principal, target, wireId))?.actor,
    recover,
    ended: (principal, target, wireId) => ended.has(keyOf(principal, target, wireId)),
    foreign: (principal, wireId) => {
      const found = byMinted.get(wireId)?.actor
      return found === undefined || found.principal().userId === principal.userId ? undefined : found.sessionId
    },
    close,
    closeUser: (userId, reason) => closeWhere((principal) => principal.userId === userId, reason),
    closeKey: (keyId, reason) => closeWhere((principal) => principal.keyId === keyId, reason),
    restart,
    list: Effect.sync(() => [...bySession.values()].map(({ actor }) => actor.summary())),
    listOf: (userId) =>
      Effect.sync(() =>
        [...bySession.values()].flatMap(({ actor }) => (actor.principal().userId === userId ? [actor.summary()] : []))
      ),
    size: () => bySession.size,
    draining: () => draining,
    drain
  })
})

/** The sessions of this process. */
export const layer = Layer.effect(Sessions, make)
