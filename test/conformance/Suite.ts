/**
 * The conformance suite as a child process on the runtime of the tests, and its findings: per scenario, scored or not.
 * Its own exit code is not enough for a judge that has to name the differences.
 */
import { Effect, type Scope } from "effect"
import { Yaml } from "effect/encoding"
import { type ChildProcess, spawn } from "node:child_process"
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import process from "node:process"
import { pathToFileURL } from "node:url"
import { runtimeCommand } from "../../src/cli/sample/RuntimeCommand.ts"

const root = join(import.meta.dirname!, "../../node_modules/@modelcontextprotocol/conformance")
const program = join(root, "dist/index.js")

export interface Scenario {
  readonly name: string
  /** Checks. */
  readonly passed: number
  readonly failed: number
  readonly ok: boolean
  /** Whether the revision requires it. */
  readonly scored: boolean
  /** What the failed checks said. */
  readonly complaints: ReadonlyArray<string>
}

export interface Verdict {
  readonly code: number | null
  readonly scenarios: ReadonlyArray<Scenario>
  /** How many scored scenarios ran, and how many of them passed. */
  readonly scored: number
  readonly green: number
  readonly output: string
}

const folder: Effect.Effect<string, never, Scope.Scope> = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "mcphub-conformance-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
)

const ended = (child: ChildProcess) =>
  Effect.callback<{ readonly code: number | null; readonly output: string }>((resume) => {
    let output = ""
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding("utf8").on("data", (text: string) => (output += text))
    }
    child.once("close", (code) => resume(Effect.succeed({ code, output })))
  })

/** Runs the suite with these arguments; `out` holds a folder per scenario with what it checked. */
const run = Effect.fnUntraced(function* (args: ReadonlyArray<string>, out: string) {
  const { args: prefix, command } = runtimeCommand(pathToFileURL(program))
  const child = yield* Effect.acquireRelease(
    Effect.sync(() =>
      spawn(command, [...prefix, ...args, "-o", out], {
        env: { ...process.env, NO_COLOR: "1" },
        stdio: ["ignore", "pipe", "pipe"]
      })
    ),
    (child) =>
      Effect.callback<void>((resume) => {
        if (child.exitCode !== null || child.signalCode !== null) return resume(Effect.void)
        child.once("close", () => resume(Effect.void))
        child.kill("SIGKILL")
      })
  )
  return yield* ended(child)
})

interface Check {
  readonly id: string
  readonly status: string
  readonly errorMessage?: string
}

/** The failed checks of a scenario, from its `checks.json`. */
const complaintsOf = (out: string, prefix: string, name: string): ReadonlyArray<string> =>
  readdirSync(out)
    .filter((entry) => entry.startsWith(`${prefix}${name}-2`))
    .map((entry) => join(out, entry, "checks.json"))
    .filter((file) => existsSync(file))
    .flatMap((file) => JSON.parse(readFileSync(file, "utf8")) as ReadonlyArray<Check>)
    .filter(({ status }) => status === "FAILURE")
    .map(({ errorMessage, id }) => `${id}: ${errorMessage ?? "failed"}`)

/** The names of the server scenarios that a revision requires. */
const required = (revision: string): ReadonlySet<string> => {
  const text = readFileSync(join(root, "requirements", `${revision}.yaml`), "utf8")
  return new Set((Yaml.parse(text) as unknown as { readonly server: ReadonlyArray<string> }).server)
}

/**
 * Everything a revision requires of a server, and what the suite runs beside that without scoring it. `expected` is a
 * file of known failures: then the exit code is 0 when exactly these fail.
 */
export const server = (url: string, revision: string, expected?: string): Effect.Effect<Verdict> =>
  Effect.gen(function* () {
    const out = yield* folder
    const known = expected === undefined ? [] : ["--expected-failures", expected]
    const { code, output } = yield* run(["server", "--url", url, "--requirements", revision, ...known], out)
    const names = required(revision)
    const scenarios = Array.from(
      output.matchAll(/^([✓✗]) (\S+): (\d+) passed, (\d+) failed/gm),
      ([, mark, name, passed, failed]): Scenario => ({
        name: name!,
        passed: Number(passed),
        failed: Number(failed),
        // The suite ticks a scenario off that checked nothing.
        ok: mark === "✓" && Number(passed) > 0,
        scored: names.has(name!),
        complaints: complaintsOf(out, "server-", name!)
      })
    )
    const scored = scenarios.filter((scenario) => scenario.scored)
    return { code, output, scenarios, scored: scored.length, green: scored.filter(({ ok }) => ok).length }
  }).pipe(Effect.scoped)

/** One scenario of a client, which is the command given; the suite adds its own address to it. */
export const client = (
  command: string,
  scenario: string,
  revision: string
): Effect.Effect<Scenario & { output: string }> =>
  Effect.gen(function* () {
    const out = yield* folder
    const args = ["client", "--command", command, "--scenario", scenario, "--spec-version", revision]
    const { code, output } = yield* run(args, out)
    const counts = /(\d+)\/\d+, (\d+) failed/.exec(output)
    const [passed, failed] = [Number(counts?.[1] ?? 0), Number(counts?.[2] ?? 1)]
    const complaints = complaintsOf(out, "", scenario)
    return { name: scenario, passed, failed, ok: code === 0 && passed > 0, scored: true, complaints, output }
  }).pipe(Effect.scoped)

/** What failed, scenario by scenario, of those that count. */
export const complaints = ({ output, scenarios }: Verdict): string => {
  const said = scenarios
    .filter(({ ok, scored }) => scored && !ok)
    .map(({ complaints: each, name }) => [`✗ ${name}`, ...each.map((complaint) => `    ${complaint}`)].join("\n"))
  return said.length === 0 ? output.slice(-2000) : said.join("\n")
}
