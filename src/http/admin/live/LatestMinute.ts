/**
 * Requests that ended within the last minute: how many, how many of them failed, and how long they took. Counted second
 * by second in buckets of a fixed number, so that memory does not grow with traffic; percentiles are exact to a twentieth.
 */

const seconds = 60
/** Buckets for each doubling of a duration. */
const perOctave = 16
/** The first bucket is of everything up to this. */
const leastMs = 0.05
/** The last one is of everything from about two hours on. */
const buckets = 27 * perOctave

interface Second {
  at: number
  count: number
  errors: number
  durations: Uint32Array | undefined
}

export interface MinuteFigures {
  readonly overMs: number
  readonly count: number
  readonly errors: number
  readonly perSecond: number
  readonly p50Ms: number | null
  readonly p95Ms: number | null
  readonly p99Ms: number | null
}

const bucketOf = (ms: number): number =>
  ms <= leastMs ? 0 : Math.min(buckets - 1, Math.ceil(Math.log2(ms / leastMs) * perOctave))

/** The middle of a bucket, by ratio. */
const valueOf = (bucket: number): number => leastMs * 2 ** ((bucket - 0.5) / perOctave)

const rounded = (value: number): number => Number(value.toPrecision(3))

export class LatestMinute {
  private readonly ring: Array<Second> = Array.from({ length: seconds }, () => ({
    at: -1,
    count: 0,
    errors: 0,
    durations: undefined
  }))
  private readonly begun: number
  private readonly now: () => number

  /** `now`: monotonic milliseconds. */
  constructor(now: () => number) {
    this.now = now
    this.begun = now()
  }

  add(durationMs: number, isError: boolean): void {
    const at = Math.floor(this.now() / 1_000)
    const second = this.ring[at % seconds]!
    if (second.at !== at) {
      second.at = at
      second.count = second.errors = 0
      second.durations?.fill(0)
    }
    second.count++
    if (isError) second.errors++
    second.durations ??= new Uint32Array(buckets)
    second.durations[bucketOf(durationMs)]!++
  }

  figures(): MinuteFigures {
    const moment = this.now()
    const at = Math.floor(moment / 1_000)
    const sum = new Uint32Array(buckets)
    let [count, errors] = [0, 0]
    for (const second of this.ring) {
      if (second.at <= at - seconds || second.count === 0) continue
      count += second.count
      errors += second.errors
      for (const [bucket, some] of second.durations!.entries()) sum[bucket]! += some
    }
    const overMs = Math.min(seconds * 1_000, Math.round(moment - this.begun))
    const rank = (share: number): number | null => {
      if (count === 0) return null
      let left = Math.max(1, Math.ceil(share * count))
      let bucket = 0
      while ((left -= sum[bucket]!) > 0) bucket++
      return rounded(valueOf(bucket))
    }
    const perSecond = overMs === 0 ? 0 : rounded(count / Math.max(1, overMs / 1_000))
    return { overMs, count, errors, perSecond, p50Ms: rank(0.5), p95Ms: rank(0.95), p99Ms: rank(0.99) }
  }
}
