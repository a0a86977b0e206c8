/**
 * The part of a session that outlives its process: enough to rebuild its actor after a restart, so that a client goes
 * on with the session id it has, and nothing of its calls, arguments or results.
 *
 * A row is found by the digest of (user, key, target, wire id), never by the wire id, which the database does not hold:
 * whoever has a session id and the key acts in that session, so the id is a credential too, and a reader of the
 * database must not learn it. The digest also makes another user's id, or one for another address, simply unknown.
 */
import { createHash } from "node:crypto"
import { Context, type Effect } from "effect"
import type { DatabaseUnavailable } from "../identity/IdentityErrors.ts"
import type { KeyId, SessionId, UserId } from "../Ids.ts"
import type { JsonObject } from "../protocol/JsonRpc.ts"

/** One subscription of the client: the server with its own URI, and the client's name for the resource. */
export interface Subscription {
  readonly server: string
  readonly uri: string
  readonly asked: string
}

export interface StoredClient {
  readonly capabilities: JsonObject
  readonly clientInfo: JsonObject
  readonly logLevel?: string | undefined
  readonly subscriptions: ReadonlyArray<Subscription>
}

export interface StoredSession {
  readonly digest: string
  readonly sessionId: SessionId
  readonly userId: UserId
  readonly keyId: KeyId
  readonly target: string
  readonly protocolVersion: string
  readonly client: StoredClient
  /** Whether the client brought its own id and sent no initialize. */
  readonly adopted: boolean
  /** Milliseconds since the epoch. */
  readonly createdAt: number
  readonly lastActiveAt: number
}

/** `ended`: on purpose, so its id never comes back. `unknown`: there is none, or it has been idle too long. */
export type Claim =
  | { readonly kind: "found"; readonly session: StoredSession }
  | { readonly kind: "ended" }
  | { readonly kind: "unknown" }

export interface Sweep {
  /** Milliseconds since the epoch: sessions last active before this go, and ends before `endedSince` are forgotten. */
  readonly activeSince: number
  readonly endedSince: number
  readonly limit: number
}

export class SessionStore extends Context.Service<
  SessionStore,
  {
    /** Writes sessions of the hub `owner`; returns the digests it no longer owns: ended, or claimed by another hub. */
    readonly save: (
      owner: string,
      sessions: ReadonlyArray<StoredSession>
    ) => Effect.Effect<ReadonlyArray<string>, DatabaseUnavailable>
    /** The session, if it was active since then; this hub owns it from now on. */
    readonly claim: (owner: string, digest: string, activeSince: number) => Effect.Effect<Claim, DatabaseUnavailable>
    readonly disowned: (
      owner: string,
      digests: ReadonlyArray<string>
    ) => Effect.Effect<ReadonlyArray<string>, DatabaseUnavailable>
    /** Ends sessions for good, wherever they live: the store remembers, so their ids never open a session again. */
    readonly end: (digests: ReadonlyArray<string>) => Effect.Effect<void, DatabaseUnavailable>
    /** Removes sessions that the hub owns: their ids become as unknown as if they had never been. */
    readonly forget: (owner: string, digests: ReadonlyArray<string>) => Effect.Effect<void, DatabaseUnavailable>
    /** Removes sessions idle too long or without a valid key, and ends of long ago; returns the number of rows. */
    readonly sweep: (sweep: Sweep) => Effect.Effect<number, DatabaseUnavailable>
  }
>()("mcphub/domain/records/SessionStore") {}

/** The one name of a session in the store. SHA-256: wire ids are random, or need the user's key beside them. */
export const sessionDigest = (userId: UserId, keyId: KeyId, target: string, wireId: string): string =>
  `sha256:${createHash("sha256")
    .update(JSON.stringify([userId, keyId, target, wireId]))
    .digest("hex")}`
