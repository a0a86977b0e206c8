/**
 * The live user sessions: the interface the wire and the operators use, whatever holds the actors behind it.
 *
 * A session is found by (user, key, target, wire id) and never by an id alone: another user's id, an ended id and an
 * unknown id are one and the same `SessionNotFound`. `SessionRegistry` is the local layer.
 */
import { Context, type Effect } from "effect"
import type { SessionId, UserId } from "../../domain/Ids.ts"
import type { Principal } from "../../domain/identity/Principal.ts"
import type { SessionActor } from "../session/SessionActor.ts"
import type { SessionSummary, OpenOptions, SessionPlace } from "../session/Session.ts"
import type { Target } from "../../domain/access/Target.ts"
import type { SessionNotFound, SessionRefused } from "../../domain/requests/SessionErrors.ts"

/** `ended`: it was ended on purpose. `unknown`: there is none for this principal and target. */
export type Recovered =
  | { readonly kind: "live"; readonly actor: SessionActor }
  | { readonly kind: "ended" }
  | { readonly kind: "unknown" }

export class Sessions extends Context.Service<
  Sessions,
  {
    readonly open: (options: OpenOptions) => Effect.Effect<SessionActor, SessionRefused>
    /** Takes a place for a session that is opened later; refused as `open` would be. */
    readonly reserve: (principal: Principal) => Effect.Effect<SessionPlace, SessionRefused>
    /** The live session of this very user, key and target, without an effect: the data path's way. */
    readonly find: (principal: Principal, target: Target, wireId: string) => SessionActor | undefined
    /**
     * The session of an id that `find` does not know, built again from what was written down of it: after a restart, or
     * when it was opened in another hub. Two requests at once get one actor.
     */
    readonly recover: (principal: Principal, target: Target, wireId: string) => Effect.Effect<Recovered, SessionRefused>
    /** Whether this wire id named a session of this principal that has ended: it is never adopted again. */
    readonly ended: (principal: Principal, target: Target, wireId: string) => boolean
    /**
     * The session of another user that lives under this wire id, which the hub minted: nobody comes by it honestly. Ids
     * that clients invent are labels and may be anybody's.
     */
    readonly foreign: (principal: Principal, wireId: string) => SessionId | undefined
    /** Ends a session: interrupts its requests, closes its scope, resolves when everything is gone. */
    readonly close: (sessionId: SessionId, reason: string) => Effect.Effect<void, SessionNotFound>
    readonly closeUser: (userId: UserId, reason: string) => Effect.Effect<number>
    readonly closeKey: (keyId: string, reason: string) => Effect.Effect<number>
    /** Ends every connection to a server, one user's or all; succeeds with the number of sessions that had one. */
    readonly restart: (server: string, userId: UserId | undefined) => Effect.Effect<number>
    readonly list: Effect.Effect<ReadonlyArray<SessionSummary>>
    /** One user's own. */
    readonly listOf: (userId: UserId) => Effect.Effect<ReadonlyArray<SessionSummary>>
    readonly size: () => number
    /** The hub is stopping: no new session, no new request. */
    readonly draining: () => boolean
    /**
     * Refuses new sessions, waits for requests in flight up to the limit, closes everything. What was written down of
     * the sessions stays: the next hub goes on with them.
     */
    readonly drain: (limitMs: number) => Effect.Effect<void>
  }
>()("mcphub/actors/registry/Sessions") {}
