/** A process that stands in for a hub about to be killed: two users' stubborn servers, whose pids it prints. */
import { Effect } from "effect"
import { config } from "../../../../../src/testkit/ScriptedStdioUpstream.ts"
import { callTool, connect, contextOf, layer } from "../../support/StdioCalls.ts"

const stubborn = config({ ignoreSigterm: true, ignoreStdinEnd: true, grandchild: true })

const pidsOf = Effect.fnUntraced(function* (username: string) {
  const context = contextOf(username)
  const connection = yield* connect(stubborn, context)
  const { grandchild, pid } = yield* callTool(connection, context, "pid")
  return [pid, grandchild] as const
})

const program = Effect.gen(function* () {
  const pids = [...(yield* pidsOf("ada")), ...(yield* pidsOf("bo"))]
  yield* Effect.sync(() => console.log(JSON.stringify(pids)))
  return yield* Effect.never
})

void Effect.runPromise(program.pipe(Effect.scoped, Effect.provide(layer())))
