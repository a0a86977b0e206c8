/**
 * Every MCP request and notification of every user, from its start to exactly one outcome.
 *
 * `track` brackets an effect: it mints the request id, registers the record, runs the effect under the deadline and
 * ends the record as completed, failed, timedOut, cancelled or sessionClosed. The release notes' verbs stand beside it
 * for embedders. Statistics are exact per user. Deadlines use the monotonic clock and are re-checked after a stall.
 */
import { Context, type Effect, type Option, Schema } from "effect"
import { RequestId, type SessionId, type UserId } from "../domain/Ids.ts"
import type { Principal } from "../domain/Principal.ts"

export type RequestOutcome = "completed" | "failed" | "timedOut" | "cancelled" | "sessionClosed"

/** Why a request is being interrupted; becomes its outcome. */
export type EndReason = "cancelled" | "sessionClosed"

/** No answer within the limit: the upstream was told, the slot is free. */
export class RequestTimeout extends Schema.TaggedError<RequestTimeout>()("RequestTimeout", {
  requestId: RequestId,
  timeoutMs: Schema.Number,
  message: Schema.String
}) {}

/** The session ended (closed, idle, revoked, shut down) while the request was running. */
export class SessionClosed extends Schema.TaggedError<SessionClosed>()("SessionClosed", {
  requestId: Schema.optional(RequestId),
  reason: Schema.String,
  message: Schema.String
}) {}

/** The client cancelled the request. */
export class RequestCancelled extends Schema.TaggedError<RequestCancelled>()("RequestCancelled", {
  requestId: RequestId,
  message: Schema.String
}) {}

export class UnknownRequest extends Schema.TaggedError<UnknownRequest>()("UnknownRequest", {
  requestId: Schema.String,
  message: Schema.String
}) {}

export interface TrackOptions {
  readonly principal: Principal
  readonly sessionId: SessionId
  readonly method: string
  /** "request" is measured against a deadline; "notification" too, but has no answer. */
  readonly kind: "request" | "notification"
  /** Milliseconds until the deadline; the hub's default when absent. */
  readonly timeoutMs?: number | undefined
  /** Milliseconds no reset of the deadline can exceed. */
  readonly maxTotalMs?: number | undefined
}

/** The running record: mutable where the request learns more about itself, and the handle on its deadline. */
export interface RequestRecord {
  readonly requestId: RequestId
  readonly userId: UserId
  readonly username: string
  readonly keyId: string
  readonly sessionId: SessionId
  readonly method: string
  readonly kind: "request" | "notification"
  /** Milliseconds since the epoch. */
  readonly startedAt: number
  /** The upstream server it went to, once routed. */
  server: string | undefined
  /** The tool, prompt name as exposed (never arguments, never a resource URI). */
  target: string | undefined
  /** The error code answered, for the log line. */
  errorCode: number | undefined
  errorKind: string | undefined
  /** Pushes the deadline back by the timeout from now (progress arrived), never past maxTotal. */
  readonly touch: () => void
  /** Changes the timeout once the server is known (per-server options), counted from the start. */
  readonly limit: (timeoutMs: number, maxTotalMs?: number) => void
  /** Stops the clock while a human is asked; `resume` restarts what was left. Nestable. */
  readonly pause: () => void
  readonly resume: () => void
}

export interface EndedRequest {
  readonly record: RequestRecord
  readonly outcome: RequestOutcome
  readonly durationMs: number
}

export interface UserStats {
  readonly userId: UserId
  readonly count: number
  readonly pending: number
  readonly errors: number
  /** Errors by kind: `timeout`, `cancelled`, `upstream_failed`, … */
  readonly errorsByKind: Readonly<Record<string, number>>
  /** errors / count, 0 when nothing has ended. */
  readonly errorRate: number
  /** Milliseconds. */
  readonly meanMs: number
  readonly p50Ms: number
  readonly p95Ms: number
  readonly p99Ms: number
}

export interface SystemStats extends Omit<UserStats, "userId"> {
  readonly users: number
  readonly sessions: number
  readonly lateResponses: number
}

export class RequestTracker extends Context.Service<
  RequestTracker,
  {
    /**
     * Runs an effect as one tracked request. Interrupting the fiber ends it as the reason given to `endWith` before,
     * `cancelled` otherwise. The typed error replaces the interruption only where `endWith` gave the reason.
     */
    readonly track: <A, E, R>(
      options: TrackOptions,
      use: (record: RequestRecord) => Effect.Effect<A, E, R>
    ) => Effect.Effect<A, E | RequestTimeout | RequestCancelled | SessionClosed, R>
    /** Ends a running request from outside with a typed reason: interrupts its effect, resolves when that is done. */
    readonly endWith: (requestId: RequestId, reason: EndReason, detail: string) => Effect.Effect<void, UnknownRequest>
    /** The release notes' verbs (R2): a request tracked by hand. */
    readonly trackRequest: (options: TrackOptions) => Effect.Effect<{
      readonly requestId: RequestId
      readonly result: Effect.Effect<unknown, RequestTimeout | RequestCancelled | SessionClosed | RequestFailed>
    }>
    readonly completeRequest: (requestId: string, result: unknown) => Effect.Effect<void, UnknownRequest>
    readonly failRequest: (requestId: string, error: unknown) => Effect.Effect<void, UnknownRequest>
    /** Ends all requests of a session or user as `sessionClosed`; resolves with their number when all have ended. */
    readonly cleanupSession: (sessionId: SessionId, detail?: string) => Effect.Effect<number>
    readonly cleanupUser: (userId: UserId, detail?: string) => Effect.Effect<number>
    readonly pending: Effect.Effect<ReadonlyArray<RequestRecord>>
    readonly pendingByUser: (userId: UserId) => Effect.Effect<ReadonlyArray<RequestRecord>>
    readonly pendingBySession: (sessionId: SessionId) => Effect.Effect<ReadonlyArray<RequestRecord>>
    readonly find: (requestId: string) => Effect.Effect<Option.Option<RequestRecord>>
    readonly userStats: (userId: UserId) => Effect.Effect<UserStats>
    readonly allUserStats: Effect.Effect<ReadonlyArray<UserStats>>
    readonly systemStats: Effect.Effect<SystemStats>
    /** An answer arrived after its request had ended: dropped and counted. */
    readonly lateResponse: (server: string) => void
  }
>()("mcphub/actors/RequestTracker") {}

export class RequestFailed extends Schema.TaggedError<RequestFailed>()("RequestFailed", {
  requestId: RequestId,
  message: Schema.String,
  cause: Schema.Unknown
}) {}
