/** `npm run neighbour`: prints how much longer one user's calls take beside each misbehaviour of another. */
import process from "node:process"
import { Effect } from "effect"
import { fromArguments, measure } from "./Neighbour.ts"

const figures = await Effect.runPromise(measure(fromArguments(process.argv.slice(2))))
for (const { kind, p50, p99 } of figures) {
  process.stdout.write(`${kind}: p50 × ${p50.toFixed(2)}, p99 × ${p99.toFixed(2)}\n`)
}
process.exit(0)
