/**
 * Exact numbers about ended requests, per user and for the hub: counts over all time, percentiles by nearest rank over
 * the last 2 048 durations of each user. Bounded: beyond 10 000 users, those idle longest are forgotten.
 */
import type { UserId } from "../../domain/Ids.ts"

export interface Numbers {
  /** Ended requests and notifications. */
  readonly count: number
  /** Running right now. */
  readonly pending: number
  readonly errors: number
  /** Errors by kind: `timeout`, `cancelled`, `upstream_failed`, … */
  readonly errorsByKind: Readonly<Record<string, number>>
  /** errors / count, 0 when nothing has ended. */
  readonly errorRate: number
  /** Milliseconds, over all time; 0 when nothing has ended. */
  readonly meanMs: number
  /** Milliseconds, nearest rank over the window; 0 when nothing has ended. */
  readonly p50Ms: number
  readonly p95Ms: number
  readonly p99Ms: number
}

/** Durations kept for the percentiles of one user. */
export const windowSize = 2048
const firstCapacity = 16
/** A runaway variety of kinds would grow the map; there are about twenty. */
const maxKinds = 64
const microsPerMilli = 1000
const maxMicros = 0xffff_ffff

/** Nearest-rank percentile of a sorted list: the smallest value with at least `p` of all values at or below it. */
const nearestRank = (sorted: Uint32Array, p: number): number =>
  sorted.length === 0 ? 0 : sorted[Math.max(0, Math.ceil(p * sorted.length) - 1)]! / microsPerMilli

/** One account: durations are kept as whole microseconds (up to 71 minutes), half the memory of numbers. */
export class Account {
  pending = 0
  lastUsed = 0
  #count = 0
  #errors = 0
  #totalMs = 0
  #kinds = new Map<string, number>()
  #ring = new Uint32Array(firstCapacity)

  started(now: number): void {
    this.pending++
    this.lastUsed = now
  }

  ended(durationMs: number, errorKind: string | undefined, now: number): void {
    this.pending--
    this.lastUsed = now
    const index = this.#count++ % windowSize
    if (index >= this.#ring.length) {
      const grown = new Uint32Array(Math.min(windowSize, this.#ring.length * 2))
      grown.set(this.#ring)
      this.#ring = grown
    }
    this.#ring[index] = Math.min(maxMicros, Math.round(durationMs * microsPerMilli))
    this.#totalMs += durationMs
    if (errorKind === undefined) return
    this.#errors++
    const kind = this.#kinds.size < maxKinds || this.#kinds.has(errorKind) ? errorKind : "other"
    this.#kinds.set(kind, (this.#kinds.get(kind) ?? 0) + 1)
  }

  numbers(): Numbers {
    const sorted = this.#ring.slice(0, Math.min(this.#count, windowSize)).sort()
    return {
      count: this.#count,
      pending: this.pending,
      errors: this.#errors,
      errorsByKind: Object.fromEntries(this.#kinds),
      errorRate: this.#count === 0 ? 0 : this.#errors / this.#count,
      meanMs: this.#count === 0 ? 0 : this.#totalMs / this.#count,
      p50Ms: nearestRank(sorted, 0.5),
      p95Ms: nearestRank(sorted, 0.95),
      p99Ms: nearestRank(sorted, 0.99)
    }
  }
}

export class RequestStatistics {
  readonly system = new Account()
  readonly users = new Map<UserId, Account>()
  readonly #maxUsers: number

  constructor(maxUsers = 10_000) {
    this.#maxUsers = maxUsers
  }

  account(userId: UserId): Account {
    const known = this.users.get(userId)
    if (known !== undefined) return known
    if (this.users.size >= this.#maxUsers) this.#evict()
    const account = new Account()
    this.users.set(userId, account)
    return account
  }

  /** Forgets the tenth idle longest at once, so that the sort is paid rarely; never a user with a running request. */
  #evict(): void {
    const idle = [...this.users].filter(([, account]) => account.pending === 0)
    idle.sort(([, a], [, b]) => a.lastUsed - b.lastUsed)
    for (const [userId] of idle.slice(0, Math.max(1, Math.floor(this.#maxUsers / 10)))) this.users.delete(userId)
  }
}
