/** `mcphub stats`: how much was asked of what, how long it took, and what went wrong. */
import { Clock, Effect, Option } from "effect"
import { Command, Flag } from "effect/cli"
import { millisPerDay } from "../../domain/records/AuditLog.ts"
import {
  type StatisticsAnswer,
  type StatisticsBy as By,
  statisticsBy,
  type StatisticsView
} from "../../http/admin/operations/StatisticsOperations.ts"
import { withAdmin } from "../admin/Admin.ts"
import { print, table } from "../terminal/Output.ts"
import { since } from "../terminal/SinceFlag.ts"
import { onlyUser } from "../terminal/UserFlag.ts"

const nameOf = (row: StatisticsView): Readonly<Record<By, ReadonlyArray<string>>> => ({
  tool: [row.server === "" ? "-" : (row.server ?? "-"), row.tool === "" ? "-" : (row.tool ?? "-")],
  server: [row.server === "" ? "-" : (row.server ?? "-")],
  user: [row.username ?? row.userId ?? "-"],
  hour: [(row.time ?? "").slice(0, 16).replace("T", " ")],
  day: [(row.time ?? "").slice(0, 10)]
})

const percent = (rate: number): string => `${(rate * 100).toFixed(1)} %`
const ms = (time: number): string => (time < 10 ? time.toFixed(1) : String(Math.round(time)))

const statsTable = (by: By, { errorsByKind, rows }: StatisticsAnswer): string => {
  const head = [
    ...(by === "tool" ? ["server", "tool"] : [by]),
    "requests",
    "errors",
    "p50 ms",
    "p95 ms",
    "p99 ms",
    "max ms"
  ]
  const lines = rows.map((row) => [
    ...nameOf(row)[by],
    String(row.requests),
    row.errors === 0 ? "0" : `${row.errors} (${percent(row.errorRate)})`,
    ...[row.p50Ms, row.p95Ms, row.p99Ms, row.maxMs].map(ms)
  ])
  const kinds = Object.entries(errorsByKind).map(([kind, count]) => `${kind} ${count}`)
  const text = table(head, lines, "No requests")
  return kinds.length === 0 ? text : `${text}\n\nerrors: ${kinds.join(", ")}`
}

export const StatsCommand = Command.make(
  "stats",
  {
    user: onlyUser("requests"),
    server: Flag.String("server").pipe(
      Flag.withDescription("Only requests for this server"),
      Flag.optional,
      Flag.map(Option.getOrNull)
    ),
    since: Flag.optional(since("whole hours (UTC)")),
    by: Flag.Literals("by", ["tool", "server", "user", "hour", "day"]).pipe(
      Flag.withDescription("What a line is for"),
      Flag.withDefault("tool" as const)
    ),
    limit: Flag.Int("limit").pipe(
      Flag.withDescription("Number of lines at most (1 to 10000)"),
      Flag.filter(
        (count) => count >= 1 && count <= 10_000,
        () => "Expected a whole number from 1 to 10000"
      ),
      Flag.withDefault(50)
    )
  },
  ({ by, limit, server, since, user }) =>
    withAdmin(
      Effect.fnUntraced(function* (admin) {
        const from = Option.isSome(since) ? since.value : (yield* Clock.currentTimeMillis) - millisPerDay
        const asked = { user, server, since: from, by: statisticsBy[by], limit, tool: null, until: null }
        const answer = yield* admin.statsSum(asked)
        yield* print(answer, () => statsTable(by, answer))
      })
    )
).pipe(
  Command.withDescription(
    "Show how many requests ended, how long they took and how many failed, of the last day or since a time"
  ),
  Command.withExamples([
    { command: "mcphub stats --since 7d --by server", description: "Each server's requests of the last seven days" },
    { command: "mcphub stats --user ada --by day --since 30d", description: "ada's requests of each day" }
  ])
)
