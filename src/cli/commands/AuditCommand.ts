/** `mcphub audit …`: who did what, where, and how it ended. */
import { Console, Effect, Option } from "effect"
import { Command, Flag } from "effect/cli"
import { auditOutcomes } from "../../domain/records/AuditEvent.ts"
import { withAdmin } from "../admin/Admin.ts"
import { JsonFlag } from "../terminal/GlobalFlags.ts"
import type { AuditView } from "../../http/admin/operations/AuditOperations.ts"
import { print, printable, table } from "../terminal/Output.ts"
import { since } from "../terminal/SinceFlag.ts"
import { onlyUser } from "../terminal/UserFlag.ts"

const head = ["time", "user", "outcome", "method", "server", "target", "took", "error"]

const cells = (row: AuditView): ReadonlyArray<string> => [
  row.time.slice(0, 19).replace("T", " "),
  row.username,
  row.outcome,
  row.method,
  row.server ?? "-",
  row.target ?? "-",
  `${Math.round(row.durationMs)} ms`,
  row.errorKind ?? ""
]

const rowTable = (rows: ReadonlyArray<AuditView>): string =>
  table(
    head,
    rows.map((row) => cells(row)),
    "No rows"
  )

/** Table rows without the heading, for rows that follow. */
const more = (rows: ReadonlyArray<AuditView>): string => rowTable(rows).split("\n").slice(1).join("\n")

const limit = Flag.Int("limit").pipe(
  Flag.withDescription("Number of rows at most, the latest ones (1 to 10000)"),
  Flag.filter(
    (count) => count >= 1 && count <= 10_000,
    () => "Expected a whole number from 1 to 10000"
  ),
  Flag.withDefault(50)
)

/** Rows per request while following. */
const page = 1_000

const tail = Command.make(
  "tail",
  {
    user: onlyUser("rows"),
    server: Flag.String("server").pipe(
      Flag.withDescription("Only rows of this server"),
      Flag.optional,
      Flag.map(Option.getOrNull)
    ),
    outcome: Flag.Literals("outcome", auditOutcomes).pipe(
      Flag.withDescription("Only rows with this outcome"),
      Flag.optional,
      Flag.map(Option.getOrNull)
    ),
    since: since("rows").pipe(Flag.optional, Flag.map(Option.getOrNull)),
    limit,
    follow: Flag.Boolean("follow").pipe(
      Flag.withAlias("f"),
      Flag.withDescription("Keep printing new rows until stopped; with --json one document per line"),
      Flag.withDefault(false)
    )
  },
  ({ follow, limit, ...only }) =>
    withAdmin(
      Effect.fnUntraced(function* (admin) {
        const rows = yield* admin.auditTail({ ...only, after: null, limit })
        if (!follow) return yield* print(rows, () => rowTable(rows))
        const json = yield* JsonFlag
        const show = (rows: ReadonlyArray<AuditView>, text: (rows: ReadonlyArray<AuditView>) => string) =>
          rows.length === 0
            ? Effect.void
            : Console.log(json ? rows.map((row) => JSON.stringify(row)).join("\n") : printable(text(rows)))
        yield* show(rows, rowTable)
        let after = rows.at(-1)?.seq ?? 0
        while (true) {
          const next = yield* admin.auditTail({ ...only, after, limit: page })
          yield* show(next, more)
          after = next.at(-1)?.seq ?? after
          if (next.length < page) yield* Effect.sleep("1 second")
        }
      })
    )
).pipe(
  Command.withDescription("Show the latest rows of the audit trail"),
  Command.withExamples([
    { command: "mcphub audit tail --user ada --since 1h", description: "What ada did in the last hour" },
    { command: "mcphub audit tail --outcome failed --follow --json", description: "Every failure as it happens" }
  ])
)

export const AuditCommand = Command.make("audit").pipe(
  Command.withDescription("Read who did what, where, and how it ended"),
  Command.withSubcommands([tail])
)
