/**
 * The messages of the event stream, as the hub sends and pages read them: one `snapshot`, then a `delta` each second. A
 * reader that has not taken the last one gets a `snapshot` again in its place. Times are ISO 8601 in UTC and change only
 * when what they tell of does, so that what stays as it is is not sent again.
 */
import type { WaitKind } from "../../../domain/requests/Waits.ts"

export interface LiveUpstream {
  readonly server: string
  readonly state: "connecting" | "connected" | "failed" | "paused" | "closed"
  readonly reason: string | null
  /** Paused: when the next attempt may be made. */
  readonly nextAttempt: string | null
  readonly protocolVersion: string | null
}

export interface LiveSession {
  readonly sessionId: string
  readonly userId: string
  readonly username: string
  readonly keyId: string
  readonly keyName: string
  readonly target: string
  readonly protocolVersion: string
  readonly client: { readonly name: string; readonly version: string }
  readonly adopted: boolean
  readonly recovered: boolean
  readonly state: "active" | "idle"
  readonly createdAt: string
  readonly lastActiveAt: string
  readonly inFlight: number
  readonly streams: number
  readonly upstreams: ReadonlyArray<LiveUpstream>
}

export interface LiveRequest {
  readonly requestId: string
  readonly userId: string
  readonly username: string
  readonly sessionId: string
  readonly method: string
  readonly server: string | null
  readonly target: string | null
  readonly startedAt: string
  readonly why: {
    readonly kind: WaitKind
    readonly server: string | null
    /** How far a connection has come. */
    readonly stage: string | null
    readonly since: string
    readonly until: string | null
    /** When the server last reported progress, or logged. */
    readonly heardAt: string | null
  }
}

/** A user for whom a server does not work; to that user the same without a name. */
export interface LiveTrouble {
  /** `null` where all users share the server. */
  readonly username: string | null
  readonly state: string
  readonly reason: string | null
  readonly since: string
  readonly nextAttempt: string | null
}

export interface LiveServer {
  readonly name: string
  readonly type: string
  /** For all: `unknown`, `connecting`, `connected`, `failed` or `disabled`. For a user: their own state of it. */
  readonly state: string
  /** Connecting: how far that has come. */
  readonly stage: string | null
  readonly why: string | null
  readonly reason: string | null
  readonly since: string | null
  readonly nextAttempt: string | null
  readonly connections: number
  readonly tools: number | null
  /** Empty in a user's own stream. */
  readonly troubles: ReadonlyArray<LiveTrouble>
  /** The last lines its process wrote to stderr before it failed; empty in a user's own stream. */
  readonly lastLines: ReadonlyArray<string>
}

/** Of the last minute, or of as much of it as the hub has been looked at. */
export interface LiveCounters {
  readonly sessions: number
  readonly inFlight: number
  /** Requests that wait for their user's share, before they have an id; 0 in a user's own stream. */
  readonly waiting: number
  readonly overMs: number
  readonly count: number
  readonly errors: number
  readonly perSecond: number
  /** Milliseconds, to a twentieth; `null` where nothing has ended. */
  readonly p50Ms: number | null
  readonly p95Ms: number | null
  readonly p99Ms: number | null
}

/** What the stream leaves out because there is too much of it. */
export interface LiveOmitted {
  readonly sessions: number
  readonly requests: number
}

export interface LiveSnapshot {
  readonly at: string
  readonly sessions: ReadonlyArray<LiveSession>
  readonly requests: ReadonlyArray<LiveRequest>
  readonly servers: ReadonlyArray<LiveServer>
  readonly counters: LiveCounters
  readonly omitted: LiveOmitted
}

/** `set`: new or changed ones, whole; `gone`: ids of those that are no more. */
export interface LiveChanges<A> {
  readonly set: ReadonlyArray<A>
  readonly gone: ReadonlyArray<string>
}

export interface LiveDelta {
  readonly at: string
  readonly sessions: LiveChanges<LiveSession>
  readonly requests: LiveChanges<LiveRequest>
  readonly servers: LiveChanges<LiveServer>
  readonly counters: LiveCounters
  readonly omitted: LiveOmitted
}
