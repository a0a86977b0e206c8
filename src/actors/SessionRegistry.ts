/**
 * The local layer of `Sessions`: every live session actor of this process, in an `RcMap` that closes one when it has
 * been idle long enough and never while a request or stream holds it.
 *
 * Keys are (user, key, target, wire id): looking up another user's id finds nothing, by construction. Ending a session
 * is always the same two steps: end its requests with a typed reason, then close its scope.
 */
import { randomUUID } from "node:crypto"
import { Clock, Deferred, Effect, Layer, Option, RcMap, Schedule, Stream } from "effect"
import { HubConfig } from "../domain/HubConfig.ts"
import { SessionId, WireSessionId } from "../domain/Ids.ts"
import type { Principal } from "../domain/Principal.ts"
import { Principals } from "../domain/Principals.ts"
import { Settings, type SettingsValue } from "../domain/Settings.ts"
import { HubMetrics } from "./HubMetrics.ts"
import * as SessionActor from "./SessionActor.ts"
import {
  HubDraining,
  type OpenOptions,
  SessionLimitReached,
  SessionNotFound,
  Sessions,
  type Target,
  targetText
} from "./Sessions.ts"
import { UserLimits } from "./UserLimits.ts"

interface Entry {
  readonly key: string
  readonly actor: SessionActor.SessionActor
  /** Done when the scope has closed and everything of the session is gone. */
  readonly gone: Deferred.Deferred<void>
}

/** A session idle for this long gives way when its user opens one more than allowed. */
const evictableAfterMs = 60_000
/** A finalizer that hangs must not hang whoever ends the session. */
const closeLimit = "5 seconds"
/** Ended ids remembered, so that a label is not adopted again after its end. */
const endedCapacity = 10_000

const keyOf = (principal: Principal, target: Target, wireId: string): string =>
  `${principal.userId}\n${principal.keyId}\n${targetText(target)}\n${wireId}`

const changedServers = (before: SettingsValue, after: SettingsValue): ReadonlyArray<string> =>
  [...new Set([...Object.keys(before.mcpServers), ...Object.keys(after.mcpServers)])].filter(
    (name) => JSON.stringify(before.mcpServers[name]) !== JSON.stringify(after.mcpServers[name])
  )

