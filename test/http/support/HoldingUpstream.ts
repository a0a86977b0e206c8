/** An upstream whose tool `hold` keeps its calls until the test answers them. */
import { Effect, Fiber, Queue } from "effect"
import { type McpClient, type Script, type ScriptedCall, ScriptedHttpUpstream } from "../../../src/testkit/index.ts"

export interface Held {
  /** To be answered, upstream. */
  readonly call: ScriptedCall
  /** All messages of the client's POST, the answer last. */
  readonly messages: Effect.Effect<ReadonlyArray<any>>
  /** The last of them. */
  readonly answer: Effect.Effect<any>
}

export const holdingUpstream = Effect.fnUntraced(function* (tools: Readonly<Record<string, Script>> = {}) {
  const arrived = yield* Queue.unbounded<ScriptedCall>()
  const upstream = yield* ScriptedHttpUpstream.make({
    tools: { hold: (call) => void Queue.offerUnsafe(arrived, call), ...tools }
  })

  /** Calls `files-hold` and comes back when the call is held. */
  const hold = Effect.fnUntraced(function* (
    client: McpClient.McpClient,
    options: { readonly id?: string | number; readonly args?: object; readonly meta?: object } = {}
  ) {
    const fiber = yield* Effect.forkChild(
      Effect.flatMap(
        client.open({
          jsonrpc: "2.0",
          id: options.id ?? 1,
          method: "tools/call",
          params: {
            name: "files-hold",
            arguments: options.args ?? {},
            ...(options.meta === undefined ? {} : { _meta: options.meta })
          }
        }),
        ({ rest }) => rest
      )
    )
    const call = yield* Queue.take(arrived)
    const messages = Fiber.join(fiber) as Held["messages"]
    return { call, messages, answer: Effect.map(messages, (all) => all.at(-1)) } satisfies Held
  })

  return { upstream, arrived, hold }
})
