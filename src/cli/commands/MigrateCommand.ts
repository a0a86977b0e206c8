/** `mcphub migrate`: from the database and the settings file of an old hub to this one. */
import { Console, Effect, Layer, Option } from "effect"
import { Command, Flag } from "effect/cli"
import type { MigrationFinding } from "../../domain/migration/MigrationFinding.ts"
import type { ResealedView } from "../../http/admin/operations/SealOperations.ts"
import { withAdmin } from "../admin/Admin.ts"
import { CheckFailed, CliFailure } from "../terminal/CliFailure.ts"
import { JsonFlag } from "../terminal/GlobalFlags.ts"
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

const hint =
  "Back the database up first if you have not: pg_dump, or mcphub backup FILE. An interruption loses nothing; run the command again"

/** Seals, or goes the way back, beside a running hub or without one. */
const reseal = Effect.fnUntraced(function* (way: "seal" | "unseal", final: boolean) {
  if (!(yield* JsonFlag)) yield* Console.error(hint)
  return yield* withAdmin((admin) => (way === "seal" ? admin.seal({ final }) : admin.unseal()))
})

const resealedText = (way: "seal" | "unseal", done: ResealedView): string => {
  const { digests, keys, kept, tokens, twins } = done
  if (way === "unseal") {
    const lost =
      digests === 0
        ? ""
        : `; ${digests} keys were made by this hub, which has never stored their text: the old hub cannot check them`
    return `Unsealed ${keys} keys and ${tokens} service tokens: whoever reads the database can use them${lost}`
  }
  const back =
    kept === 0
      ? "there is no way back for keys"
      : `the sealed texts of ${kept} keys are kept for the way back (--unseal) until you give it up (--seal --final)`
  const left = twins === 0 ? "" : `; ${twins} keys stay as text, since another row has the same key`
  return `Sealed ${keys} keys and ${tokens} service tokens; ${back}${left}. Keep the credential key: without it no token opens`
}

/** What belongs to sealing in the report on an old hub. */
const sealed: ReadonlySet<string> = new Set(["database", "keys", "tokens"])

const checked = Effect.fnUntraced(function* (which: (finding: MigrationFinding) => boolean) {
  const { examineOldHub } = yield* Effect.promise(() => import("./MigrationReport.ts"))
  const findings = (yield* examineOldHub).filter(which)
  return { findings, ok: findings.every(({ level }) => level !== "fail") }
})

interface Wish {
  readonly isMove: boolean
  readonly way: "seal" | "unseal" | undefined
  readonly dryRun: boolean
  readonly final: boolean
}

const problemOf = ({ dryRun, final, isMove, way }: Wish): string | undefined => {
  if (!isMove && way === undefined) return "Say what to do: mcphub migrate --from mcphub --dry-run"
  if (way === "unseal" && (isMove || dryRun)) return "--unseal goes with neither --from nor --dry-run"
  if (final && way !== "seal") return "--final gives up the way back when it is sealed: mcphub migrate --seal --final"
  return undefined
}

const migrate = Effect.fnUntraced(function* (wish: Wish) {
  const { dryRun, final, isMove, way } = wish
  const problem = problemOf(wish)
  if (problem !== undefined) return yield* wrongUse(problem)
  const { findings, ok } =
    isMove || dryRun ? yield* checked((one) => isMove || sealed.has(one.area)) : { findings: [], ok: true }
  if (ok && !dryRun && isMove) yield* prepared
  const done = ok && !dryRun && way !== undefined ? yield* reseal(way, final) : null
  yield* print({ ok, dryRun, findings, done }, () =>
    [
      ...findings.map(findingText),
      ...(findings.length === 0 ? [] : [verdict(findings, dryRun)]),
      ...(done === null ? [] : [resealedText(way ?? "seal", done)])
    ].join("\n")
  )
  if (!ok) return yield* new CheckFailed()
})

export const MigrateCommand = Command.make(
  "migrate",
  {
    from: Flag.Literals("from", ["mcphub"]).pipe(
      Flag.withDescription(
        "Look at the database and settings of MCPHub 2.6.0: what works here, what does not, and why"
      ),
      Flag.optional
    ),
    dryRun: Flag.Boolean("dry-run").pipe(Flag.withDescription("Change nothing"), Flag.withDefault(false)),
    seal: Flag.Boolean("seal").pipe(
      Flag.withDescription("Seal keys and service tokens that are stored as text; the old hub cannot read them then"),
      Flag.withDefault(false)
    ),
    final: Flag.Boolean("final").pipe(
      Flag.withDescription("With --seal: give up the way back, so that no text of a key is kept"),
      Flag.withDefault(false)
    ),
    unseal: Flag.Boolean("unseal").pipe(
      Flag.withDescription("The way back: everything as text again, for the old hub or for another credential key"),
      Flag.withDefault(false)
    )
  },
  Effect.fnUntraced(function* ({ dryRun, final, from, seal, unseal }) {
    if (seal && unseal) return yield* wrongUse("--seal and --unseal are opposites; give one of them")
    const way = seal ? "seal" : unseal ? "unseal" : undefined
    yield* migrate({ isMove: Option.isSome(from), way, dryRun, final })
  })
).pipe(
  Command.withDescription(
    "Move from MCPHub 2.6.0: say what of its database and settings works here; exit code 2 when something does not"
  ),
  Command.withExamples([
    {
      command: "DATABASE_URL=postgres://… mcphub migrate --from mcphub --dry-run",
      description: "What works, what will not and why, with a remedy for each; writes nothing"
    },
    {
      command: "mcphub migrate --seal",
      description: "Nothing is stored as text any more; may be run again at any time"
    }
  ])
)
