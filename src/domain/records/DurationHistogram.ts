/**
 * Durations as counts in fixed buckets, so that hours, users and hubs add up: the sum of two histograms is the histogram
 * of both. Upper bounds are √2 apart, from 1 ms to about nine minutes; a percentile is exact to within its bucket, and
 * never beyond the longest duration there was.
 */

/** The last bucket holds whatever is longer than the one before it. */
export const bucketCount = 40

/** The number of a duration's bucket: bucket `k` ends at 2^(k/2) milliseconds, that included. */
export const bucketOf = (ms: number): number => (ms > 1 ? Math.min(bucketCount - 1, Math.ceil(2 * Math.log2(ms))) : 0)

const upper = (bucket: number): number => 2 ** (bucket / 2)

/** Nearest rank, and within its bucket as if the durations there were spread evenly; 0 where there are none. */
export const percentile = (buckets: ReadonlyArray<number>, p: number, maxMs: number): number => {
  const rank = Math.ceil(p * buckets.reduce((sum, count) => sum + count, 0))
  let before = 0
  for (const [bucket, count] of buckets.entries()) {
    if (count > 0 && before + count >= rank) {
      const low = bucket === 0 ? 0 : upper(bucket - 1)
      const high = bucket === bucketCount - 1 ? maxMs : Math.min(maxMs, upper(bucket))
      return Math.min(maxMs, low + ((high - low) * (rank - before)) / count)
    }
    before += count
  }
  return 0
}
