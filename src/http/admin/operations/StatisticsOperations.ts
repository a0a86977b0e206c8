/** The operations that read the hourly statistics. */
import { Schema } from "effect"
import * as Rpc from "effect/rpc/Rpc"
import * as RpcGroup from "effect/rpc/RpcGroup"
import { type StatisticsPart as Part, statisticsParts } from "../../../domain/records/Statistics.ts"
import { OperationRefused } from "./OperationRefused.ts"
import { UserRef } from "./UserRef.ts"

export const StatisticsPart = Schema.Literals(statisticsParts)

/** What a line of statistics can be for. A tool belongs to its server. */
export const statisticsBy = {
  tool: ["server", "tool"],
  server: ["server"],
  user: ["user"],
  hour: ["hour"],
  day: ["day"]
} as const satisfies Readonly<Record<string, ReadonlyArray<Part>>>
export type StatisticsBy = keyof typeof statisticsBy

/** Null: not kept apart by it. Times in milliseconds, percentiles to within a few percent. */
export const StatisticsView = Schema.Struct({
  /** The beginning of the hour or day, ISO 8601, UTC. */
  time: Schema.NullOr(Schema.String),
  userId: Schema.NullOr(Schema.String),
  /** Null for a removed user, too. */
  username: Schema.NullOr(Schema.String),
  /** "" for requests that had none; `(other)` for tools that are not counted apart. */
  server: Schema.NullOr(Schema.String),
  tool: Schema.NullOr(Schema.String),
  requests: Schema.Number,
  errors: Schema.Number,
  errorRate: Schema.Number,
  meanMs: Schema.Number,
  p50Ms: Schema.Number,
  p95Ms: Schema.Number,
  p99Ms: Schema.Number,
  maxMs: Schema.Number
})
export type StatisticsView = typeof StatisticsView.Type

export const StatisticsAnswer = Schema.Struct({
  /** The hours that count, ISO 8601, UTC: from the beginning of the one to that of the other. */
  since: Schema.String,
  until: Schema.String,
  rows: Schema.Array(StatisticsView),
  /** All errors in question, however many rows there are. */
  errorsByKind: Schema.Record(Schema.String, Schema.Number)
})
export type StatisticsAnswer = typeof StatisticsAnswer.Type

export class StatisticsOperations extends RpcGroup.make(
  /**
   * Sums of the requests that ended in whole hours, kept apart by what is asked for: hours or days in their order,
   * otherwise what has the most requests first.
   */
  Rpc.make("statsSum", {
    payload: {
      /** As in `auditTail`. */
      user: Schema.NullOr(UserRef),
      server: Schema.NullOr(Schema.String),
      tool: Schema.NullOr(Schema.String),
      /** Milliseconds since the epoch: the hour in which that is counts whole. */
      since: Schema.Number,
      /** The same, and the hour does not count; null: up to now. */
      until: Schema.NullOr(Schema.Number),
      by: Schema.Array(StatisticsPart),
      limit: Schema.Number
    },
    success: StatisticsAnswer,
    error: OperationRefused
  })
) {}
