/** The MCP server that the bench calls, free of any transport: its tools, its sessions, and what it counts. */
import { randomBytes } from "node:crypto"

export const stateless = "2026-07-28"
const stateful = ["2025-03-26", "2025-06-18", "2025-11-25"]

export interface UpstreamSession {
  readonly id: string
  /** Whoever opened it, as far as the server is told. */
  readonly owner: string
  counter: number
}

export const sessions = new Map<string, UpstreamSession>()

export const newSession = (owner: string): UpstreamSession => {
  const session = { id: randomBytes(12).toString("hex"), owner, counter: 0 }
  sessions.set(session.id, session)
  return session
}

/** What has happened since the last reset; `running` is not reset. */
export const counts = { requests: 0, calls: 0, aborted: 0, cancelled: 0, running: 0 }

export type Json = Readonly<Record<string, unknown>>

export interface Message {
  readonly id?: string | number
  readonly method?: string
  readonly params?: Json
}

/** What a request needs of its transport. */
export interface Exchange {
  readonly session: UpstreamSession | undefined
  readonly isStateless: boolean
  readonly headers: Json
  readonly headBytes: number
  readonly notify: (message: string) => void
  readonly done: (message: string) => void
  readonly onGone: (then: () => void) => void
}

const properties = (...names: ReadonlyArray<string>) => Object.fromEntries(names.map((name) => [name, {}]))
const tool = (name: string, description: string, ...names: ReadonlyArray<string>) => ({
  name,
  description,
  inputSchema: { type: "object", properties: properties(...names) }
})

export const tools = [
  tool("echo", "Returns text unchanged", "text"),
  tool("whoami", "Returns the request's headers and its session", "text"),
  tool("counter", "Counts the calls of this session"),
  tool("sleep", "Answers after ms milliseconds", "ms", "text"),
  tool("big", "Returns as many bytes as asked for", "bytes"),
  tool("progress", "Sends progress notifications, then answers", "steps", "text")
]

const answer = (id: unknown, result: string): string =>
  `{"jsonrpc":"2.0","id":${JSON.stringify(id)},"result":${result}}`

export const failure = (id: unknown, code: number, message: string): string =>
  JSON.stringify({ jsonrpc: "2.0", id: id ?? null, error: { code, message } })

/** Members that a result of the stateless revision has beside its own. */
const kept = { resultType: "complete", ttlMs: 60_000, cacheScope: "public" }

const large = new Map<number, string>()
const bytesOf = (count: number): string => {
  const known = large.get(count) ?? "x".repeat(count)
  large.set(count, known)
  return known
}

const callTool = (id: unknown, params: Json, exchange: Exchange): void => {
  counts.calls++
  const given = (params["arguments"] ?? {}) as Json
  const text = (value: string): void =>
    exchange.done(
      answer(
        id,
        `{"content":[{"type":"text","text":${JSON.stringify(value)}}]${exchange.isStateless ? ',"resultType":"complete"' : ""}}`
      )
    )
  switch (params["name"]) {
    case "echo":
      return text(String(given["text"]))
    case "whoami": {
      const { headBytes, headers, session } = exchange
      return text(JSON.stringify({ headers, headBytes, session: session?.id, echo: given["text"] }))
    }
    case "counter":
      return text(String(exchange.session === undefined ? 1 : ++exchange.session.counter))
    case "big":
      return text(bytesOf(Number(given["bytes"])))
    case "progress": {
      const token = JSON.stringify((params["_meta"] as Json | undefined)?.["progressToken"])
      const steps = Number(given["steps"])
      for (let step = 1; token !== undefined && step <= steps; step++) {
        const said = `{"progressToken":${token},"progress":${step},"total":${steps}}`
        exchange.notify(`{"jsonrpc":"2.0","method":"notifications/progress","params":${said}}`)
      }
      return text(String(given["text"]))
    }
    case "sleep": {
      counts.running++
      const timer = setTimeout(() => {
        counts.running--
        text(String(given["text"]))
      }, Number(given["ms"]))
      return exchange.onGone(() => {
        clearTimeout(timer)
        counts.running--
        counts.aborted++
      })
    }
    default:
      return exchange.done(failure(id, -32602, "No such tool"))
  }
}

export const dispatch = ({ id, method, params = {} }: Message, exchange: Exchange): void => {
  const done = (result: Json): void =>
    exchange.done(answer(id, JSON.stringify(exchange.isStateless ? { ...result, ...kept } : result)))
  const serverInfo = { name: "bench-upstream", version: "1.0.0" }
  const capabilities = { tools: { listChanged: true } }
  switch (method) {
    case "tools/call":
      return callTool(id, params, exchange)
    case "initialize": {
      const asked = String(params["protocolVersion"])
      return done({ protocolVersion: stateful.includes(asked) ? asked : "2025-11-25", capabilities, serverInfo })
    }
    case "server/discover":
      return done({ supportedVersions: [stateless], capabilities: { tools: {} }, serverInfo })
    case "ping":
    case "logging/setLevel":
      return done({})
    case "tools/list":
      return done({ tools })
    default:
      return exchange.done(failure(id, -32601, "Method not found"))
  }
}
