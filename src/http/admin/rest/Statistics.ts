/** The answer of both routes of statistics. */
import { Clock, Effect } from "effect"
import { millisPerDay } from "../../../domain/records/AuditLog.ts"
import { type StatisticsBy, statisticsBy } from "../operations/StatisticsOperations.ts"
import type { UserRef } from "../operations/UserRef.ts"
import { type Operations, orProblem } from "./Operations.ts"
import { usualLimit } from "./api/Shapes.ts"

interface Query {
  readonly server?: string | undefined
  readonly tool?: string | undefined
  readonly since?: string | undefined
  readonly until?: string | undefined
  readonly limit?: number | undefined
  readonly by?: StatisticsBy | undefined
}

export const statisticsAnswer = Effect.fnUntraced(function* (
  operations: Operations["Service"],
  user: UserRef | null,
  { by = "tool", limit = usualLimit, server, since, tool, until }: Query
) {
  const from = since === undefined ? (yield* Clock.currentTimeMillis) - millisPerDay : Date.parse(since)
  const to = until === undefined ? null : Date.parse(until)
  const filter = { user, server: server ?? null, tool: tool ?? null, since: from, until: to }
  return yield* orProblem(operations.statsSum({ ...filter, by: statisticsBy[by], limit }))
})
