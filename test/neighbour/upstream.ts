/**
 * An MCP server over HTTP in a process of its own, so that its work does not burden the measuring process. Prints its
 * address.
 */
import process from "node:process"
import { Effect } from "effect"
import { faults, ScriptedHttpUpstream } from "../../src/testkit/index.ts"
import { chattyAnswer, largeAnswer } from "./Disturbances.ts"

await Effect.runPromise(
  Effect.scoped(
    Effect.gen(function* () {
      const server = yield* ScriptedHttpUpstream.make({
        sessions: false,
        stream: false,
        keep: 1,
        tools: { hang: faults.hang, large: largeAnswer, chatty: chattyAnswer }
      })
      process.stdout.write(`listening on ${server.url}\n`)
      return yield* Effect.never
    })
  )
)
