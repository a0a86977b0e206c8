/** The operations on a running hub, on its sessions, requests and upstream health. */
import { Clock, Effect } from "effect"
import { RequestTracker } from "../../../actors/requests/RequestTracker.ts"
import { AuditTrail } from "../../../actors/observing/AuditTrail.ts"
import { HubMetrics } from "../../../actors/observing/HubMetrics.ts"
import { Retained } from "../../../actors/limits/Retained.ts"
import { Sessions } from "../../../actors/registry/Sessions.ts"
import { Settings } from "../../../domain/servers/Settings.ts"
import { Users } from "../../../domain/identity/Users.ts"
import { LiveOperations, type SessionView } from "../operations/LiveOperations.ts"
import { asRefusal, OperationRefused } from "../operations/OperationRefused.ts"
import { findUser, iso, serverNotFound } from "./Lookup.ts"
import { momentOf, requestView } from "./RequestViews.ts"
import { sessionStats } from "./SessionStats.ts"
import { hubInfo } from "../../../actors/session/Handshake.ts"
import type { SessionSummary } from "../../../actors/session/Session.ts"

export const sessionView = (session: SessionSummary): SessionView => ({
  ...session,
  // A client that brings a label and never introduces itself goes to servers under the hub's name.
  client:
    session.adopted && session.client.name === hubInfo(session.client.version)["name"]
      ? { name: "unknown", version: "" }
      : session.client,
  createdAt: iso(session.createdAt),
  lastActiveAt: iso(session.lastActiveAt),
  upstreams: session.upstreams.map((one) => ({
    server: one.server,
    state: one.state,
    reason: one.reason ?? null,
    retryAfterMs: one.retryAfterMs ?? null,
    protocolVersion: one.protocolVersion ?? null
  }))
})

/** Whether something belongs to the user that a query names, or the query names none. */
const isOf = (owner: string | undefined, { userId }: { readonly userId: string }): boolean =>
  owner === undefined || userId === owner

const byItsUser = (what: string): string => `${what} by its user, not through the client`

/** The hub's facts about itself besides its counters. */
export interface HubFacts {
  readonly pid: number
  /** The address for MCP clients. */
  readonly url: string
  readonly version: string
  /** Milliseconds since the epoch. */
  readonly startedAt: number
}

export const LiveHandlers = (hub: HubFacts) =>
  LiveOperations.toLayer(
    Effect.gen(function* () {
      const users = yield* Users
      const sessions = yield* Sessions
      const tracker = yield* RequestTracker
      const retained = yield* Retained
      const settings = yield* Settings
      const audit = yield* AuditTrail
      const moment = momentOf(yield* Clock.Clock)
      const metrics = yield* HubMetrics

      const findSession = Effect.fnUntraced(function* (id: string, owner: string | undefined) {
        const found = (yield* sessions.list).find((one) => one.sessionId === id && isOf(owner, one))
        if (found !== undefined) return found
        return yield* new OperationRefused({
          kind: "SessionNotFound",
          exitCode: 1,
          message: `There is no live session ${id}; list them with \`mcphub session ls\``
        })
      })

      return LiveOperations.of({
        hubStatus: Effect.fnUntraced(function* () {
          const stats = yield* tracker.systemStats
          const known = yield* users.list
          const names = new Map<string, string>(known.map(({ id, username }) => [id, username]))
          const byUser = (yield* tracker.allUserStats).map((one) => ({
            ...one,
            username: names.get(one.userId) ?? null
          }))
          return {
            ...hub,
            startedAt: iso(hub.startedAt),
            users: known.length,
            sessions: sessions.size(),
            pending: stats.pending,
            requests: stats.count,
            errorRate: stats.errorRate,
            p95Ms: stats.p95Ms,
            byUser
          }
        }, asRefusal),
        userStats: Effect.fnUntraced(function* ({ user }) {
          const { id, username } = yield* findUser(users, user)
          return { ...(yield* tracker.userStats(id)), username }
        }, asRefusal),
        sessionList: Effect.fnUntraced(function* ({ user }) {
          const owner = user === null ? undefined : yield* findUser(users, user)
          return (yield* sessions.list).filter((one) => owner === undefined || one.userId === owner.id).map(sessionView)
        }, asRefusal),
        sessionStats: Effect.fnUntraced(function* ({ user }) {
          const owner = user === null ? undefined : yield* findUser(users, user)
          const live = (yield* sessions.list).filter((one) => owner === undefined || one.userId === owner.id)
          return sessionStats(live.map(sessionView), metrics.sessionsEnded())
        }, asRefusal),
        sessionShow: Effect.fnUntraced(function* ({ owner, sessionId }) {
          const found = yield* findSession(sessionId, owner)
          const requests = yield* tracker.pendingBySession(found.sessionId)
          return {
            session: sessionView(found),
            requests: requests.map(requestView(moment())),
            memory: retained.heldBy(found.userId)
          }
        }, asRefusal),
        sessionKill: Effect.fnUntraced(function* ({ owner, sessionId }) {
          const found = yield* findSession(sessionId, owner)
          yield* sessions.close(found.sessionId, owner === undefined ? "ended by an operator" : byItsUser("ended"))
          return sessionView(found)
        }, asRefusal),
        serverRestart: Effect.fnUntraced(function* ({ name, user }) {
          const server = settings.current().mcpServers[name]
          if (server === undefined) return yield* serverNotFound(name)
          const owner = user === null ? undefined : yield* findUser(users, user)
          if (owner !== undefined && server.isolation === "shared") {
            return yield* new OperationRefused({
              kind: "ServerShared",
              exitCode: 1,
              message: `All users share the connection to ${name}; restart it for all of them, without --user`
            })
          }
          const restarted = yield* sessions.restart(name, owner?.id)
          audit.operated("server restart", name, owner?.username ?? null)
          return { name, username: owner?.username ?? null, sessions: restarted }
        }, asRefusal),
        requestList: Effect.fnUntraced(function* ({ user }) {
          const pending =
            user === null ? yield* tracker.pending : yield* tracker.pendingByUser((yield* findUser(users, user)).id)
          return pending.map(requestView(moment()))
        }, asRefusal),
        requestCancel: Effect.fnUntraced(function* ({ owner, requestId }) {
          const record = (yield* tracker.pending).find((one) => one.requestId === requestId && isOf(owner, one))
          if (record === undefined) {
            return yield* new OperationRefused({
              kind: "UnknownRequest",
              exitCode: 1,
              message: `No request ${requestId} is in flight; list them with \`mcphub request ls\``
            })
          }
          const view = requestView(moment())(record)
          yield* tracker.endWith(
            record.requestId,
            "cancelled",
            owner === undefined ? "cancelled by an operator" : byItsUser("cancelled")
          )
          return view
        }, asRefusal)
      })
    })
  )

/** The same operations without a running hub: nothing is live, and each of them says so. */
export const AbsentHandlers = (dataDir: string) => {
  const absent = () =>
    Effect.fail(
      new OperationRefused({
        kind: "HubNotRunning",
        exitCode: 3,
        message: `No hub is running on ${dataDir}; start it with \`mcphub start\`, or name its folder with --data`
      })
    )
  return LiveOperations.toLayer({
    hubStatus: absent,
    userStats: absent,
    sessionList: absent,
    sessionStats: absent,
    sessionShow: absent,
    sessionKill: absent,
    serverRestart: absent,
    requestList: absent,
    requestCancel: absent
  })
}
