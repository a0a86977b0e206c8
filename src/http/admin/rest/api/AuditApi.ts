/** The shapes of the audit trail: one query for a user's own rows and for everybody's. */
import { Schema } from "effect"
import { AuditOutcome } from "../../../../domain/records/AuditEvent.ts"
import { AuditView } from "../../operations/AuditOperations.ts"
import { Id, Page, pageQuery, Text, Time } from "./Shapes.ts"

export const auditFilter = {
  session: Schema.optional(Id),
  server: Schema.optional(Text),
  /** The name of a tool, a prompt, or whatever else a row is about. */
  tool: Schema.optional(Text),
  outcome: Schema.optional(AuditOutcome),
  /** Of what ended then or later. */
  since: Schema.optional(Time),
  /** Of what ended before then. */
  until: Schema.optional(Time)
}

export const auditQuery = { ...auditFilter, ...pageQuery }

export const AuditPage = Page(AuditView)
