/** Adding up statistics outside of a database. */
import type { StatisticsRow, StatisticsSums } from "./Statistics.ts"

export const plus = (a: StatisticsSums, b: StatisticsSums): StatisticsSums => ({
  requests: a.requests + b.requests,
  errors: a.errors + b.errors,
  totalMs: a.totalMs + b.totalMs,
  maxMs: Math.max(a.maxMs, b.maxMs),
  buckets: a.buckets.map((count, bucket) => count + (b.buckets[bucket] ?? 0))
})

type Kinds = Readonly<Record<string, number>>

export const plusKinds = (a: Kinds, b: Kinds): Kinds => {
  const sum = { ...a }
  for (const [kind, count] of Object.entries(b)) sum[kind] = (sum[kind] ?? 0) + count
  return sum
}

export const plusRow = (a: StatisticsRow | undefined, b: StatisticsRow): StatisticsRow =>
  a === undefined ? b : { ...b, ...plus(a, b), errorsByKind: plusKinds(a.errorsByKind, b.errorsByKind) }

export const keyOf = ({
  hour,
  server,
  tool,
  userId
}: {
  readonly hour: number | null
  readonly userId: string | null
  readonly server: string | null
  readonly tool: string | null
}): string => JSON.stringify([hour, userId, server, tool])

/** One row for each hour, user, server and tool: a statement cannot add to the same row twice. */
export const merged = (rows: ReadonlyArray<StatisticsRow>): ReadonlyArray<StatisticsRow> => {
  const sums = new Map<string, StatisticsRow>()
  for (const row of rows) sums.set(keyOf(row), plusRow(sums.get(keyOf(row)), row))
  return [...sums.values()]
}
