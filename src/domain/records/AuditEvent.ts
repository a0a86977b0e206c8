/**
 * One row of the audit trail: who did what, where, how it ended and how long it took.
 *
 * It names and never quotes: no argument, no result, no key, no token, and no URI of a resource, which may carry a
 * credential in its query.
 */
import { Schema } from "effect"
import { SessionId, UserId } from "../Ids.ts"

/** What clients sent, what servers and clients announced, and what the hub refused for the sake of isolation. */
export const AuditKind = Schema.Literals(["request", "notification", "security"])
export type AuditKind = typeof AuditKind.Type

/** The outcomes of requests, `unknown` of those a killed hub has left, and `refused` of what never became one. */
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
  /** The request id; `event-{uuid}` for what is no request. No two rows share one. */
  id: Schema.String,
  /** When it ended, milliseconds since the epoch. */
  time: Schema.Number,
  kind: AuditKind,
  userId: UserId,
  username: Schema.String,
  keyId: Schema.String,
  /** The hub's own session id, never the client's. */
  sessionId: SessionId,
  /** Where it went; null where the hub answered by itself or put several answers together. */
  server: Schema.NullOr(Schema.String),
  /** The MCP method, or the HTTP method of a refusal. */
  method: Schema.String,
  /** The name of the tool or prompt as the client gave it. */
  target: Schema.NullOr(Schema.String),
  outcome: AuditOutcome,
  /** 0 where the end is unknown. */
  durationMs: Schema.Number,
  errorCode: Schema.NullOr(Schema.Number),
  /** `timeout`, `upstream_failed`, …; for a refusal what was refused, such as `session_owner_mismatch`. */
  errorKind: Schema.NullOr(Schema.String),
  /** Who the error is of; null without an error. */
  origin: Schema.NullOr(Schema.Literals(["hub", "upstream"]))
})
export type AuditEvent = typeof AuditEvent.Type

/** A row as it was written; `seq` grows in the order of writing, over all hubs of a database. */
export interface AuditRow extends AuditEvent {
  readonly seq: number
}
