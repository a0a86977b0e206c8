/**
 * A real MCP server over streamable HTTP with behaviour that a test defines. It listens on 127.0.0.1, keeps every
 * request it received, and answers each method and tool as its script says: at once, never, twice, with the wrong id,
 * as a web page, with its socket torn down half-way.
 *
 * By default it is an ordinary server of revision 2025-11-25 with sessions, an event stream and the tools `echo`,
 * `whoami` (the headers it got), `set-context` and `get-data` (state of its session). Embedders' tests use it as well
 * as the hub's own; it runs on Node and Deno.
 */
import { Context, Deferred, Effect, Layer, type Scope } from "effect"
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http"
import type { AddressInfo, Socket } from "node:net"
import { ScriptedCall, type Script } from "./ScriptedCall.ts"
import { builtinTools } from "./ScriptedTools.ts"
import type { Received, ScriptedMessage, ScriptedSession } from "./ScriptedMessages.ts"

export interface ScriptedHttpOptions {
  /** The port of an earlier server, to restart it; default: a free one. */
  readonly port?: number
  /** Issue session ids and require them; default true. */
  readonly sessions?: boolean
  /** The form of the built-in scripts' answers; default "json". */
  readonly answers?: "json" | "sse"
  /** Offer the GET stream; default true. Otherwise GET gets 405. */
  readonly stream?: boolean
  /** The revision in the answer to initialize; default: the requested one. */
  readonly protocolVersion?: string
  /** The number of received requests to keep, the newest ones; default: all. */
  readonly keep?: number
  /** The answer to a request of a session that is not known; default: 404. */
  readonly forgotten?: Script
  /** Scripts by tool name, in place of or besides the built-in ones. */
  readonly tools?: Readonly<Record<string, Script>>
  /** Scripts by JSON-RPC method, which take precedence. `GET` and `DELETE` stand for the HTTP methods. */
  readonly methods?: Readonly<Record<string, Script>>
}

export interface ScriptedHttp {
  readonly url: string
  readonly origin: string
  /** Everything received so far, in order. */
  readonly received: ReadonlyArray<Received>
  /** The first matching request, past or future. */
  readonly await: (match: (received: Received) => boolean) => Effect.Effect<Received>
  /** Received requests with this JSON-RPC method (or `GET`, `DELETE`). */
  readonly calls: (method: string) => ReadonlyArray<Received>
  readonly sessions: ReadonlyMap<string, ScriptedSession>
  /** Forgets every session, as a restart does: their ids then get 404, or what `forgotten` says. */
  readonly forgetSessions: () => void
  /** Replaces the script of a JSON-RPC method (or `GET`, `DELETE`) from now on. */
  readonly script: (method: string, script: Script) => void
  /** Sends a message on every open GET stream and returns their number. */
  readonly push: (message: object, eventId?: string) => number
  /** Ends every open GET stream in order. */
  readonly endStreams: () => void
  /** Sockets open now, and accepted since the start. */
  readonly sockets: () => { readonly open: number; readonly accepted: number }
}

export class ScriptedHttpUpstream extends Context.Service<ScriptedHttpUpstream, ScriptedHttp>()(
  "mcphub/testkit/ScriptedHttpUpstream"
) {
  /** A server of its own, closed with the scope. */
  static readonly make = (options: ScriptedHttpOptions = {}): Effect.Effect<ScriptedHttp, never, Scope.Scope> =>
    make(options)

  static readonly layer = (options: ScriptedHttpOptions = {}): Layer.Layer<ScriptedHttpUpstream> =>
    Layer.effect(ScriptedHttpUpstream, make(options))
}

interface Waiter {
  readonly match: (received: Received) => boolean
  readonly found: Deferred.Deferred<Received>
}

