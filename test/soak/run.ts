/** `npm run soak -- --minutes N`: exit code 0 when all was well, 2 when something was not. */
import process from "node:process"
import { Effect } from "effect"
import { fromArguments, soak } from "./Soak.ts"

const { problems } = await Effect.runPromise(soak(fromArguments(process.argv.slice(2))))
process.exit(problems.length === 0 ? 0 : 2)
