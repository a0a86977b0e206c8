/** The part of the contract that asks for hourly statistics: one's own, or everybody's. */
import { Schema } from "effect"
import { Id, Text, Time } from "./Shapes.ts"

const filter = {
  server: Schema.optional(Text),
  tool: Schema.optional(Text),
  /** The hours (UTC) in which these are count whole, the latter not. The last day, where nothing is said. */
  since: Schema.optional(Time),
  until: Schema.optional(Time),
  limit: Schema.optional(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 10_000 })))
}

export const ownStatisticsQuery = {
  ...filter,
  by: Schema.optional(Schema.Literals(["tool", "server", "hour", "day"]))
}

export const statisticsQuery = {
  ...filter,
  user: Schema.optional(Id),
  by: Schema.optional(Schema.Literals(["tool", "server", "user", "hour", "day"]))
}
