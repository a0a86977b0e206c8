/**
 * A bucket of tokens that refills steadily: it limits how often something happens and allows a burst. Plain and
 * synchronous; the caller brings the time, from a clock that never jumps.
 */
export interface BucketSize {
  readonly capacity: number
  readonly perSecond: number
}

export class TokenBucket {
  readonly #size: BucketSize
  #tokens: number
  #at: number

  /** The bucket starts full. `now`, here and below: milliseconds of a monotonic clock. */
  constructor(size: BucketSize, now: number) {
    this.#size = size
    this.#tokens = size.capacity
    this.#at = now
  }

  take(now: number): boolean {
    this.#refill(now)
    if (this.#tokens < 1) return false
    this.#tokens--
    return true
  }

  /** Returns a token that was not used after all. */
  give(): void {
    this.#tokens = Math.min(this.#size.capacity, this.#tokens + 1)
  }

  wait(now: number): number {
    this.#refill(now)
    return Math.max(0, Math.ceil(((1 - this.#tokens) / this.#size.perSecond) * 1000))
  }

  #refill(now: number): void {
    this.#tokens = Math.min(this.#size.capacity, this.#tokens + ((now - this.#at) / 1000) * this.#size.perSecond)
    this.#at = now
  }
}
