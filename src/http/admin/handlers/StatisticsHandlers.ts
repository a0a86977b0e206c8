/** The operations on the hourly statistics. */
import { Clock, Effect } from "effect"
import { HourlyStatistics } from "../../../actors/observing/HourlyStatistics.ts"
import { Users } from "../../../domain/identity/Users.ts"
import { percentile } from "../../../domain/records/DurationHistogram.ts"
import { hourOf, millisPerHour, Statistics, type StatisticsSum } from "../../../domain/records/Statistics.ts"
import { asRefusal } from "../operations/OperationRefused.ts"
import { StatisticsOperations, type StatisticsView } from "../operations/StatisticsOperations.ts"
import { idOfUser, iso } from "./Lookup.ts"

/** A tenth of a millisecond: less is not known. */
const rounded = (ms: number): number => Math.round(ms * 10) / 10

const viewOf = (names: ReadonlyMap<string, string>, sum: StatisticsSum): StatisticsView => {
  const { buckets, errors, hour, maxMs, requests, server, tool, totalMs, userId } = sum
  return {
    time: hour === null ? null : iso(hour * millisPerHour),
    userId,
    username: userId === null ? null : (names.get(userId) ?? null),
    server,
    tool,
    requests,
    errors,
    errorRate: requests === 0 ? 0 : errors / requests,
    meanMs: rounded(requests === 0 ? 0 : totalMs / requests),
    p50Ms: rounded(percentile(buckets, 0.5, maxMs)),
    p95Ms: rounded(percentile(buckets, 0.95, maxMs)),
    p99Ms: rounded(percentile(buckets, 0.99, maxMs)),
    maxMs: rounded(maxMs)
  }
}

/** An hour is a number of 32 bits in the database; a time beyond that is no time. */
const withinReach = (time: number): number => Math.min(Math.max(Number.isNaN(time) ? 0 : time, 0), 1e14)

export const StatisticsHandlers = StatisticsOperations.toLayer(
  Effect.gen(function* () {
    const statistics = yield* Statistics
    const users = yield* Users
    // Of the running hub; without a hub nothing waits.
    const counting = yield* HourlyStatistics

    return StatisticsOperations.of({
      statsSum: Effect.fnUntraced(function* ({ by, limit, server, since, tool, until, user }) {
        const userId = user === null ? undefined : yield* idOfUser(users, user)
        // Whoever asks has seen the answers to these requests, so they must count.
        yield* counting.flush
        const now = yield* Clock.currentTimeMillis
        const filter = {
          userId,
          server: server ?? undefined,
          tool: tool ?? undefined,
          since: withinReach(since),
          until: withinReach(until ?? now + millisPerHour)
        }
        const sums = yield* statistics.sums({ ...filter, by, limit })
        const names = by.includes("user")
          ? new Map<string, string>((yield* users.list).map(({ id, username }) => [id, username]))
          : new Map<string, string>()
        return {
          since: iso(hourOf(filter.since) * millisPerHour),
          until: iso(hourOf(filter.until) * millisPerHour),
          rows: sums.map((sum) => viewOf(names, sum)),
          errorsByKind: yield* statistics.kinds(filter)
        }
      }, asRefusal)
    })
  })
)
