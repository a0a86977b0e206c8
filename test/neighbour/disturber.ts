/** `disturber.ts ORIGIN KIND`, the key in `DISTURBER_KEY`: disturbs until it is killed. */
import process from "node:process"
import { Effect, Redacted } from "effect"
import { type Disturbance, disturb } from "./Disturbances.ts"

const [origin, kind] = process.argv.slice(2)
const begun = Effect.sync(() => void process.stdout.write(`listening on ${kind}\n`))
await Effect.runPromise(
  Effect.scoped(disturb(origin!, Redacted.make(process.env["DISTURBER_KEY"]!), kind as Disturbance, begun))
)
