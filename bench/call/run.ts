/**
 * Measures one warm `tools/call` of this checkout, beside another one with `--against DIR`: modules of `src` that are
 * entered, function entries, bytes allocated, CPU. Rounds in turns, each in a process of its own; prints a table in
 * Markdown with the medians and ranges of the rounds.
 *
 *   node scripts/run.mjs bench:call [--against DIR] [--rounds N]
 */
import { spawnSync } from "node:child_process"
import { join, resolve } from "node:path"
import process from "node:process"
import { parseArgs } from "node:util"

const { values } = parseArgs({
  options: { against: { type: "string" }, rounds: { type: "string", default: "5" } }
})

interface Figures {
  readonly modules: number
  readonly entries: number
  readonly bytes: number
  readonly micros: number
  readonly names: ReadonlyArray<string>
}

const warmUp = "3000"
const perSlice = "1000"
/** MiB that the young generation has for the calls of a slice: nothing is collected while they are counted. */
const young = "128"

const measure = (root: string): Figures => {
  const flags = ["--expose-gc", `--min-semi-space-size=${young}`, `--max-semi-space-size=${young}`]
  const program = [...flags, join(import.meta.dirname!, "measure.ts"), root, warmUp, perSlice]
  // Request lines go where an operator's do; here nobody reads them.
  const run = spawnSync(process.execPath, program, { encoding: "utf8", maxBuffer: 1 << 30 })
  if (run.status !== 0) throw new Error(run.stderr.split("\n").slice(-20).join("\n"))
  // Before them stand the hub's own log lines.
  return JSON.parse(run.stdout.trimEnd().split("\n").at(-1)!) as Figures
}

const here = resolve(import.meta.dirname!, "..", "..")
const roots = values.against === undefined ? [here] : [resolve(values.against), here]
const rounds = roots.map((): Array<Figures> => [])
for (let round = 0; round < Number(values.rounds); round++) {
  // Whoever goes first in one round goes last in the next.
  const order = roots.map((root, at) => ({ root, at }))
  for (const { at, root } of round % 2 === 0 ? order : order.toReversed()) rounds[at]!.push(measure(root))
}

const rows = [
  ["modules entered", (one: Figures) => one.modules],
  ["function entries", (one: Figures) => one.entries],
  ["bytes allocated", (one: Figures) => one.bytes],
  ["CPU, µs", (one: Figures) => one.micros]
] as const

const cell = (figures: ReadonlyArray<number>): string => {
  const sorted = figures.toSorted((a, b) => a - b)
  const text = (value: number) => Math.round(value).toLocaleString("en")
  const [least, most] = [text(sorted[0]!), text(sorted.at(-1)!)]
  const middle = text(sorted[sorted.length >> 1]!)
  return least === most ? middle : `${middle} (${least} to ${most})`
}

const heads = roots.map((root) => (root === here ? "this checkout" : root))
const lines = [
  `| One warm tools/call | ${heads.join(" | ")} |`,
  `| --- |${" --- |".repeat(roots.length)}`,
  ...rows.map(([name, of]) => `| ${name} | ${rounds.map((figures) => cell(figures.map(of))).join(" | ")} |`)
]
process.stdout.write(`${lines.join("\n")}\n`)
if (rounds.length === 2) {
  const [before, after] = rounds.map((figures) => new Set(figures[0]!.names))
  const only = (some: Set<string>, others: Set<string>) => [...some].filter((name) => !others.has(name)).join(", ")
  process.stdout.write(`\nOnly entered there: ${only(before!, after!)}\nOnly entered here: ${only(after!, before!)}\n`)
}
