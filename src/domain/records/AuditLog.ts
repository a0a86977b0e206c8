/**
 * Where the audit trail is kept. `AuditLogMemory` and `AuditLogSql` behave alike.
 */
import { Context, type Effect } from "effect"
import type { AuditEvent, AuditOutcome, AuditRow } from "./AuditEvent.ts"
import type { UserId } from "../Ids.ts"
import type { DatabaseUnavailable } from "../identity/IdentityErrors.ts"

/** All conditions hold together. */
export interface AuditQuery {
  readonly userId?: UserId | undefined
  readonly server?: string | undefined
  readonly outcome?: AuditOutcome | undefined
  /** Ended at or after this time, milliseconds since the epoch. */
  readonly since?: number | undefined
  /** Written after this row: the first such rows. Without it, the last rows there are. */
  readonly after?: number | undefined
  readonly limit: number
}

export class AuditLog extends Context.Service<
  AuditLog,
  {
    /** Writes all or nothing. What was written before, also by an attempt believed to have failed, is left as it is. */
    readonly append: (events: ReadonlyArray<AuditEvent>) => Effect.Effect<void, DatabaseUnavailable>
    /** In the order of writing. */
    readonly find: (query: AuditQuery) => Effect.Effect<ReadonlyArray<AuditRow>, DatabaseUnavailable>
    /**
     * Removes the days (UTC) that ended `days` or more days before `now`, and prepares the days to come; `now` in
     * milliseconds since the epoch.
     */
    readonly retain: (now: number, days: number) => Effect.Effect<void, DatabaseUnavailable>
  }
>()("mcphub/domain/records/AuditLog") {}

export const millisPerDay = 86_400_000

/** The start of the first day (UTC) that is kept. */
export const keptFrom = (now: number, days: number): number => (Math.floor(now / millisPerDay) - days) * millisPerDay
