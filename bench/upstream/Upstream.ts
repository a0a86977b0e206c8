/**
 * The bench's MCP server on streamable HTTP. `GET /counts` tells what it has counted, `POST /reset` begins anew.
 */
import type { Handler, Request } from "../wire/Listener.ts"
import { listen } from "../wire/Listener.ts"
import {
  counts,
  dispatch,
  type Exchange,
  failure,
  type Message,
  newSession,
  sessions,
  stateless,
  type UpstreamSession
} from "./Tools.ts"

const json = "Content-Type: application/json\r\n"
const events = "Content-Type: text/event-stream\r\nCache-Control: no-cache\r\n"
const event = (message: string): string => `event: message\ndata: ${message}\n\n`

/** Two users that meet in one session are told apart by it. */
const ownerOf = ({ headers }: Request): string =>
  headers["x-mcphub-user-id"] ?? headers["authorization"] ?? headers["x-api-key"] ?? ""

const refusedStateless = ({ headers }: Request, { method, params }: Message): boolean =>
  headers["mcp-method"] !== method || (method === "tools/call" && headers["mcp-name"] !== params?.["name"])

const handle: Handler = (request, response) => {
  const { body, headBytes, headers, method, path } = request
  if (path === "/counts") {
    return response.send(200, json, JSON.stringify({ ...counts, sessions: sessions.size }))
  }
  if (path === "/reset") {
    Object.assign(counts, { requests: 0, calls: 0, aborted: 0, cancelled: 0 })
    return response.send(200, json, "{}")
  }
  const id = headers["mcp-session-id"]
  const known = id === undefined ? undefined : sessions.get(id)
  if (method === "GET") {
    if (known === undefined) return response.send(id === undefined ? 405 : 404, json, "{}")
    response.stream(events)
    return response.write(": open\n\n")
  }
  if (method === "DELETE") return response.send(id !== undefined && sessions.delete(id) ? 200 : 404, "")
  if (method !== "POST") return response.send(405, "Allow: GET, POST, DELETE\r\n")
  counts.requests++
  const message = JSON.parse(body) as Message
  const isStateless = headers["mcp-protocol-version"] === stateless
  let session: UpstreamSession | undefined
  if (isStateless) {
    if (refusedStateless(request, message)) {
      return response.send(400, json, failure(message.id, -32020, "The headers do not fit the message"))
    }
  } else {
    session = message.method === "initialize" ? newSession(ownerOf(request)) : known
    if (session === undefined) {
      return response.send(id === undefined ? 400 : 404, json, failure(message.id, -32001, "No such session"))
    }
  }
  if (message.id === undefined || message.method === undefined) {
    if (message.method === "notifications/cancelled") counts.cancelled++
    return response.send(202, "")
  }
  const own = session !== undefined && message.method === "initialize" ? `Mcp-Session-Id: ${session.id}\r\n` : ""
  const isStream = message.method === "tools/call" && message.params?.["name"] === "progress"
  if (isStream) response.stream(events + own)
  const exchange: Exchange = {
    session,
    isStateless,
    headers,
    headBytes,
    notify: (said) => response.write(event(said)),
    done: (said) => (isStream ? response.end(event(said)) : response.send(200, json + own, said)),
    onGone: (then) => void (response.onGone = then)
  }
  dispatch(message, exchange)
}

/** Port 0 takes a free one. */
export const start = (port: number) => listen(port, handle)
