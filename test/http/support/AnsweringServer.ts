/**
 * A server of any transport and era that gives the results a test names, by method, and of each tool by its name: what
 * servers say, as opposed to when and how, is tried with it everywhere.
 */
import { Effect } from "effect"
import { runtimeCommand } from "../../../src/cli/sample/RuntimeCommand.ts"
import type { JsonObject } from "../../../src/domain/protocol/JsonRpc.ts"
import type { Era } from "../../../src/domain/protocol/Versions.ts"
import type { ServerConfig } from "../../../src/domain/servers/ServerConfig.ts"
import { ScriptedHttpUpstream } from "../../../src/testkit/index.ts"
import type { Script } from "../../../src/testkit/ScriptedCall.ts"
import * as StatelessUpstream from "../../support/StatelessUpstream.ts"
import { handshakes, resultFor, type Results } from "./answering-stdio.ts"

export type { Results }

export const start = Effect.fnUntraced(function* (
  transport: "stdio" | "http",
  era: Era,
  results: Results,
  more: Partial<ServerConfig> = {}
) {
  const common = { context: "none", era, ...more } as const
  if (transport === "stdio") {
    const env = { ...more.env, RESULTS: JSON.stringify({ era, results }) }
    return {
      type: "stdio",
      ...runtimeCommand(new URL("./answering-stdio.ts", import.meta.url)),
      ...common,
      env
    } satisfies ServerConfig
  }
  const methods = [...new Set([...Object.keys(results), ...Object.keys(handshakes[era]({}))])].map((key) => {
    const method = key.split(" ", 1)[0]!
    const script: Script = (call) => {
      const result = resultFor(era, results, method, call.params)
      if (result === undefined) return call.error(-32601, "Unknown")
      call.result(result as JsonObject)
    }
    return [method, script] as const
  })
  const options = { methods: Object.fromEntries(methods) }
  const upstream = yield* era === "stateless"
    ? StatelessUpstream.make(options)
    : ScriptedHttpUpstream.make({ sessions: false, stream: false, ...options })
  return { url: upstream.url, ...common } satisfies ServerConfig
})
