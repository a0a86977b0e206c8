/**
 * A user session as those outside see it: the options that open one, its place among its user's, its summary for
 * operators.
 */
import type { KeyId, SessionId, UserId, WireSessionId } from "../../domain/Ids.ts"
import type { Principal } from "../../domain/identity/Principal.ts"
import type { Target } from "../../domain/access/Target.ts"
import type { UpstreamSummary } from "../upstream/links/UpstreamLinks.ts"
import type { StoredSession } from "../../domain/records/SessionStore.ts"
import type { JsonObject } from "../../domain/protocol/JsonRpc.ts"
import type { SessionVersion } from "../../domain/protocol/Versions.ts"

export interface SessionSummary {
  readonly sessionId: SessionId
  readonly userId: UserId
  readonly username: string
  readonly keyId: KeyId
  readonly keyName: string
  readonly target: string
  readonly protocolVersion: string
  readonly client: { readonly name: string; readonly version: string }
  /** The client brought its own id and no initialize. */
  readonly adopted: boolean
  /** It began in an earlier run of the hub, or in another hub. */
  readonly recovered: boolean
  readonly state: "active" | "idle"
  /** Milliseconds since the epoch. */
  readonly createdAt: number
  readonly lastActiveAt: number
  readonly inFlight: number
  readonly streams: number
  readonly upstreams: ReadonlyArray<UpstreamSummary>
}

export interface OpenOptions {
  readonly principal: Principal
  readonly target: Target
  readonly protocolVersion: SessionVersion
  readonly capabilities: JsonObject
  readonly clientInfo: JsonObject
  /** A label the client brought (R35); minted when absent. */
  readonly adopt?: WireSessionId | undefined
  /** What an earlier run of the hub has left of it, under the id the client has. */
  readonly recovered?: { readonly wireId: WireSessionId; readonly session: StoredSession } | undefined
  /**
   * The HTTP+SSE transport: the id under which the event stream was opened, and the place it has held since. Such a
   * session is never longer than its stream: it is not written down, and `find` does not know it.
   */
  readonly streamed?: { readonly wireId: WireSessionId; readonly place: SessionPlace } | undefined
}

/** A place among the sessions that a user may have. */
export interface SessionPlace {
  /** Gives it back; once is enough, and the session that took it does so, too. */
  readonly leave: () => void
}
