/** The operations that show and end things in a running hub: sessions, requests in flight, the hub itself. */
import { Schema } from "effect"
import * as Rpc from "effect/rpc/Rpc"
import * as RpcGroup from "effect/rpc/RpcGroup"
import { waitKinds } from "../../../domain/requests/Waits.ts"
import { OperationRefused } from "./OperationRefused.ts"
import { Owner, UserRef } from "./UserRef.ts"

export const SessionView = Schema.Struct({
  sessionId: Schema.String,
  userId: Schema.String,
  username: Schema.String,
  keyId: Schema.String,
  keyName: Schema.String,
  target: Schema.String,
  protocolVersion: Schema.String,
  client: Schema.Struct({ name: Schema.String, version: Schema.String }),
  adopted: Schema.Boolean,
  /** Whether it began in an earlier run of the hub, or in another hub. */
  recovered: Schema.Boolean,
  state: Schema.String,
  /** ISO 8601, UTC. */
  createdAt: Schema.String,
  lastActiveAt: Schema.String,
  inFlight: Schema.Number,
  streams: Schema.Number,
  upstreams: Schema.Array(
    Schema.Struct({
      server: Schema.String,
      state: Schema.String,
      reason: Schema.NullOr(Schema.String),
      /** Milliseconds until the next attempt on a paused server. */
      retryAfterMs: Schema.NullOr(Schema.Number),
      protocolVersion: Schema.NullOr(Schema.String)
    })
  )
})
export type SessionView = typeof SessionView.Type

/** Where a request waits. Of the user's share before it has an id, and of its body's turn, nothing is told here. */
export const WhyView = Schema.Struct({
  kind: Schema.Literals(waitKinds),
  /** The server it is about. */
  server: Schema.NullOr(Schema.String),
  /** How far the connection has come. */
  stage: Schema.NullOr(Schema.String),
  /** ISO 8601, UTC. */
  since: Schema.String,
  forMs: Schema.Number,
  /** When the wait ends by itself. */
  until: Schema.NullOr(Schema.String),
  /** Milliseconds since the server last said something about it: progress, or a line of its log. */
  heardMs: Schema.NullOr(Schema.Number)
})
export type WhyView = typeof WhyView.Type

export const RequestView = Schema.Struct({
  requestId: Schema.String,
  username: Schema.String,
  sessionId: Schema.String,
  method: Schema.String,
  server: Schema.NullOr(Schema.String),
  target: Schema.NullOr(Schema.String),
  startedAt: Schema.String,
  ageMs: Schema.Number,
  why: WhyView
})
export type RequestView = typeof RequestView.Type

/** Totals of one user's requests since the hub started; times in milliseconds. */
export const UserStatsView = Schema.Struct({
  userId: Schema.String,
  /** `null` when the user is gone. */
  username: Schema.NullOr(Schema.String),
  count: Schema.Number,
  pending: Schema.Number,
  errors: Schema.Number,
  errorsByKind: Schema.Record(Schema.String, Schema.Number),
  errorRate: Schema.Number,
  meanMs: Schema.Number,
  p50Ms: Schema.Number,
  p95Ms: Schema.Number,
  p99Ms: Schema.Number
})

export const HubView = Schema.Struct({
  pid: Schema.Number,
  url: Schema.String,
  version: Schema.String,
  startedAt: Schema.String,
  users: Schema.Number,
  sessions: Schema.Number,
  pending: Schema.Number,
  requests: Schema.Number,
  errorRate: Schema.Number,
  p95Ms: Schema.Number,
  byUser: Schema.Array(UserStatsView)
})
export type HubView = typeof HubView.Type

const Share = Schema.Struct({ name: Schema.String, sessions: Schema.Number })

/** The live sessions in numbers, and how it went with those of this run of the hub. */
export const SessionStatsView = Schema.Struct({
  sessions: Schema.Number,
  active: Schema.Number,
  idle: Schema.Number,
  /** Of these, under a label that the client invented, and begun in an earlier run or another hub. */
  adopted: Schema.Number,
  recovered: Schema.Number,
  streams: Schema.Number,
  inFlight: Schema.Number,
  /** ISO 8601, UTC; null without sessions. */
  oldestAt: Schema.NullOr(Schema.String),
  /** With the most sessions first. */
  byUser: Schema.Array(
    Schema.Struct({
      userId: Schema.String,
      username: Schema.String,
      sessions: Schema.Number,
      inFlight: Schema.Number,
      streams: Schema.Number
    })
  ),
  byTarget: Schema.Array(Share),
  byClient: Schema.Array(Share),
  byRevision: Schema.Array(Share),
  /** Sessions that ended since the start, and how long they lived on average, in milliseconds. */
  ended: Schema.Number,
  meanLifeMs: Schema.Number
})
export type SessionStatsView = typeof SessionStatsView.Type

const session = { sessionId: Schema.String, owner: Owner }

export class LiveOperations extends RpcGroup.make(
  Rpc.make("hubStatus", { success: HubView, error: OperationRefused }),
  Rpc.make("userStats", { payload: { user: UserRef }, success: UserStatsView, error: OperationRefused }),
  Rpc.make("sessionList", {
    payload: { user: Schema.NullOr(UserRef) },
    success: Schema.Array(SessionView),
    error: OperationRefused
  }),
  Rpc.make("sessionStats", {
    payload: { user: Schema.NullOr(UserRef) },
    success: SessionStatsView,
    error: OperationRefused
  }),
  Rpc.make("sessionShow", {
    payload: session,
    success: Schema.Struct({
      session: SessionView,
      requests: Schema.Array(RequestView),
      /** Bytes kept in memory for the session's user, over all their sessions, by kind. */
      memory: Schema.Record(Schema.String, Schema.Number)
    }),
    error: OperationRefused
  }),
  /** Answers once the session and everything it held is gone. */
  Rpc.make("sessionKill", { payload: session, success: SessionView, error: OperationRefused }),
  /** Answers once the connections and child processes are gone. */
  Rpc.make("serverRestart", {
    payload: { name: Schema.String, user: Schema.NullOr(UserRef) },
    success: Schema.Struct({ name: Schema.String, username: Schema.NullOr(Schema.String), sessions: Schema.Number }),
    error: OperationRefused
  }),
  Rpc.make("requestList", {
    payload: { user: Schema.NullOr(UserRef) },
    success: Schema.Array(RequestView),
    error: OperationRefused
  }),
  Rpc.make("requestCancel", {
    payload: { requestId: Schema.String, owner: Owner },
    success: RequestView,
    error: OperationRefused
  })
) {}
