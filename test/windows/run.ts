/**
 * `npm run windows -- --minutes 10`: prints a table over time and the counts at the end. Exit code 1 when anything was
 * refused, empty, incomplete, another's or lost without a word.
 */
import process from "node:process"
import { Effect } from "effect"
import { fromArguments, windows } from "./Windows.ts"

const { isSound } = await Effect.runPromise(windows(fromArguments(process.argv.slice(2))))
process.exit(isSound ? 0 : 1)
