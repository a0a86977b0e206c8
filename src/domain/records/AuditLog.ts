/** The store of the audit trail. */
import { Context, type Effect } from "effect"
import type { AuditEvent, AuditOutcome, AuditRow } from "./AuditEvent.ts"
import type { SessionId, UserId } from "../Ids.ts"
import type { DatabaseUnavailable } from "../identity/IdentityErrors.ts"

export interface AuditQuery {
  readonly userId?: UserId | undefined
  readonly server?: string | undefined
  readonly outcome?: AuditOutcome | undefined
  /** Milliseconds since the epoch: only rows that ended at or after this time. */
  readonly since?: number | undefined
  /** Only rows that ended before this time. */
  readonly until?: number | undefined
  readonly sessionId?: SessionId | undefined
  readonly target?: string | undefined
  /** The first rows written after this one; without it, the last rows there are. */
  readonly after?: number | undefined
  /** Only rows written before this one. */
  readonly before?: number | undefined
  /** The last rows come first. */
  readonly newest?: boolean | undefined
  readonly limit: number
}

export class AuditLog extends Context.Service<
  AuditLog,
  {
    /** Writes all or nothing; rows written before, also by an attempt that seemed to fail, stay as they are. */
    readonly append: (events: ReadonlyArray<AuditEvent>) => Effect.Effect<void, DatabaseUnavailable>
    readonly find: (query: AuditQuery) => Effect.Effect<ReadonlyArray<AuditRow>, DatabaseUnavailable>
    /** Removes days (UTC) that ended `days` or more days before `now`, as `keptFrom` has it; prepares those to come. */
    readonly retain: (now: number, days: number) => Effect.Effect<void, DatabaseUnavailable>
  }
>()("mcphub/domain/records/AuditLog") {}

export const millisPerDay = 86_400_000

export const startOfDay = (time: number): number => Math.floor(time / millisPerDay) * millisPerDay

/** The time before which rows are old. A clock that is far ahead may have dated the last day with rows: `earlier` is of the one before. */
export const keptFrom = (now: number, days: number, earlier: number | undefined): number | undefined =>
  earlier === undefined
    ? undefined
    : Math.min(startOfDay(now), startOfDay(earlier) + millisPerDay) - days * millisPerDay
