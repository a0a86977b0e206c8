/**
 * Finds sessions that an earlier run of the hub, or another hub on the same database, has left: one read for each id
 * nobody here knows, and one actor however many requests bring the id at once.
 *
 * Guessing stays cheap: what was not found is remembered for a moment, a few look-ups run at a time, and a user who asks
 * for more ids that never were than they could have sessions has to wait. It is also useless: an id is looked up under
 * the user, key and target of the request that brings it.
 */
import { Clock, Effect, Semaphore } from "effect"
import { timeoutAwake } from "../../domain/AwakeTimeout.ts"
import * as SingleFlight from "../../domain/SingleFlight.ts"
import { HubConfig } from "../../domain/config/HubConfig.ts"
import { isMinted, type UserId, WireSessionId } from "../../domain/Ids.ts"
import type { DatabaseUnavailable } from "../../domain/identity/IdentityErrors.ts"
import type { Principal } from "../../domain/identity/Principal.ts"
import { isStateful } from "../../domain/protocol/Versions.ts"
import { type Claim, sessionDigest, type StoredSession } from "../../domain/records/SessionStore.ts"
import { type Recovered } from "./Sessions.ts"
import type { SessionActor } from "../session/SessionActor.ts"
import type { OpenOptions } from "../session/Session.ts"
import type { Target } from "../../domain/access/Target.ts"
import { SessionLimitReached, SessionRefused, SessionsUnavailable } from "../../domain/requests/SessionErrors.ts"

export interface SessionRecovery {
  readonly recover: (principal: Principal, target: Target, wireId: string) => Effect.Effect<Recovered, SessionRefused>
}

export interface RecoveryOptions {
  readonly claim: (digest: string) => Effect.Effect<Claim, DatabaseUnavailable>
  readonly open: (options: OpenOptions) => Effect.Effect<SessionActor, SessionRefused>
}

/** The database has this long to say whether there is such a session. */
const deadline = 3_000
const concurrentLookups = 4
/** Milliseconds an id that was not found is not looked up again. */
const missTimeToLive = 5_000
const maxMisses = 10_000
/** Milliseconds over which a user's ids that never were are counted. */
const window = 60_000

const unavailable = new SessionRefused({
  reason: new SessionsUnavailable({
    message: "The hub cannot look for this session because its database does not answer; send this again in a moment",
    retryAfterSeconds: 2
  })
})

export const make = Effect.fnUntraced(function* ({ claim, open }: RecoveryOptions) {
  const hub = yield* HubConfig
  const clock = yield* Clock.Clock
  const scope = yield* Effect.scope
  const lookups = yield* Semaphore.make(concurrentLookups)
  const recoveries = SingleFlight.make<string, Recovered, SessionRefused>(scope)
  const misses = new Map<string, { readonly until: number; readonly answer: Recovered }>()
  const guesses = new Map<UserId, { readonly since: number; count: number }>()
  const maxGuesses = 2 * hub.maxSessionsPerUser

  const missed = (digest: string, answer: Recovered): void => {
    if (misses.size >= maxMisses) misses.delete(misses.keys().next().value!)
    misses.set(digest, { until: clock.currentTimeMillisUnsafe() + missTimeToLive, answer })
  }

  /** An id that could be adopted, once unknown, costs a place among the user's sessions: no need to count. */
  const guessed = (user: UserId, wireId: string): void => {
    if (hub.sessionAdopt && !isMinted(wireId)) return
    const now = clock.currentTimeMillisUnsafe()
    const known = guesses.get(user)
    if (known !== undefined && now - known.since < window) known.count++
    else {
      if (guesses.size >= maxMisses) guesses.clear()
      guesses.set(user, { since: now, count: 1 })
    }
  }

  const waitSeconds = (user: UserId): number => {
    const known = guesses.get(user)
    const left = known === undefined ? 0 : known.since + window - clock.currentTimeMillisUnsafe()
    return known === undefined || known.count < maxGuesses || left <= 0 ? 0 : Math.ceil(left / 1_000)
  }

  const reopen = (principal: Principal, target: Target, wireId: string, session: StoredSession) => {
    const { adopted, client, protocolVersion } = session
    if (!isStateful(protocolVersion)) return Effect.succeed<Recovered>({ kind: "unknown" })
    const adopt = adopted ? { adopt: WireSessionId.make(wireId) } : {}
    const { capabilities, clientInfo } = client
    const recovered = { wireId: WireSessionId.make(wireId), session }
    return Effect.map(
      open({ principal, target, protocolVersion, capabilities, clientInfo, ...adopt, recovered }),
      (actor): Recovered => ({ kind: "live", actor })
    )
  }

  const lookUp = Effect.fnUntraced(function* (principal: Principal, target: Target, wireId: string, digest: string) {
    const found = yield* claim(digest).pipe(
      lookups.withPermits(1),
      timeoutAwake(deadline, () => Effect.fail(unavailable)),
      Effect.mapError(() => unavailable)
    )
    if (found.kind === "found") return yield* reopen(principal, target, wireId, found.session)
    missed(digest, found)
    if (found.kind === "unknown") guessed(principal.userId, wireId)
    return found
  })

  const recover: SessionRecovery["recover"] = (principal, target, wireId) =>
    Effect.suspend(() => {
      const digest = sessionDigest(principal.userId, principal.keyId, target.text, wireId)
      const looking = recoveries.run(digest, () => lookUp(principal, target, wireId, digest))
      if (recoveries.has(digest)) return looking
      const miss = misses.get(digest)
      if (miss !== undefined && clock.currentTimeMillisUnsafe() < miss.until) return Effect.succeed(miss.answer)
      const wait = waitSeconds(principal.userId)
      if (wait === 0) return looking
      return new SessionRefused({
        reason: new SessionLimitReached({
          message: "This user has asked for too many sessions that do not exist; initialize a new one, or wait",
          retryAfterSeconds: wait
        })
      })
    })

  return { recover } satisfies SessionRecovery
})
