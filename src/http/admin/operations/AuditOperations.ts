/** The operations that read the audit trail. */
import { Schema } from "effect"
import * as Rpc from "effect/rpc/Rpc"
import * as RpcGroup from "effect/rpc/RpcGroup"
import { AuditEvent, AuditOutcome } from "../../../domain/records/AuditEvent.ts"
import { OperationRefused } from "./OperationRefused.ts"
import { UserRef } from "./UserRef.ts"

export const AuditView = Schema.Struct({
  /** Grows in the order of writing. */
  seq: Schema.Number,
  ...AuditEvent.fields,
  userId: Schema.String,
  sessionId: Schema.String,
  /** ISO 8601, UTC. */
  time: Schema.String
})
export type AuditView = typeof AuditView.Type

export const AuditFilter = Schema.Struct({
  session: Schema.optional(Schema.String),
  server: Schema.optional(Schema.String),
  /** The tool, prompt or whatever else the row is about. */
  target: Schema.optional(Schema.String),
  outcome: Schema.optional(AuditOutcome),
  /** Milliseconds since the epoch: rows of what ended then or later, and before then. */
  since: Schema.optional(Schema.Number),
  until: Schema.optional(Schema.Number)
})

export class AuditOperations extends RpcGroup.make(
  /** The last rows, or with `after` the first ones written after that row; in the order of writing. */
  Rpc.make("auditTail", {
    payload: {
      /** Name or id; a removed user's id too. */
      user: Schema.NullOr(UserRef),
      server: Schema.NullOr(Schema.String),
      outcome: Schema.NullOr(AuditOutcome),
      /** Milliseconds since the epoch. */
      since: Schema.NullOr(Schema.Number),
      after: Schema.NullOr(Schema.Number),
      limit: Schema.Number
    },
    success: Schema.Array(AuditView),
    error: OperationRefused
  }),
  /** Rows that fit, the newest first; with `before` those written before that row. */
  Rpc.make("auditFind", {
    payload: {
      ...AuditFilter.fields,
      /** As in `auditTail`. */
      user: Schema.optional(UserRef),
      before: Schema.optional(Schema.Number),
      limit: Schema.Number
    },
    success: Schema.Array(AuditView),
    error: OperationRefused
  })
) {}
