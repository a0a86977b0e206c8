/** The other user's disturbances, each until it is stopped: the kinds of load that nobody else may feel. */
import { Effect, type Redacted } from "effect"
import { McpClient, RawHttp, RudeClients, type Script } from "../../src/testkit/index.ts"

const largeBytes = 50_000_000
const text = "x".repeat(65_536)

/** 50 MB of text as the result of a call, as fast as it is read. */
export const largeAnswer: Script = (call) => {
  const { response } = call
  response.writeHead(200, { "content-type": "application/json" })
  response.write(`{"jsonrpc":"2.0","id":${JSON.stringify(call.id)},"result":{"content":[{"type":"text","text":"`)
  let left = largeBytes
  const more = (): void => {
    while (left > 0 && !response.destroyed) {
      left -= text.length
      if (!response.write(text)) return void response.once("drain", more)
    }
    if (!response.destroyed) response.end('"}]}}')
  }
  more()
}

/** By name: how many do what side by side. */
export const disturbances = {
  /** A hundred calls that are never answered. */
  hung: { at: 100, tool: "theirs-hang" },
  /** Four answers of 50 MB at a time, one after the other. */
  large: { at: 4, tool: "theirs-large" },
  /** As many small calls as come back, 64 at a time. */
  flood: { at: 64, tool: "theirs-echo" },
  /** More at a time than the user may have in flight: most are refused, and come again at once. */
  overflow: { at: 400, tool: "theirs-echo" },
  /** A server that floods the event stream of the user's session with little notifications. */
  news: { at: 1, tool: "loud-shout" },
  /** The same on the standard output of a child process. */
  stdout: { at: 1, tool: "child-shout" }
} as const

export type Disturbance = keyof typeof disturbances

/** Runs until it is interrupted; `begun` when the first session is open. */
export const disturb = Effect.fnUntraced(function* (
  origin: string,
  key: Redacted.Redacted<string>,
  kind: Disturbance,
  begun: Effect.Effect<void>
) {
  const { at, tool } = disturbances[kind]
  const http = yield* RawHttp.make(origin)
  const client = yield* McpClient.connect(http, { key })
  yield* Effect.ignore(client.callTool("theirs-echo"))
  yield* begun
  const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/call", params: { name: tool, arguments: {} } })
  yield* RudeClients.floods(origin, { method: "POST", path: "/mcp", headers: client.headers, body }, at)
}, Effect.scoped)
