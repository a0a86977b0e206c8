/** One running request and the ways it can end. Wire-free: `JsonRpcErrors` decides codes. */
import { Schema } from "effect"
import { RequestId, type SessionId, type UserId } from "../Ids.ts"
import type { Principal } from "../identity/Principal.ts"
import type { Waits } from "./Waits.ts"

export const requestOutcomes = ["completed", "failed", "timedOut", "cancelled", "sessionClosed"] as const
export type RequestOutcome = (typeof requestOutcomes)[number]

/** The reason for an interruption; it becomes the request's outcome. */
export type EndReason = "cancelled" | "sessionClosed"

/** No answer within the limit: the hub told the upstream, and the place is free. */
export class RequestTimeout extends Schema.TaggedError<RequestTimeout>()("RequestTimeout", {
  requestId: RequestId,
  timeoutMs: Schema.Number,
  /** The one that was asked, where it was one. */
  server: Schema.optional(Schema.String),
  message: Schema.String
}) {}

/** The session ended (closed, idle, revoked, shut down) while the request was running. */
export class SessionClosed extends Schema.TaggedError<SessionClosed>()("SessionClosed", {
  requestId: Schema.optional(RequestId),
  reason: Schema.String,
  message: Schema.String
}) {}

export class RequestCancelled extends Schema.TaggedError<RequestCancelled>()("RequestCancelled", {
  requestId: RequestId,
  message: Schema.String
}) {}

/** No running request has this id: it ended already, or never was. */
export class UnknownRequest extends Schema.TaggedError<UnknownRequest>()("UnknownRequest", {
  requestId: Schema.String,
  message: Schema.String
}) {}

/** The caller reported a request tracked by hand as failed; `cause` is what it reported. */
export class RequestFailed extends Schema.TaggedError<RequestFailed>()("RequestFailed", {
  requestId: RequestId,
  message: Schema.String,
  cause: Schema.Unknown
}) {}

/** The ends that the tracker itself gives a request. */
export type RequestEnd = RequestTimeout | RequestCancelled | SessionClosed

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
  /** A place for its row in the audit trail was reserved (`AuditTrail.reserve`); the end of the request takes it up. */
  readonly hasAuditPlace?: boolean | undefined
}

/**
 * The running record: mutable where the request learns more about itself, with a handle on its deadline and where it
 * waits.
 */
export interface RequestRecord extends Waits {
  readonly requestId: RequestId
  readonly userId: UserId
  readonly username: string
  readonly keyId: string
  readonly sessionId: SessionId
  readonly method: string
  readonly kind: "request" | "notification"
  /** Milliseconds since the epoch. */
  readonly startedAt: number
  /** The present deadline, in monotonic milliseconds. */
  readonly deadline: number
  /** The upstream server it went to, once routed. */
  server: string | undefined
  /** The tool, prompt name as exposed (never arguments, never a resource URI). */
  target: string | undefined
  /** The server's own name of the tool that is called, where the server lists it. */
  tool: string | undefined
  /** The error code of the answer, for the log line. Set on an effect that succeeds, it makes the outcome `failed`. */
  errorCode: number | undefined
  /** The kind of error in the answer; from the typed error when absent. */
  errorKind: string | undefined
  /** Moves the deadline to one timeout from now (progress arrived), never past maxTotal. */
  readonly touch: () => void
  /** Changes the timeout once the server is known (per-server options), counted from the start or the last touch. */
  readonly limit: (timeoutMs: number, maxTotalMs?: number) => void
  /**
   * Stops the clock while a human is asked; `resume` restarts it with the time left. Nestable. The hub's hard maximum
   * runs on.
   */
  readonly pause: () => void
  readonly resume: () => void
  /** Somebody is being asked. */
  readonly isPaused: boolean
}

export interface EndedRequest {
  readonly record: RequestRecord
  readonly outcome: RequestOutcome
  /** Monotonic, with a fraction. */
  readonly durationMs: number
  /** Milliseconds since the epoch. */
  readonly endedAt: number
  /** `timeout`, `cancelled`, `session_closed`, `upstream_failed`, `internal`, …; absent when completed. */
  readonly errorKind: string | undefined
}
