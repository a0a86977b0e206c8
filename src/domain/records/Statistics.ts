/**
 * The store of the hourly statistics: how many requests each user had at each tool of each server in each hour, how long
 * they took and with which errors they ended. Sums only: no request, argument or result can be told from them.
 *
 * Hours are whole hours since the epoch (UTC). A server or tool of "" is of requests that had none.
 */
import { Context, type Effect } from "effect"
import type { UserId } from "../Ids.ts"
import type { DatabaseUnavailable } from "../identity/IdentityErrors.ts"

export const millisPerHour = 3_600_000

export const hourOf = (time: number): number => Math.floor(time / millisPerHour)

/** Stands for what is not counted under a name of its own: tools nobody lists, and what is beyond a user's bound. */
export const otherName = "(other)"

export interface StatisticsSums {
  readonly requests: number
  readonly errors: number
  /** Milliseconds of all of them together, and of the longest. */
  readonly totalMs: number
  readonly maxMs: number
  /** Requests by bucket, see `DurationHistogram`. */
  readonly buckets: ReadonlyArray<number>
}

/** What is to be added to one hour of a user at a tool. */
export interface StatisticsRow extends StatisticsSums {
  readonly hour: number
  readonly userId: UserId
  readonly server: string
  readonly tool: string
  readonly errorsByKind: Readonly<Record<string, number>>
}

/** `day` and `hour` exclude each other. */
export const statisticsParts = ["hour", "day", "user", "server", "tool"] as const
export type StatisticsPart = (typeof statisticsParts)[number]

export interface StatisticsFilter {
  readonly userId?: UserId | undefined
  readonly server?: string | undefined
  readonly tool?: string | undefined
  /** Milliseconds since the epoch: the hours from that of `since` to that of `until`, that one not included. */
  readonly since?: number | undefined
  readonly until?: number | undefined
}

export interface StatisticsQuery extends StatisticsFilter {
  /** What the sums are kept apart by; with nothing they are one sum. */
  readonly by: ReadonlyArray<StatisticsPart>
  /** The oldest hours or days, otherwise those with the most requests. */
  readonly limit: number
}

/** Null: not kept apart by it. */
export interface StatisticsSum extends StatisticsSums {
  /** The first hour of a day, where days are kept apart. */
  readonly hour: number | null
  readonly userId: UserId | null
  readonly server: string | null
  readonly tool: string | null
}

export class Statistics extends Context.Service<
  Statistics,
  {
    /** Adds all or nothing. A batch of a number that its writer has written already, perhaps unheard, is not added again. */
    readonly add: (
      batch: { readonly writer: string; readonly number: number },
      rows: ReadonlyArray<StatisticsRow>
    ) => Effect.Effect<void, DatabaseUnavailable>
    readonly sums: (query: StatisticsQuery) => Effect.Effect<ReadonlyArray<StatisticsSum>, DatabaseUnavailable>
    /** Errors by kind. */
    readonly kinds: (filter: StatisticsFilter) => Effect.Effect<Readonly<Record<string, number>>, DatabaseUnavailable>
    /** Removes hours of days (UTC) that ended `days` or more days before `now`, as `keptFrom` has it. */
    readonly retain: (now: number, days: number) => Effect.Effect<void, DatabaseUnavailable>
  }
>()("mcphub/domain/records/Statistics") {}
