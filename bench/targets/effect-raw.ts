/**
 * The least a hub does for a call: key look-up, session map, request id, identity headers, the method from the body, a
 * deadline, a count of what runs. Bytes by `node:http` and undici, Effect as supervisor only: `effect-raw.ts PORT
 * UPSTREAM`.
 */
import { randomUUID } from "node:crypto"
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import process from "node:process"
import { Effect, Fiber, Metric } from "effect"
import { Pool } from "undici"
import { users } from "./Target.ts"

interface Session {
  readonly id: string
  readonly user: string
  upstream: string | undefined
}

const byKey = new Map(users.map(({ id, key }) => [`Bearer ${key}`, id]))
const sessions = new Map<string, Session>()
const inFlight = new Map<string, number>()
const answered = Metric.counter("requests")
const pool = new Pool(process.argv[3]!, { connections: 64, pipelining: 1, keepAliveTimeout: 60_000 })
const carried = ["mcp-protocol-version", "mcp-method", "mcp-name"]
let count = 0

const refuse = (response: ServerResponse, status: number): void => {
  if (!response.headersSent) response.writeHead(status, { "content-type": "application/json" })
  response.end('{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"refused"}}')
}

/** What of the server's head is the client's, and the session that it names. */
const headOf = (raw: Readonly<Record<string, string | ReadonlyArray<string> | undefined>>, session?: Session) => {
  const head: Record<string, string> = {}
  for (const name of ["content-type", "content-length", "cache-control"]) {
    const value = raw[name]
    if (typeof value === "string") head[name] = value
  }
  const upstream = raw["mcp-session-id"]
  if (session !== undefined && typeof upstream === "string") {
    session.upstream = upstream
    sessions.set(session.id, session)
  }
  if (session?.upstream !== undefined) head["mcp-session-id"] = session.id
  return head
}

const forward = (
  request: IncomingMessage,
  response: ServerResponse,
  body: Buffer,
  headers: ReadonlyArray<string>,
  session: Session | undefined
) =>
  Effect.callback<void, Error>((resume) => {
    let abort: (() => void) | undefined
    pool.dispatch(
      {
        path: "/mcp",
        method: request.method as "POST",
        headers: headers as Array<string>,
        body: body.length === 0 ? null : body,
        bodyTimeout: 0
      },
      {
        onRequestStart: (controller) => {
          abort = () => controller.abort(new Error("the client has gone"))
        },
        onResponseStart: (_controller, status, raw) => void response.writeHead(status, headOf(raw, session)),
        onResponseData: (_controller, piece) => void response.write(piece),
        onResponseEnd: () => {
          response.end()
          resume(Effect.void)
        },
        onResponseError: (_controller, error) => resume(Effect.fail(error))
      }
    )
    return Effect.sync(() => abort?.())
  })

const serve = (request: IncomingMessage, response: ServerResponse, body: Buffer): void => {
  const user = byKey.get(request.headers.authorization ?? "")
  if (user === undefined) return refuse(response, 401)
  const message = request.method === "POST" ? (JSON.parse(body.toString()) as { readonly method?: string }) : undefined
  const id = request.headers["mcp-session-id"] as string | undefined
  let session = id === undefined ? undefined : sessions.get(id)
  if (id !== undefined && session?.user !== user) return refuse(response, 404)
  if (message?.method === "initialize") session = { id: randomUUID(), user, upstream: undefined }
  const requestId = `user-${user}-${session?.id ?? "none"}-${message?.method}-${Date.now()}-${++count}`
  const headers = ["content-type", "application/json", "accept", "application/json, text/event-stream"]
  headers.push("x-mcphub-user-id", user, "x-mcphub-session-id", session?.id ?? "", "x-mcphub-request-id", requestId)
  if (session?.upstream !== undefined) headers.push("mcp-session-id", session.upstream)
  for (const name of carried) {
    const value = request.headers[name]
    if (typeof value === "string") headers.push(name, value)
  }
  const fiber = Effect.runFork(
    Effect.acquireUseRelease(
      Effect.sync(() => void inFlight.set(requestId, performance.now())),
      () => Effect.timeout(forward(request, response, body, headers, session), "30 seconds"),
      () => Effect.sync(() => void inFlight.delete(requestId))
    ).pipe(
      Effect.andThen(Metric.update(answered, 1)),
      Effect.catchCause(() => Effect.sync(() => refuse(response, 502)))
    )
  )
  response.on("close", () => {
    if (!response.writableFinished) Effect.runFork(Fiber.interrupt(fiber))
    if (request.method === "DELETE" && session !== undefined) sessions.delete(session.id)
  })
}

createServer({ keepAliveTimeout: 0 }, (request, response) => {
  const pieces: Array<Buffer> = []
  request.on("data", (piece: Buffer) => pieces.push(piece))
  request.on("end", () => serve(request, response, pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces)))
}).listen(Number(process.argv[2]), "127.0.0.1")