const make = Effect.fnUntraced(function* (options: ScriptedHttpOptions) {
  const received: Array<Received> = []
  const waiters = new Set<Waiter>()
  const sessions = new Map<string, ScriptedSession>()
  const streams = new Set<ScriptedCall>()
  const sockets = new Map<Socket, number>()
  const scripts = new Map(Object.entries(options.methods ?? {}))
  const tools: Readonly<Record<string, Script>> = { ...builtinTools, ...options.tools }
  let accepted = 0

  const defaults: Record<string, Script> = {
    initialize: (call) => {
      if (options.sessions !== false) {
        const session: ScriptedSession = { id: crypto.randomUUID(), state: new Map() }
        sessions.set(session.id, session)
        call.response.setHeader("mcp-session-id", session.id)
      }
      call.result({
        protocolVersion: options.protocolVersion ?? call.params["protocolVersion"],
        capabilities: { tools: { listChanged: true }, logging: {} },
        serverInfo: { name: "scripted", version: "1.0.0" },
        instructions: "Say what you expect"
      })
    },
    ping: (call) => call.result({}),
    "tools/list": (call) =>
      call.result({ tools: Object.keys(tools).map((name) => ({ name, inputSchema: { type: "object" } })) }),
    "tools/call": (call) => {
      const tool = tools[String(call.params["name"])]
      return tool === undefined ? call.error(-32602, "Unknown tool") : tool(call)
    },
    GET: (call) => {
      if (options.stream === false) return call.status(405)
      streams.add(call)
      call.response.once("close", () => streams.delete(call))
      call.open()
    },
    DELETE: (call) => {
      if (call.session !== undefined) sessions.delete(call.session.id)
      call.status(call.session === undefined ? 405 : 204)
    }
  }

  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    // Looked up now: once a socket has closed before its request was read to the end, it is no longer in the map.
    const socket = sockets.get(request.socket)!
    const chunks: Array<Buffer> = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const text = Buffer.concat(chunks).toString()
    const one: Received = {
      httpMethod: request.method!,
      path: request.url!,
      headers: request.headers,
      body: text === "" ? undefined : (JSON.parse(text) as ScriptedMessage),
      remotePort: request.socket.remotePort!,
      socket
    }
    received.push(one)
    if (received.length > (options.keep ?? Number.POSITIVE_INFINITY)) received.shift()
    for (const waiter of waiters) if (waiter.match(one)) Deferred.doneUnsafe(waiter.found, Effect.succeed(one))
    const sessionId = request.headers["mcp-session-id"]
    const session = typeof sessionId === "string" ? sessions.get(sessionId) : undefined
    const call = new ScriptedCall(one, response, session, options.answers ?? "json")
    const method = one.body === undefined ? one.httpMethod : one.body.method
    const wants = options.sessions !== false && method !== "initialize"
    if (wants && session === undefined && sessionId !== undefined) {
      return await (options.forgotten ?? ((one: ScriptedCall) => one.status(404)))(call)
    }
    if (wants && session === undefined && method !== "DELETE" && !scripts.has(method ?? "")) return call.status(400)
    const script = scripts.get(method ?? "") ?? defaults[method ?? ""]
    if (script !== undefined) return await script(call)
    if (one.body?.id === undefined || one.body.method === undefined) return call.status(202)
    return call.error(-32601, "Method not found")
  }

  const server = yield* Effect.acquireRelease(
    Effect.callback<Server>((resume) => {
      const listening = createServer({ requestTimeout: 0, keepAliveTimeout: 60_000 }, (request, response) => {
        handle(request, response).catch(() => response.destroy())
      })
      listening.on("connection", (socket: Socket) => {
        sockets.set(socket, ++accepted)
        socket.once("close", () => sockets.delete(socket))
        // A test may tear the connection down from either side.
        socket.on("error", () => undefined)
      })
      listening.listen(options.port ?? 0, "127.0.0.1", () => resume(Effect.succeed(listening)))
    }),
    (listening) =>
      Effect.callback<void>((resume) => {
        listening.close(() => resume(Effect.void))
        for (const socket of sockets.keys()) socket.destroy()
      })
  )
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`

  const named = (method: string) => (one: Received) =>
    (one.body === undefined ? one.httpMethod : one.body.method) === method

  return ScriptedHttpUpstream.of({
    url: `${origin}/mcp`,
    origin,
    received,
    await: (match) =>
      Effect.suspend(() => {
        const past = received.find(match)
        if (past !== undefined) return Effect.succeed(past)
        const waiter: Waiter = { match, found: Deferred.makeUnsafe() }
        waiters.add(waiter)
        return Effect.ensuring(
          Deferred.await(waiter.found),
          Effect.sync(() => waiters.delete(waiter))
        )
      }),
    calls: (method) => received.filter(named(method)),
    sessions,
    forgetSessions: () => sessions.clear(),
    script: (method, script) => void scripts.set(method, script),
    push: (message, eventId) => {
      for (const stream of streams) stream.event(message, eventId)
      return streams.size
    },
    endStreams: () => {
      for (const stream of streams) stream.end()
    },
    sockets: () => ({ open: sockets.size, accepted })
  })
})
