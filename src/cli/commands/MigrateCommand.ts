/** `mcphub migrate`: from the database and the settings file of an old hub to this one. */
import { Effect, Layer, Option } from "effect"
import { Command, Flag } from "effect/cli"
import type { MigrationFinding } from "../../domain/migration/MigrationFinding.ts"
import { CheckFailed, CliFailure } from "../terminal/CliFailure.ts"
import { print } from "../terminal/Output.ts"
import { currentWorkspace } from "../workspace/Workspace.ts"

const marks = { ok: "ok  ", warn: "warn", fail: "FAIL" } as const

/** Rows that people read of one finding; `--json` has all. */
const mostPlaces = 10

const findingText = ({ area, detail, level, places, remedy }: MigrationFinding): string =>
  [
    `${marks[level]}  ${area}: ${detail}`,
    ...places.slice(0, mostPlaces).map((place) => `        ${place}`),
    ...(places.length > mostPlaces ? [`        and ${places.length - mostPlaces} more (--json lists all)`] : []),
    ...(remedy === null ? [] : [`      → ${remedy}`])
  ].join("\n")

const wrongUse = (message: string) => new CliFailure({ kind: "WrongUse", exitCode: 1, message })

/** Brings the database to this version, as a start would. */
const prepared = Effect.gen(function* () {
  const workspace = yield* currentWorkspace
  const { migratedDatabase } = yield* Effect.promise(() => import("../workspace/MigratedDatabase.ts"))
  const { prepareDataDir } = yield* Effect.promise(() => import("../workspace/GeneratedSecrets.ts"))
  yield* prepareDataDir(workspace.dataDir)
  yield* Effect.scoped(Layer.build(migratedDatabase(workspace)))
})

const verdict = (findings: ReadonlyArray<MigrationFinding>, dryRun: boolean): string => {
  const failed = findings.filter(({ level }) => level === "fail").length
  const warned = findings.filter(({ level }) => level === "warn").length
  if (failed > 0) return `${failed} of these keep something from working; nothing was changed`
  const differs = warned === 0 ? "Everything works as before" : `Everything works; ${warned} of these differ`
  return dryRun ? `${differs}. Nothing was changed` : `${differs}. The database has what this hub needs`
}

export const MigrateCommand = Command.make(
  "migrate",
  {
    from: Flag.Literals("from", ["mcphub"]).pipe(
      Flag.withDescription(
        "Look at the database and settings of MCPHub 2.6.0: what works here, what does not, and why"
      ),
      Flag.optional
    ),
    dryRun: Flag.Boolean("dry-run").pipe(Flag.withDescription("Change nothing"), Flag.withDefault(false))
  },
  Effect.fnUntraced(function* ({ dryRun, from }) {
    if (Option.isNone(from)) return yield* wrongUse("Say what to do: mcphub migrate --from mcphub --dry-run")
    const { examineOldHub } = yield* Effect.promise(() => import("./MigrationReport.ts"))
    const findings = yield* examineOldHub
    const ok = findings.every(({ level }) => level !== "fail")
    if (ok && !dryRun) yield* prepared
    yield* print({ ok, dryRun, findings }, () => [...findings.map(findingText), verdict(findings, dryRun)].join("\n"))
    if (!ok) return yield* new CheckFailed()
  })
).pipe(
  Command.withDescription(
    "Move from MCPHub 2.6.0: say what of its database and settings works here; exit code 2 when something does not"
  ),
  Command.withExamples([
    {
      command: "DATABASE_URL=postgres://… mcphub migrate --from mcphub --dry-run",
      description: "What works, what will not and why, with a remedy for each; writes nothing"
    }
  ])
)
