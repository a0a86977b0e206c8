/**
 * One row of the audit trail: who did what, where, how it ended and how long it took (times in milliseconds). It names
 * and never quotes: no argument, result, key, token, or URI of a resource, whose query may hold a credential.
 */
import { Schema } from "effect"
import { SessionId, UserId } from "../Ids.ts"

export const AuditKind = Schema.Literals(["request", "notification", "security", "operation"])
export type AuditKind = typeof AuditKind.Type

/** Outcomes: `unknown` for requests that a killed hub left, `refused` for what no request came of. */
export const auditOutcomes = [
  "completed",
  "failed",
  "timedOut",
  "cancelled",
  "sessionClosed",
  "unknown",
  "refused"
] as const
export const AuditOutcome = Schema.Literals(auditOutcomes)
export type AuditOutcome = typeof AuditOutcome.Type

export const AuditEvent = Schema.Struct({
  /** The request id; `event-{uuid}` without a request. No two rows share one. */
  id: Schema.String,
  time: Schema.Number,
  kind: AuditKind,
  userId: UserId,
  username: Schema.String,
  keyId: Schema.String,
  sessionId: SessionId,
  /** Null where the hub answered by itself or combined several answers. */
  server: Schema.NullOr(Schema.String),
  /** The MCP method, the HTTP method of a security event, an operator's command, or `sign-in` and the way of it. */
  method: Schema.String,
  /** What was called; of a sign-in the address it came from. */
  target: Schema.NullOr(Schema.String),
  outcome: AuditOutcome,
  durationMs: Schema.Number,
  errorCode: Schema.NullOr(Schema.Number),
  /** `timeout`, `upstream_failed`, …; for a security event its kind, such as `session_owner_mismatch` or `signed_in`. */
  errorKind: Schema.NullOr(Schema.String),
  origin: Schema.NullOr(Schema.Literals(["hub", "upstream"]))
})
export type AuditEvent = typeof AuditEvent.Type

/** A stored row; `seq` grows in the order of writing, over all hubs of a database. */
export interface AuditRow extends AuditEvent {
  readonly seq: number
}
