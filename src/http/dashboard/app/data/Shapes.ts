/** The shapes of the API's answers, as far as pages show them. */

export interface KeyRow {
  readonly id: string
  readonly name: string
  readonly isActive: boolean
  readonly createdAt: string
  readonly expiresAt: string
  readonly ending: "ending" | "ended" | null
  readonly lastUsedAt: string | null
  readonly usageCount: number
}

export interface NewKey {
  readonly id: string
  readonly name: string
  /** Shown once, and kept nowhere. */
  readonly key: string
  readonly expiresAt: string
}

export interface TokenRow {
  readonly name: string
  readonly ofUser?: boolean
  readonly keyIds?: ReadonlyArray<string>
  readonly updatedAt?: string | null
}

export interface UpstreamRow {
  readonly server: string
  readonly state: string
  readonly reason: string | null
  readonly retryAfterMs?: number | null
  readonly protocolVersion: string | null
}

export interface SessionRow {
  readonly sessionId: string
  readonly userId: string
  readonly username: string
  readonly keyName: string
  readonly target: string
  readonly protocolVersion: string
  readonly client: { readonly name: string; readonly version: string }
  readonly state: string
  readonly createdAt: string
  readonly lastActiveAt: string
  readonly inFlight: number
  readonly streams: number
  readonly upstreams: ReadonlyArray<UpstreamRow>
}

export interface RequestRow {
  readonly requestId: string
  readonly username: string
  readonly sessionId: string
  readonly method: string
  readonly server: string | null
  readonly target: string | null
  readonly startedAt: string
  readonly ageMs: number
  readonly why?: Why
}

/** The place where a request waits. */
export interface Why {
  readonly kind: string
  readonly server?: string | null
  readonly stage?: string | null
  readonly forMs: number
  readonly until?: string | null
  readonly heardMs?: number | null
}

export interface SessionDetail {
  readonly session: SessionRow
  readonly requests: ReadonlyArray<RequestRow>
  readonly memory: Readonly<Record<string, number>>
}

export interface AuditRow {
  readonly seq: number
  readonly time: string
  readonly userId: string
  readonly sessionId: string
  readonly username?: string | null
  readonly method: string
  readonly server?: string | null
  readonly target?: string | null
  readonly outcome: string
  readonly errorKind?: string | null
  readonly durationMs?: number | null
}

export interface MyServerRow {
  readonly name: string
  readonly state: string
  readonly reason?: string | null
  /** Tokens without which it does not work for me. */
  readonly missing?: ReadonlyArray<string>
}

/** A browser in which the viewer is signed in. */
export interface SignInRow {
  readonly id: string
  readonly way: string
  readonly userAgent: string | null
  readonly lastSeenAt: string | number
  readonly expiresAt: string | number
  readonly isThis: boolean
}

export interface UserStats {
  readonly userId: string
  readonly username: string | null
  readonly count: number
  readonly pending: number
  readonly errors: number
  readonly errorRate: number
  readonly p50Ms: number
  readonly p95Ms: number
  readonly p99Ms: number
}

/** The hub's figures since its start. */
export interface HubStats {
  readonly users: number
  readonly sessions: number
  readonly pending: number
  readonly requests: number
  readonly errorRate: number
  readonly p95Ms: number
  readonly byUser: ReadonlyArray<UserStats>
}

export interface Trouble {
  readonly username: string | null
  readonly state: string
  readonly reason: string | null
  readonly forMs: number
  readonly retryMs: number | null
}

export interface ServerRow {
  readonly name: string
  readonly type: string
  readonly state: string
  readonly why: string | null
  readonly reason: string | null
  readonly connections: number
  readonly tools: number | null
  readonly troubles: ReadonlyArray<Trouble>
  readonly errors: ReadonlyArray<{ readonly kind: string; readonly count: number; readonly agoMs: number }>
  readonly oddities: ReadonlyArray<string>
  readonly stage?: string | null
  readonly since?: string | null
  readonly nextAttempt?: string | null
  readonly lastLines?: ReadonlyArray<string>
}

export interface ServerTest {
  readonly outcome: "ok" | "failed" | "needs-credential" | "disabled"
  readonly reason: string | null
  readonly protocolVersion: string | null
  readonly tools: ReadonlyArray<{ readonly name: string; readonly description: string | null }>
  readonly durationMs: number
}

export interface UserRow {
  readonly id: string
  readonly username: string
  readonly isAdmin: boolean
  readonly isActive: boolean
  readonly role?: "admin" | "auditor" | "user"
  readonly createdAt: string
}

export interface GroupRow {
  readonly id: string
  readonly name: string
  readonly username: string
  readonly isActive: boolean
  readonly servers: ReadonlyArray<string>
  readonly unknownServers: ReadonlyArray<string>
  readonly tools: ReadonlyArray<string> | null
}

export interface ServerDetail {
  readonly name: string
  /** Its entry in the settings, with secrets masked. */
  readonly config: Readonly<Record<string, unknown>>
}
