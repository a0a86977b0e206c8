/** The operations that read the audit trail. */
import { Schema } from "effect"
import * as Rpc from "effect/rpc/Rpc"
import * as RpcGroup from "effect/rpc/RpcGroup"
import { AuditEvent, AuditOutcome } from "../../../domain/records/AuditEvent.ts"
import { OperationRefused } from "./OperationRefused.ts"

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

export class AuditOperations extends RpcGroup.make(
  /** The last rows, or with `after` the first ones written after that row; in the order of writing. */
  Rpc.make("auditTail", {
    payload: {
      /** Name or id; a removed user's id too. */
      user: Schema.NullOr(Schema.String),
      server: Schema.NullOr(Schema.String),
      outcome: Schema.NullOr(AuditOutcome),
      /** Milliseconds since the epoch. */
      since: Schema.NullOr(Schema.Number),
      after: Schema.NullOr(Schema.Number),
      limit: Schema.Number
    },
    success: Schema.Array(AuditView),
    error: OperationRefused
  })
) {}
