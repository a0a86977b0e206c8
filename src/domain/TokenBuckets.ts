/**
 * Token buckets by name, such as one for each address. A bounded number is remembered: beyond it the one that was asked
 * for longest ago is forgotten, which is full again by then or was never emptied.
 */
import { type BucketSize, TokenBucket } from "./TokenBucket.ts"

export class TokenBuckets {
  readonly #buckets = new Map<string, TokenBucket>()
  readonly #size: BucketSize
  readonly #most: number
  readonly #now: () => number

  /** `now`: milliseconds of a monotonic clock. */
  constructor(size: BucketSize, most: number, now: () => number) {
    this.#size = size
    this.#most = most
    this.#now = now
  }

  /** Takes one token. Undefined: there was one. Otherwise the seconds until there is one, at least 1. */
  take(name: string): number | undefined {
    const now = this.#now()
    const bucket = this.#buckets.get(name) ?? new TokenBucket(this.#size, now)
    // Set anew, it is the newest; the first of the map is the oldest.
    this.#buckets.delete(name)
    this.#buckets.set(name, bucket)
    if (this.#buckets.size > this.#most) this.#buckets.delete(this.#buckets.keys().next().value!)
    return bucket.take(now) ? undefined : Math.max(1, Math.ceil(bucket.wait(now) / 1000))
  }

  /** Returns a token that was not used after all. */
  give(name: string): void {
    this.#buckets.get(name)?.give()
  }

  /** Names remembered. */
  get size(): number {
    return this.#buckets.size
  }
}
