/**
 * The things there are to be shown at a moment: of everything, or of one user, whose own things alone are asked for then. Of more
 * sessions or requests than a page could show only some are told of, and how many are not.
 */
import { Clock, Effect } from "effect"
import { FairShare } from "../../../actors/limits/FairShare.ts"
import { Sessions } from "../../../actors/registry/Sessions.ts"
import { type RequestRecord, RequestTracker } from "../../../actors/requests/RequestTracker.ts"
import type { SessionSummary } from "../../../actors/session/Session.ts"
import { ServerStates, type UserState } from "../../../actors/upstream/guards/ServerStates.ts"
import { type ServerStatus, UpstreamHealth } from "../../../actors/upstream/guards/UpstreamHealth.ts"
import type { UserId } from "../../../domain/Ids.ts"
import { monotonicMillis } from "../../../domain/Monotonic.ts"
import { serverType } from "../../../domain/servers/ServerConfig.ts"
import { Settings } from "../../../domain/servers/Settings.ts"
import { sessionView } from "../handlers/LiveHandlers.ts"
import type { LatestMinute } from "./LatestMinute.ts"
import type { LiveCounters, LiveRequest, LiveServer, LiveSession, LiveTrouble } from "./LiveMessages.ts"
import type { LiveNow, Texts } from "./LiveState.ts"

/** Whose stream it is: everybody's, for admins and auditors, or one user's own. */
export type Audience = "everybody" | UserId

export const mostSessions = 5_000
export const mostRequests = 2_000

const iso = (ms: number): string => new Date(ms).toISOString()
/** Of what is counted from now: to the second, or it would be another with every look. */
const isoSecond = (ms: number): string => iso(Math.round(ms / 1_000) * 1_000)

export interface LiveSources {
  readonly now: (audience: Audience, minute: LatestMinute) => Effect.Effect<LiveNow>
}

export const make = Effect.gen(function* () {
  const sessions = yield* Sessions
  const tracker = yield* RequestTracker
  const states = yield* ServerStates
  const health = yield* UpstreamHealth
  const share = yield* FairShare
  const settings = yield* Settings
  const clock = yield* Clock.Clock
  const monotonic = monotonicMillis(clock)
  /** One for good: with a new one for each look the same moment would come out a millisecond apart. */
  const offset = Math.round(clock.currentTimeMillisUnsafe() - monotonic())
  const wall = (mono: number): string => iso(offset + Math.round(mono))

  const sessionOf = (summary: SessionSummary, now: number): LiveSession => ({
    ...sessionView(summary),
    state: summary.state,
    upstreams: summary.upstreams.map(({ protocolVersion, reason, retryAfterMs, server, state }) => ({
      server,
      state,
      reason: reason ?? null,
      nextAttempt: retryAfterMs === undefined ? null : isoSecond(now + retryAfterMs),
      protocolVersion: protocolVersion ?? null
    }))
  })

  const requestOf = (record: RequestRecord): LiveRequest => {
    const wait = record.waitsFor()
    const startedAt = iso(record.startedAt)
    return {
      requestId: record.requestId,
      userId: record.userId,
      username: record.username,
      sessionId: record.sessionId,
      method: record.method,
      server: record.server ?? null,
      target: record.target ?? null,
      startedAt,
      why: {
        kind: wait?.kind ?? "hub",
        server: wait?.server ?? record.server ?? null,
        stage: wait?.stage ?? null,
        since: wait === undefined ? startedAt : wall(wait.since),
        until: wait?.until === undefined ? null : wall(wait.until),
        heardAt: wait?.heard === undefined ? null : wall(wait.heard)
      }
    }
  }

  const troubleOf = ({ forMs, reason, retryMs, state, username }: UserState, now: number): LiveTrouble => ({
    username: username ?? null,
    state,
    reason: reason ?? null,
    since: isoSecond(now - forMs),
    nextAttempt: retryMs === undefined ? null : isoSecond(now + retryMs)
  })

  const serverOf = (status: ServerStatus, of: ReadonlyArray<UserState>, now: number): LiveServer => {
    const troubles = of.filter(({ state }) => state !== "up").map((one) => troubleOf(one, now))
    const attempts = troubles.flatMap(({ nextAttempt }) => nextAttempt ?? []).toSorted()
    return {
      name: status.name,
      type: status.type,
      state: status.state,
      stage: status.stage ?? null,
      why: status.why ?? null,
      reason: status.reason ?? null,
      since: status.since === undefined ? null : iso(status.since),
      nextAttempt: attempts[0] ?? null,
      connections: status.connections,
      tools: status.tools ?? null,
      troubles,
      lastLines: status.lastLines
    }
  }

  /** A server as it is for one user, and nothing of how others fare. */
  const ownServer = (name: string, state: UserState, now: number): LiveServer => {
    const config = settings.current().mcpServers[name]
    const { nextAttempt, reason, since } = troubleOf(state, now)
    const own = { connections: 0, tools: null, troubles: [], lastLines: [], stage: null, why: null }
    return {
      name,
      type: config === undefined ? "unknown" : serverType(config),
      state: state.state,
      ...own,
      reason,
      since,
      nextAttempt
    }
  }

  const serversFor = (audience: Audience, now: number): Effect.Effect<ReadonlyArray<LiveServer>> =>
    audience === "everybody"
      ? Effect.map(health.status, (all) => {
          const by = Map.groupBy(states.all(), ({ server }) => server)
          return all.map((one) => serverOf(one, by.get(one.name) ?? [], now))
        })
      : Effect.sync(() => states.of(audience).map((state) => ownServer(state.server, state, now)))

  const texts = <A>(all: ReadonlyArray<A>, idOf: (one: A) => string): Texts =>
    new Map(all.map((one) => [idOf(one), JSON.stringify(one)]))

  return {
    now: Effect.fnUntraced(function* (audience: Audience, minute: LatestMinute) {
      const isAll = audience === "everybody"
      const now = clock.currentTimeMillisUnsafe()
      const summaries = isAll ? yield* sessions.list : yield* sessions.listOf(audience)
      const pending = isAll ? yield* tracker.pending : yield* tracker.pendingByUser(audience)
      const shown = summaries.length <= mostSessions ? summaries : latest(summaries)
      const counters: LiveCounters = {
        sessions: summaries.length,
        inFlight: pending.length,
        waiting: isAll ? share.waiting() : 0,
        ...minute.figures()
      }
      const omitted = {
        sessions: summaries.length - shown.length,
        requests: Math.max(0, pending.length - mostRequests)
      }
      return {
        at: iso(now),
        sessions: texts(
          shown.map((one) => sessionOf(one, now)),
          ({ sessionId }) => sessionId
        ),
        // Those that run longest come first in the tracker's own order.
        requests: texts(pending.slice(0, mostRequests).map(requestOf), ({ requestId }) => requestId),
        servers: texts(yield* serversFor(audience, now), ({ name }) => name),
        counters: JSON.stringify(counters),
        omitted: JSON.stringify(omitted)
      } satisfies LiveNow
    })
  } satisfies LiveSources
})

const latest = (all: ReadonlyArray<SessionSummary>): ReadonlyArray<SessionSummary> =>
  all.toSorted((one, other) => other.lastActiveAt - one.lastActiveAt).slice(0, mostSessions)
