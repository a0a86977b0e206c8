/**
 * The requests that take long, written down while they run, with nothing of their arguments: after a hub is killed, the
 * next one finds them here and records that nobody knows how they ended. No such request is ever sent again.
 */
import { Context, type Effect } from "effect"
import type { DatabaseUnavailable } from "../identity/IdentityErrors.ts"
import type { RequestId, SessionId, UserId } from "../Ids.ts"

export interface InFlightRequest {
  readonly requestId: RequestId
  readonly userId: UserId
  readonly username: string
  readonly keyId: string
  readonly sessionId: SessionId
  readonly method: string
  readonly server: string | null
  readonly target: string | null
  /** Milliseconds since the epoch. */
  readonly startedAt: number
}

export interface InFlightChanges {
  readonly started: ReadonlyArray<InFlightRequest>
  readonly ended: ReadonlyArray<RequestId>
}

export class InFlightRequests extends Context.Service<
  InFlightRequests,
  {
    /** Writes changes of the hub `owner`, which also shows that it lives. */
    readonly write: (owner: string, changes: InFlightChanges) => Effect.Effect<void, DatabaseUnavailable>
    /** Removes and returns, for one hub alone, the requests of hubs that have not written since then. */
    readonly takeSilent: (
      owner: string,
      writtenBefore: number
    ) => Effect.Effect<ReadonlyArray<InFlightRequest>, DatabaseUnavailable>
  }
>()("mcphub/domain/records/InFlightRequests") {}
