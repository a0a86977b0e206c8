/**
 * `npm run soak -- --minutes N`: exit code 0 when all was well, 2 when something was not. With `--postgres` the hub has
 * its database on a server that is started for the run.
 */
import process from "node:process"
import { Effect, Redacted } from "effect"
import { Postgres } from "../support/Postgres.ts"
import { fromArguments, soak } from "./Soak.ts"

const args = process.argv.slice(2)
const options = fromArguments(args)

const onServer = Effect.gen(function* () {
  const url = yield* (yield* Postgres).database
  return yield* soak({ ...options, databaseUrl: Redacted.value(url) })
}).pipe(Effect.scoped, Effect.provide(Postgres.layer))

const { problems } = await Effect.runPromise(args.includes("--postgres") ? onServer : soak(options))
process.exit(problems.length === 0 ? 0 : 2)
