/**
 * What of a session outlives the process that serves it: enough to build its actor again after a restart, so that a
 * client goes on with the session id it has.
 *
 * A row is found by the digest of (user, key, target, wire id), never by the wire id, which is not in the database at
 * all: whoever holds a session id and the key acts in that session, so the id is a credential like the key, and a
 * reader of the database must not learn it. The digest also makes another user's id, or one for another address,
 * simply unknown. No call, argument or result is ever in a row.
 *
 * `layerMemory` (SessionStoreMemory.ts) and the SQL layer (SessionStoreSql.ts) behave alike. Used by the session
 * registry alone.
 */
import { createHash } from "node:crypto"
import { Context, type Effect } from "effect"
import type { DatabaseUnavailable } from "../identity/IdentityErrors.ts"
import type { KeyId, SessionId, UserId } from "../Ids.ts"
import type { JsonObject } from "../protocol/JsonRpc.ts"

/** A resource the client has subscribed to: by the URI of the server that has it, and by the client's own name for it. */
export interface Subscription {
  readonly server: string
  readonly uri: string
  readonly asked: string
}

/** What the client has said of itself and asked for. */
export interface StoredClient {
  readonly capabilities: JsonObject
  readonly clientInfo: JsonObject
  /** As set by `logging/setLevel`. */
  readonly logLevel?: string | undefined
  readonly subscriptions: ReadonlyArray<Subscription>
}

export interface StoredSession {
  /** See `sessionDigest`. */
  readonly digest: string
  /** The hub's own uuid; it stays the same over restarts, and with it what upstream servers are told of the session. */
  readonly sessionId: SessionId
  readonly userId: UserId
  readonly keyId: KeyId
  /** As `targetText` says it; for operators. */
  readonly target: string
  /** The negotiated revision. */
  readonly protocolVersion: string
  readonly client: StoredClient
  /** The client brought its own id and no initialize. */
  readonly adopted: boolean
  /** Milliseconds since the epoch. */
  readonly createdAt: number
  readonly lastActiveAt: number
}

/** `ended`: it was ended on purpose and its id never comes back. `unknown`: there is none, or it has been idle too long. */
export type Claim =
  | { readonly kind: "found"; readonly session: StoredSession }
  | { readonly kind: "ended" }
  | { readonly kind: "unknown" }

export interface Sweep {
  /** Milliseconds since the epoch: sessions not active since then go. */
  readonly activeSince: number
  /** Ends before this need not be remembered any more. */
  readonly endedSince: number
  /** Rows removed at most. */
  readonly limit: number
}

export class SessionStore extends Context.Service<
  SessionStore,
  {
    /**
     * Writes sessions of the hub `owner` as they are now. The result are the digests that are not its own any more:
     * ended, or claimed by another hub.
     */
    readonly save: (
      owner: string,
      sessions: ReadonlyArray<StoredSession>
    ) => Effect.Effect<ReadonlyArray<string>, DatabaseUnavailable>
    /** The session, if it was active since then; it is the hub's own from now on. */
    readonly claim: (owner: string, digest: string, activeSince: number) => Effect.Effect<Claim, DatabaseUnavailable>
    /** Which of these are not the hub's own any more. */
    readonly disowned: (
      owner: string,
      digests: ReadonlyArray<string>
    ) => Effect.Effect<ReadonlyArray<string>, DatabaseUnavailable>
    /** Ends for good, wherever they live: what was ended is remembered, so that the id never opens a session again. */
    readonly end: (digests: ReadonlyArray<string>) => Effect.Effect<void, DatabaseUnavailable>
    /** Removes those that are the hub's own: their ids are as unknown as if they had never been. */
    readonly forget: (owner: string, digests: ReadonlyArray<string>) => Effect.Effect<void, DatabaseUnavailable>
    /** Removes what is idle too long, what belongs to no valid key and what need not be remembered; returns how many. */
    readonly sweep: (sweep: Sweep) => Effect.Effect<number, DatabaseUnavailable>
  }
>()("mcphub/domain/records/SessionStore") {}

/** The one name of a session in the store. SHA-256: wire ids are random, or need the user's key beside them. */
export const sessionDigest = (userId: UserId, keyId: KeyId, target: string, wireId: string): string =>
  `sha256:${createHash("sha256")
    .update(JSON.stringify([userId, keyId, target, wireId]))
    .digest("hex")}`
