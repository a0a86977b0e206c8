/**
 * The live user sessions: the interface the wire and the operators use, whatever holds the actors behind it.
 *
 * A session is found by (user, key, target, wire id) and never by an id alone: another user's id, an ended id and an
 * unknown id are one and the same `SessionNotFound`. `SessionRegistry` is the local layer.
 */
import { Context, type Effect, Schema } from "effect"
import type { KeyId, SessionId, UserId, WireSessionId } from "../domain/Ids.ts"
import type { Principal } from "../domain/Principal.ts"
import type { StoredSession } from "../domain/SessionStore.ts"
import type { JsonObject } from "../domain/protocol/JsonRpc.ts"
import type { SessionVersion } from "../domain/protocol/Versions.ts"
import type { SessionActor } from "./SessionActor.ts"

/** What `/mcp/:target` names: everything the user may reach, one group of theirs, or one server. */
export type Target =
  | { readonly kind: "all" }
  | { readonly kind: "group"; readonly name: string }
  | { readonly kind: "server"; readonly name: string }

export const targetText = (target: Target): string => (target.kind === "all" ? "*" : `${target.kind}:${target.name}`)

export class SessionNotFound extends Schema.TaggedError<SessionNotFound>()("SessionNotFound", {
  message: Schema.String
}) {}

/** The user's cap on sessions, or the drain of a stopping hub: 429/503 with Retry-After. */
export class SessionLimitReached extends Schema.TaggedError<SessionLimitReached>()("SessionLimitReached", {
  message: Schema.String,
  retryAfterSeconds: Schema.Number
}) {}

export class HubDraining extends Schema.TaggedError<HubDraining>()("HubDraining", {
  message: Schema.String,
  retryAfterSeconds: Schema.Number
}) {}

/** Whether there is such a session cannot be said at the moment: 503 with Retry-After. */
export class SessionsUnavailable extends Schema.TaggedError<SessionsUnavailable>()("SessionsUnavailable", {
  message: Schema.String
}) {}

/** Something the process needs runs short: 503 with Retry-After. */
export class HubOverloaded extends Schema.TaggedError<HubOverloaded>()("HubOverloaded", {
  message: Schema.String,
  retryAfterSeconds: Schema.Number
}) {}

export interface UpstreamSummary {
  readonly server: string
  /** `paused`: it has failed so often that the circuit breaker leaves it alone for a while. */
  readonly state: "connecting" | "connected" | "failed" | "paused" | "closed"
  readonly reason?: string | undefined
  /** Paused: milliseconds until the next attempt may be made. */
  readonly retryAfterMs?: number | undefined
  readonly protocolVersion?: string | undefined
}

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

/** `ended`: it was ended on purpose. `unknown`: there is none for this principal and target. */
export type Recovered =
  | { readonly kind: "live"; readonly actor: SessionActor }
  | { readonly kind: "ended" }
  | { readonly kind: "unknown" }

export class Sessions extends Context.Service<
  Sessions,
  {
    readonly open: (
      options: OpenOptions
    ) => Effect.Effect<SessionActor, SessionLimitReached | HubDraining | HubOverloaded>
    /** Takes a place for a session that is opened later; refused as `open` would be. */
    readonly reserve: (
      principal: Principal
    ) => Effect.Effect<SessionPlace, SessionLimitReached | HubDraining | HubOverloaded>
    /** The live session of this very user, key and target, without an effect: the data path's way. */
    readonly find: (principal: Principal, target: Target, wireId: string) => SessionActor | undefined
    /**
     * The session of an id that `find` does not know, built again from what was written down of it: after a restart, or
     * when it was opened in another hub. Two requests at once get one actor.
     */
    readonly recover: (
      principal: Principal,
      target: Target,
      wireId: string
    ) => Effect.Effect<Recovered, SessionLimitReached | HubDraining | HubOverloaded | SessionsUnavailable>
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
    readonly list: Effect.Effect<ReadonlyArray<SessionSummary>>
    readonly size: () => number
    /** The hub is stopping: no new session, no new request. */
    readonly draining: () => boolean
    /**
     * Refuses new sessions, waits for requests in flight up to the limit, closes everything. What was written down of
     * the sessions stays: the next hub goes on with them.
     */
    readonly drain: (limitMs: number) => Effect.Effect<void>
  }
>()("mcphub/actors/Sessions") {}
