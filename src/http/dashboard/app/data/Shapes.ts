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
  readonly current?: boolean
}
