/** A server over HTTP that floods event streams, in a process of its own. Prints its address. */
import process from "node:process"
import { Effect } from "effect"
import { ScriptedHttpUpstream } from "../../src/testkit/index.ts"
import { loudHttp } from "../support/LoudHttp.ts"

await Effect.runPromise(
  Effect.scoped(
    Effect.gen(function* () {
      const server = yield* ScriptedHttpUpstream.make(loudHttp())
      process.stdout.write(`listening on ${server.url}\n`)
      return yield* Effect.never
    })
  )
)
