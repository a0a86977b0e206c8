/**
 * `npm run fuzz -- --messages N --seed N`: says N messages to the hub, of every kind and from every side. Exit code 0, or
 * 2 with the seed and the smallest message that broke it.
 */
import process from "node:process"
import { parseArgs } from "node:util"
import { fuzz } from "./Fuzz.ts"

const { values } = parseArgs({
  options: { messages: { type: "string", default: "10000" }, seed: { type: "string", default: "1" } }
})
const tell = (line: string) => void process.stdout.write(`${line}\n`)
const { broken, messages } = await fuzz({ messages: Number(values.messages), seed: Number(values.seed), tell })
tell(
  broken === undefined
    ? `${messages} messages, seed ${values.seed}: nothing broke`
    : `BROKEN after ${messages}\n${broken}`
)
process.exit(broken === undefined ? 0 : 2)
