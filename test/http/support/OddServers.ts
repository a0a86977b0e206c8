/**
 * Servers of both transports and both eras that write what a test tells them to, and the calls of clients of both eras
 * to them: what servers of the field do that no specification foresees is tried in every combination.
 */
import { Effect } from "effect"
import type { JsonObject } from "../../../src/domain/protocol/JsonRpc.ts"
import type { Era } from "../../../src/domain/protocol/Versions.ts"
import type { ServerConfig } from "../../../src/domain/servers/ServerConfig.ts"
import type { HubUser, McpClient } from "../../../src/testkit/index.ts"
import { ScriptedHttpUpstream } from "../../../src/testkit/index.ts"
import type { Script, ScriptedCall } from "../../../src/testkit/ScriptedCall.ts"
import type { RunningHub } from "../../../src/testkit/TestHub.ts"
import * as StatelessUpstream from "../../support/StatelessUpstream.ts"
import * as SayingServer from "./SayingServer.ts"
import { ask } from "./StatelessClient.ts"

export type Transport = "stdio" | "http"

export const eras = ["stateful", "stateless"] as const

export const everywhere: ReadonlyArray<readonly [Transport, Era]> = (["stdio", "http"] as const).flatMap((transport) =>
  eras.map((era) => [transport, era] as const)
)

/** A text in which `$ID` and `$TOKEN` stand for the call's id and its progress token. */
const filled = (text: string, id: unknown, token: unknown): string =>
  text.replaceAll("$ID", JSON.stringify(id)).replaceAll("$TOKEN", JSON.stringify(token ?? null))

/** Writes the lines, each as an event of its own, and ends. */
const say: Script = (call) => {
  call.open()
  for (const line of String(call.arguments["line"]).split("\n")) {
    call.raw(`data: ${filled(line, call.id, call.progressToken)}\n\n`)
  }
  call.end()
}

/**
 * With the tools `say { line }` (several lines are several messages), `hold`, `release`, `beat` and `who`, shared
 * by all users unless told otherwise.
 */
export const start = Effect.fnUntraced(function* (transport: Transport, era: Era, more: Partial<ServerConfig> = {}) {
  const common = { isolation: "shared", context: "none", ...more } as const
  if (transport === "stdio") return { ...SayingServer.config({ era, ...common }) }
  const held: Array<ScriptedCall> = []
  /** A release that came before what it was for. */
  let isReleased = false
  const tools: Readonly<Record<string, Script>> = {
    say,
    hold: (call) => {
      if (isReleased) call.content({ released: true })
      else held.push(call)
      isReleased = false
    },
    release: (call) => {
      isReleased = held.length === 0
      for (const one of held.splice(0)) one.content({ released: true })
      call.content({ name: "release" })
    },
    beat: (call) => {
      for (const message of SayingServer.beatOf(held[0]?.progressToken)) held[0]?.event(message)
      call.content({ name: "beat" })
    },
    who: (call) => call.content({ name: "who" })
  }
  const upstream = yield* era === "stateless" ? StatelessUpstream.make({ tools }) : ScriptedHttpUpstream.make({ tools })
  return { url: upstream.url, era, ...common }
})

export interface Answer {
  /** Messages before the answer. */
  readonly before: ReadonlyArray<any>
  readonly result: any
  readonly error: any
}

/** Sends one request as a client of this era does, and reads its answer to the end. */
export const request = Effect.fnUntraced(function* (
  hub: RunningHub,
  user: HubUser,
  client: McpClient.McpClient | "stateless",
  method: string,
  params: JsonObject = {}
) {
  if (client === "stateless") {
    const { _meta, ...rest } = params
    return (yield* ask(hub.http, user, method, rest, { meta: (_meta ?? {}) as JsonObject })) as Answer
  }
  const messages = yield* Effect.flatMap(client.open({ jsonrpc: "2.0", id: 1, method, params }), ({ rest }) => rest)
  const response: any = messages.at(-1)
  return { before: messages.slice(0, -1), result: response?.result, error: response?.error } as Answer
})

/** Calls a tool of the server `odd`. */
export const call = (
  hub: RunningHub,
  user: HubUser,
  client: McpClient.McpClient | "stateless",
  name: string,
  args: JsonObject = {},
  meta?: JsonObject
) =>
  request(hub, user, client, "tools/call", {
    name: `odd-${name}`,
    arguments: args,
    ...(meta === undefined ? {} : { _meta: meta })
  })
