/**
 * `npm run neighbour`: prints how much longer one user's calls take beside each misbehaviour of another, or with `--memory`
 * how much memory the hub takes meanwhile.
 */
import process from "node:process"
import { Effect } from "effect"
import { measureMemory } from "./Memory.ts"
import { fromArguments, measure } from "./Neighbour.ts"

const options = fromArguments(process.argv.slice(2))
const print = (line: string): void => void process.stdout.write(`${line}\n`)
if (options.memory === true) {
  const figures = await Effect.runPromise(measureMemory(options))
  print("| Kind | Idle, MiB | At most above it | Ten seconds after |\n| --- | --- | --- | --- |")
  for (const { afterwards, idle, kind, peak } of figures) print(`| ${kind} | ${idle} | ${peak} | ${afterwards} |`)
} else {
  const figures = await Effect.runPromise(measure(options))
  for (const { kind, p50, p99 } of figures) print(`${kind}: p50 × ${p50.toFixed(2)}, p99 × ${p99.toFixed(2)}`)
}
process.exit(0)
