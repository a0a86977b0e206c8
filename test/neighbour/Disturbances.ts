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

/** Five hundred reports of progress, then the result. */
export const chattyAnswer: Script = (call) => {
  for (let progress = 1; progress <= 500; progress++) {
    const params = { progressToken: call.progressToken, progress, message: "x".repeat(100) }
    call.event({ jsonrpc: "2.0", method: "notifications/progress", params })
  }
  call.content({ said: 500 })
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
  /** Sixteen bodies of 4 MiB at a time, each of 98,000 objects, which take long to parse. */
  bodies: { at: 16, tool: "theirs-echo" },
  /** Forty bodies of 3.9 MB at a time, each one text. */
  posts: { at: 40, tool: "theirs-echo" },
  /** Batches of a hundred notifications, each of which the server hears. */
  batches: { at: 16, tool: "theirs-echo" },
  /** Sessions that are opened, used once and ended, one after the other. */
  sessions: { at: 4, tool: "theirs-echo" },
  /** The same with the server of a child process, which each session starts. */
  children: { at: 8, tool: "child-echo" },
  /** An answer of five hundred events that is resumed from its beginning again and again. */
  replays: { at: 4, tool: "theirs-chatty" },
  /** A server that floods the event stream of the user's session with little notifications. */
  news: { at: 1, tool: "loud-shout" },
  /** The same on the standard output of a child process. */
  stdout: { at: 1, tool: "child-shout" }
} as const

export type Disturbance = keyof typeof disturbances

const callOf = (name: string, args: object) => ({
  jsonrpc: "2.0",
  id: 1,
  method: "tools/call",
  params: { name, arguments: args, _meta: { progressToken: 1 } }
})

/** Just below the limits of a body: 4 MiB, and 100,000 members. */
const many = Array.from({ length: 98_000 }, (_, at) => [{}, "x".repeat(28 + (at % 9))]).flat()

const longText = "y".repeat(3_900_000)

const batch = Array.from({ length: 100 }, () => ({ jsonrpc: "2.0", method: "notifications/roots/list_changed" }))

const argumentsOf = (kind: Disturbance): object =>
  kind === "bodies" ? { many } : kind === "posts" ? { text: longText } : {}

/** One session after the other, each with a call. */
const opening = (http: RawHttp.RawHttp, key: Redacted.Redacted<string>, at: number, tool: string) =>
  Effect.gen(function* () {
    const client = yield* McpClient.connect(http, { key })
    yield* client.callTool(tool)
    yield* client.end
  }).pipe(
    // A refusal says when to come back; whoever disturbs does not listen.
    Effect.ignore,
    Effect.forever,
    Effect.scoped,
    (one) =>
      Effect.all(
        Array.from({ length: at }, () => one),
        { concurrency: "unbounded", discard: true }
      )
  )

/** Runs until it is interrupted; `begun` when the first session is open. */
export const disturb = Effect.fnUntraced(function* (
  origin: string,
  key: Redacted.Redacted<string>,
  kind: Disturbance,
  begun: Effect.Effect<void>
) {
  const { at, tool } = disturbances[kind]
  const http = yield* RawHttp.make(origin)
  const client = yield* McpClient.connect(http, {
    key,
    ...(kind === "batches" ? { protocolVersion: "2025-03-26" } : {})
  })
  yield* Effect.ignore(client.callTool("theirs-echo"))
  yield* begun
  if (kind === "sessions" || kind === "children") return yield* opening(http, key, at, tool)
  const { headers } = client
  if (kind === "replays") {
    const answer = yield* client.open(callOf("theirs-chatty", {}))
    const first = yield* answer.event
    yield* answer.rest
    const last = { ...headers, "last-event-id": first.id ?? "" }
    return yield* RudeClients.floods(origin, { method: "GET", path: "/mcp", headers: last, body: "" }, at)
  }
  const body = JSON.stringify(kind === "batches" ? batch : callOf(tool, argumentsOf(kind)))
  yield* RudeClients.floods(origin, { method: "POST", path: "/mcp", headers, body }, at)
}, Effect.scoped)
