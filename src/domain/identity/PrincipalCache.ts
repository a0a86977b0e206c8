/**
 * The memory of `Principals`: principals by the digest of their key, digests that opened nothing, the keys seen, and
 * the uses not yet written down. Plain state with synchronous operations, so that the data path needs no effect.
 */
import type { KeyId, UserId } from "../Ids.ts"
import type { KeyUse } from "./HubKeys.ts"
import type { KeyOwner, Principal } from "./Principal.ts"
import type { KeyEvent } from "./KeyEvents.ts"
import { KeyState } from "./Standing.ts"

export interface SeenKey {
  readonly keyId: KeyId
  readonly userId: UserId
  /** Milliseconds since the epoch at which the key must be checked again: its expiry as last read. */
  readonly checkAt: number
}

interface Seen extends SeenKey {
  readonly state: KeyState
}

interface Entry {
  readonly principal: Principal
  /** Monotonic. */
  readonly until: number
}

/** Two readings of one moment: setting the wall clock must not change how long an answer is believed. */
export interface Moment {
  /** Milliseconds since the epoch. */
  readonly wall: number
  /** Milliseconds that only go forward. */
  readonly mono: number
}

/** Milliseconds a principal may be served without asking the database. */
export const timeToLive = 30_000

/** Milliseconds a rejection is remembered, so that one wrong key does not read the database on every request. */
export const rejectionTimeToLive = 5_000

const maxRejected = 10_000

export class PrincipalCache {
  readonly #entries = new Map<string, Entry>()
  readonly #digests = new Map<UserId, Set<string>>()
  readonly #rejected = new Map<string, number>()
  readonly #seen = new Map<UserId, Map<KeyId, Seen>>()
  #uses = new Map<KeyId, { count: number; lastUsedAt: number }>()
  /** Grows with every announced change; a read that began before one may be stale. */
  generation = 0

  /**
   * The principal while its entry is fresh and the key has not expired. Counts as one use, unless the caller asks
   * `again`.
   */
  get(digest: string, now: Moment, again = false): Principal | undefined {
    const entry = this.#entries.get(digest)
    if (entry === undefined) return undefined
    if (now.mono >= entry.until || now.wall >= entry.principal.expiresAt) {
      this.#drop(digest, entry.principal.userId)
      return undefined
    }
    if (!again) this.use(entry.principal.keyId, now.wall)
    return entry.principal
  }

  isRejected(digest: string, { mono }: Moment): boolean {
    const until = this.#rejected.get(digest)
    if (until === undefined) return false
    if (mono < until) return true
    this.#rejected.delete(digest)
    return false
  }

  admit(digest: string, owner: KeyOwner, { mono }: Moment): Principal {
    const principal = this.principalOf(owner)
    this.#entries.set(digest, { principal, until: mono + timeToLive })
    const digests = this.#digests.get(principal.userId)
    if (digests === undefined) this.#digests.set(principal.userId, new Set([digest]))
    else digests.add(digest)
    return principal
  }

  /** The principal for what the database has just said of a key, which counts as seen from then on. */
  principalOf(owner: KeyOwner): Principal {
    const { expiresAt: checkAt, keyId, userId } = owner
    let keys = this.#seen.get(userId)
    if (keys === undefined) this.#seen.set(userId, (keys = new Map()))
    const state = keys.get(keyId)?.state ?? new KeyState()
    keys.set(keyId, { keyId, userId, checkAt, state })
    return { ...owner, standing: state.standing }
  }

  reject(digest: string, { mono }: Moment): void {
    if (this.#rejected.size >= maxRejected) {
      const oldest = this.#rejected.keys().next()
      if (!oldest.done) this.#rejected.delete(oldest.value)
    }
    this.#rejected.set(digest, mono + rejectionTimeToLive)
  }

  /** Forgets what an event makes stale, and tells every principal that it concerns. */
  apply(event: KeyEvent): void {
    this.generation++
    this.#rejected.clear()
    for (const digest of this.#digests.get(event.userId) ?? []) {
      const keyId = this.#entries.get(digest)?.principal.keyId
      if (event.keyId === undefined || event.keyId === keyId) this.#drop(digest, event.userId)
    }
    const keys = this.#seen.get(event.userId)
    for (const { keyId, state } of keys?.values() ?? []) {
      if (event.keyId !== undefined && event.keyId !== keyId) continue
      if (event.revoked) {
        state.revoke()
        keys!.delete(keyId)
      } else state.change()
    }
    if (keys?.size === 0) this.#seen.delete(event.userId)
  }

  /** Forgets every answer. The keys seen stay, since they have to be checked. */
  clear(): void {
    this.generation++
    for (const { state } of this.#all()) state.change()
    this.#entries.clear()
    this.#digests.clear()
    this.#rejected.clear()
  }

  /** Keys whose sessions may be alive: all, or those to check by `now`. */
  seen(now?: number): ReadonlyArray<SeenKey> {
    const keys = [...this.#all()]
    return now === undefined ? keys : keys.filter((key) => key.checkAt <= now)
  }

  /** Postpones the next check of a key that turned out to be valid longer. */
  postpone({ keyId, userId }: SeenKey, checkAt: number): void {
    const keys = this.#seen.get(userId)
    const key = keys?.get(keyId)
    if (key !== undefined) keys!.set(keyId, { ...key, checkAt })
  }

  takeUses(): ReadonlyArray<KeyUse> {
    const uses = [...this.#uses].map(([keyId, use]) => ({ keyId, ...use }))
    this.#uses = new Map()
    return uses
  }

  /** Returns uses that could not be written, for the next attempt. */
  returnUses(uses: ReadonlyArray<KeyUse>): void {
    for (const { count, keyId, lastUsedAt } of uses) {
      const use = this.#uses.get(keyId)
      if (use === undefined) this.#uses.set(keyId, { count, lastUsedAt })
      else use.count += count
    }
  }

  use(keyId: KeyId, now: number): void {
    const use = this.#uses.get(keyId)
    if (use === undefined) this.#uses.set(keyId, { count: 1, lastUsedAt: now })
    else {
      use.count++
      use.lastUsedAt = now
    }
  }

  *#all(): Generator<Seen> {
    for (const keys of this.#seen.values()) yield* keys.values()
  }

  #drop(digest: string, userId: UserId): void {
    this.#entries.delete(digest)
    const digests = this.#digests.get(userId)
    digests?.delete(digest)
    if (digests?.size === 0) this.#digests.delete(userId)
  }
}