const make = Effect.gen(function* () {
  const hub = yield* HubConfig
  const limits = yield* UserLimits
  const principals = yield* Principals
  const settings = yield* Settings
  const clock = yield* Clock.Clock
  const metrics = yield* HubMetrics
  const services = yield* Effect.context<never>()
  const runFork = Effect.runForkWith(services)

  const entries = new Map<string, Entry>()
  const bySession = new Map<string, Entry>()
  const requested = new Map<string, OpenOptions>()
  const ended = new Set<string>()
  let draining = false

  const rememberEnd = (key: string): void => {
    ended.add(key)
    if (ended.size > endedCapacity) ended.delete(ended.values().next().value!)
  }

  const lookup = Effect.fnUntraced(function* (key: string) {
    const open = requested.get(key)
    if (open === undefined) return yield* Effect.die(new Error("A session was looked up before it was requested"))
    const user = open.principal.userId
    const gone = yield* Deferred.make<void>()
    yield* Effect.addFinalizer(() => Deferred.succeed(gone, undefined))
    yield* Effect.acquireRelease(takePlace(open.principal), () => Effect.sync(() => limits.give(user, "sessions")))
    const sessionId = SessionId.make(randomUUID())
    const actor = yield* SessionActor.make({
      open,
      sessionId,
      wireId: open.adopt ?? WireSessionId.make(key.slice(key.lastIndexOf("\n") + 1)),
      hold: RcMap.getOption(map, key).pipe(
        Effect.map((held) => Option.isSome(held) && held.value.actor.sessionId === sessionId),
        Effect.orElseSucceed(() => false)
      ),
      end: (reason) => {
        runFork(Effect.ignore(close(sessionId, reason)))
      }
    })
    const entry: Entry = { key, actor, gone }
    entries.set(key, entry)
    bySession.set(sessionId, entry)
    const openedAt = clock.currentTimeMillisUnsafe()
    yield* Effect.addFinalizer(() =>
      Effect.sync(() => {
        metrics.sessionEnded(clock.currentTimeMillisUnsafe() - openedAt)
        if (entries.get(key) === entry) entries.delete(key)
        bySession.delete(sessionId)
      })
    )
    return entry
  })

  const map: RcMap.RcMap<string, Entry, SessionLimitReached> = yield* RcMap.make({
    lookup,
    idleTimeToLive: hub.sessionIdleMs
  })

  const takePlace = Effect.fnUntraced(function* (principal: Principal) {
    if (limits.take(principal.userId, "sessions", hub.maxSessionsPerUser)) return
    const evictable = oldestIdle(principal)
    if (evictable !== undefined) {
      yield* Effect.ignore(close(evictable.actor.sessionId, "made room for a newer session of the same user"))
      if (limits.take(principal.userId, "sessions", hub.maxSessionsPerUser)) return
    }
    return yield* new SessionLimitReached({
      message: `This user has ${hub.maxSessionsPerUser} sessions, as many as allowed; end one (DELETE) or wait until one is idle`,
      retryAfterSeconds: Math.ceil(evictableAfterMs / 1_000)
    })
  })

  const oldestIdle = (principal: Principal): Entry | undefined => {
    const before = clock.currentTimeMillisUnsafe() - evictableAfterMs
    let oldest: Entry | undefined
    for (const entry of entries.values()) {
      const { actor } = entry
      if (actor.principal().userId !== principal.userId || actor.inFlight() > 0 || actor.streams() > 0) continue
      if (actor.lastActiveAt() > before || actor.lastActiveAt() >= (oldest?.actor.lastActiveAt() ?? Infinity)) continue
      oldest = entry
    }
    return oldest
  }

  const end = Effect.fnUntraced(function* (entry: Entry, reason: string) {
    rememberEnd(entry.key)
    if (entries.get(entry.key) === entry) entries.delete(entry.key)
    yield* entry.actor.terminate(reason)
    yield* RcMap.invalidate(map, entry.key)
    yield* Deferred.await(entry.gone).pipe(
      Effect.timeoutOrElse({
        duration: closeLimit,
        orElse: () => Effect.logError("A session's finalizers have not finished in time and were left behind")
      })
    )
  }, Effect.uninterruptible)

  const close: Sessions["Service"]["close"] = (sessionId, reason) =>
    Effect.suspend(() => {
      const entry = bySession.get(sessionId)
      return entry === undefined
        ? new SessionNotFound({ message: "No live session has this id" })
        : end(entry, reason)
    })

  const closeWhere = (matches: (principal: Principal) => boolean, reason: string): Effect.Effect<number> =>
    Effect.suspend(() => {
      const matching = [...bySession.values()].filter(({ actor }) => matches(actor.principal()))
      return Effect.forEach(matching, (entry) => end(entry, reason), { concurrency: "unbounded", discard: true }).pipe(
        Effect.as(matching.length)
      )
    })

  const open: Sessions["Service"]["open"] = Effect.fnUntraced(function* (options) {
    if (draining) {
      return yield* new HubDraining({ message: "The hub is stopping; connect again in a moment", retryAfterSeconds: 5 })
    }
    const key = keyOf(options.principal, options.target, options.adopt ?? randomUUID())
    requested.set(key, options)
    const entry = yield* RcMap.get(map, key).pipe(
      // A refusal must not stay in the map as the answer for the next try.
      Effect.tapError(() => RcMap.invalidate(map, key)),
      Effect.scoped,
      Effect.onExit(() => Effect.sync(() => requested.delete(key)))
    )
    return entry.actor
  })

  const drain: Sessions["Service"]["drain"] = Effect.fnUntraced(function* (limitMs) {
    draining = true
    yield* Effect.forEach([...bySession.values()], ({ actor }) => actor.settled, {
      concurrency: "unbounded",
      discard: true
    }).pipe(Effect.timeoutOption(limitMs))
    yield* closeWhere(() => true, "the hub is stopping")
  })

  const endExpired = Effect.suspend(() => {
    const now = clock.currentTimeMillisUnsafe()
    return closeWhere((principal) => principal.expiresAt <= now, "the key has expired")
  })

  yield* Effect.forkScoped(Effect.repeat(endExpired, Schedule.spaced("500 millis")))

  yield* principals.invalidations.pipe(
    Stream.runForEach((event) =>
      event.revoked
        ? closeWhere(
            (principal) => principal.userId === event.userId && (event.keyId === undefined || principal.keyId === event.keyId),
            "the key was revoked"
          )
        : Effect.void
    ),
    Effect.forkScoped
  )

  let known = settings.current()
  yield* settings.changes.pipe(
    Stream.runForEach((next) => {
      const changed = changedServers(known, next)
      known = next
      return changed.length === 0
        ? Effect.void
        : Effect.forEach([...bySession.values()], ({ actor }) => actor.reconfigure(changed), {
            concurrency: "unbounded",
            discard: true
          })
    }),
    Effect.forkScoped
  )

  yield* metrics.gauge("mcphub_sessions", "Live user sessions", () => bySession.size)

  return Sessions.of({
    open,
    find: (principal, target, wireId) => entries.get(keyOf(principal, target, wireId))?.actor,
    ended: (principal, target, wireId) => ended.has(keyOf(principal, target, wireId)),
    close,
    closeUser: (userId, reason) => closeWhere((principal) => principal.userId === userId, reason),
    closeKey: (keyId, reason) => closeWhere((principal) => principal.keyId === keyId, reason),
    list: Effect.sync(() => [...bySession.values()].map(({ actor }) => actor.summary())),
    size: () => bySession.size,
    draining: () => draining,
    drain
  })
})

/** The sessions of this process. */
export const layer = Layer.effect(Sessions, make)
