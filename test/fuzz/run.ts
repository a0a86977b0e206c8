/**
 * `npm run fuzz -- --messages N --seed N`: clients and servers say N messages each to the hub, of every kind and at every
 * moment, in several lanes at once, for `--minutes N` at most. Exit code 0, or 2 with the seed and the shortest steps that broke it, or with what the
 * hub's log tells of defects.
 */
import process from "node:process"
import { parseArgs } from "node:util"
import { fuzz } from "./Fuzz.ts"

const { values } = parseArgs({
  options: {
    messages: { type: "string", default: "10000" },
    minutes: { type: "string", default: "Infinity" },
    seed: { type: "string", default: "1" },
    lanes: { type: "string", default: "8" },
    batch: { type: "string", default: "50" }
  }
})
const tell = (line: string) => void process.stdout.write(`${line}\n`)
const { broken, clients, defects, seconds, servers } = await fuzz({
  messages: Number(values.messages),
  minutes: Number(values.minutes),
  seed: Number(values.seed),
  lanes: Number(values.lanes),
  batch: Number(values.batch),
  tell
})
tell(`seed ${values.seed}: ${Math.round((clients + servers) / seconds)} messages a second`)
for (const [kind, count] of defects) tell(`${count} times ${kind}`)
tell(broken === undefined ? "nothing broke" : `BROKEN\n${broken}`)
process.exit(broken === undefined && defects.size === 0 ? 0 : 2)
