/**
 * The requests that take long, written down while they run: when a hub is killed, what it was doing stands here, and
 * the next one records that nobody knows how it ended. No such request is ever sent again.
 *
 * Only what an operator needs to follow a request is kept, and nothing of its arguments. `layerMemory`
 * (InFlightRequestsMemory.ts) and the SQL layer (InFlightRequestsSql.ts) behave alike.
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
  /** The tool or prompt as exposed. */
  readonly target: string | null
  /** Milliseconds since the epoch. */
  readonly startedAt: number
}

/** What has changed since the last time. */
export interface InFlightChanges {
  readonly started: ReadonlyArray<InFlightRequest>
  readonly ended: ReadonlyArray<RequestId>
}

export class InFlightRequests extends Context.Service<
  InFlightRequests,
  {
    /** Writes changes of the hub `owner`, and that it lives. */
    readonly write: (owner: string, changes: InFlightChanges) => Effect.Effect<void, DatabaseUnavailable>
    /** Takes away, for one hub alone, what hubs were doing that have not written since then. */
    readonly takeSilent: (
      owner: string,
      writtenBefore: number
    ) => Effect.Effect<ReadonlyArray<InFlightRequest>, DatabaseUnavailable>
  }
>()("mcphub/domain/records/InFlightRequests") {}
