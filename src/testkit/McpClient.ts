/**
 * A small MCP client of the stateful revisions over real sockets. It shows what the official ones hide: the status and
 * headers of every answer, and the stream on which each message came.
 */
import { Effect, Redacted, Schema } from "effect"
import type { Cause } from "effect"
import type {
  JsonObject,
  JsonRpcErrorObject,
  JsonRpcId,
  JsonRpcMessage,
  JsonRpcRequest,
  JsonRpcResponse
} from "../domain/protocol/JsonRpc.ts"
import type { OpenAnswer, RawAnswer, RawHttp } from "./RawHttp.ts"
import type { HubUser } from "./TwoUsers.ts"

/** The hub answered with an error, or not at all: without a JSON-RPC error, `code` is 0. */
export class McpFailure extends Schema.TaggedError<McpFailure>()("McpFailure", {
  status: Schema.Number,
  code: Schema.Number,
  message: Schema.String,
  data: Schema.Unknown
}) {}

export interface ConnectOptions {
  /** Default `/mcp`. */
  readonly path?: string | undefined
  /** Default 2025-11-25. */
  readonly protocolVersion?: string | undefined
  readonly capabilities?: JsonObject | undefined
  readonly clientInfo?: JsonObject | undefined
  /** Additional headers for every request. */
  readonly headers?: Readonly<Record<string, string>> | undefined
}

export interface McpClient {
  /** As minted by the hub. */
  readonly sessionId: string
  readonly welcome: JsonObject
  /** Sends a request and succeeds with its result; messages before the answer are skipped. */
  readonly request: (method: string, params?: JsonObject) => Effect.Effect<JsonObject, McpFailure>
  /** `tools/call`, succeeding with the structured content. */
  readonly callTool: (name: string, args?: JsonObject) => Effect.Effect<JsonObject, McpFailure>
  /** Names of `tools/list`, sorted. */
  readonly toolNames: Effect.Effect<ReadonlyArray<string>, McpFailure>
  /** POSTs any message and returns its answer while that is still arriving. */
  readonly open: (message: object) => Effect.Effect<OpenAnswer>
  /** POSTs any message and reads the answer to its end. */
  readonly send: (message: object) => Effect.Effect<RawAnswer>
  readonly notify: (method: string, params?: JsonObject) => Effect.Effect<RawAnswer>
  /** Answers a request of the hub. */
  readonly respond: (id: JsonRpcId, result: JsonObject) => Effect.Effect<RawAnswer>
  /** The GET stream. */
  readonly stream: Effect.Effect<OpenAnswer>
  /** Resumes the stream after the event with this id (`Last-Event-ID`). */
  readonly resume: (lastEventId: string) => Effect.Effect<OpenAnswer>
  /** Sends DELETE and returns the status. */
  readonly end: Effect.Effect<number>
  /** The headers of every request of this client: key, session id, revision. */
  readonly headers: Readonly<Record<string, string>>
  readonly path: string
}

/** Headers of a well-behaved client with this key. */
export const clientHeaders = (key: Redacted.Redacted<string>): Record<string, string> => ({
  authorization: `Bearer ${Redacted.value(key)}`,
  "content-type": "application/json",
  accept: "application/json, text/event-stream"
})

const isResponse = (message: JsonRpcMessage): message is JsonRpcResponse => "result" in message || "error" in message

const failureOf = (status: number, error: JsonRpcErrorObject | undefined): McpFailure =>
  new McpFailure({
    status,
    code: error?.code ?? 0,
    message: error?.message ?? `HTTP status ${status}`,
    data: error?.data
  })

/** The result inside a complete answer. */
export const resultOf = (answer: RawAnswer): Effect.Effect<JsonObject, McpFailure> =>
  Effect.suspend(() => {
    const body = answer.text === "" ? {} : (JSON.parse(answer.text) as Partial<Record<"result" | "error", unknown>>)
    return body.result === undefined
      ? failureOf(answer.status, body.error as JsonRpcErrorObject | undefined)
      : Effect.succeed(body.result as JsonObject)
  })

/** Opens a session: `initialize`, then `notifications/initialized`. */
export const connect = Effect.fnUntraced(function* (
  http: RawHttp,
  user: Pick<HubUser, "key">,
  options: ConnectOptions = {}
) {
  const path = options.path ?? "/mcp"
  const base = { ...clientHeaders(user.key), ...options.headers }
  const protocolVersion = options.protocolVersion ?? "2025-11-25"
  const opening: JsonRpcRequest = {
    jsonrpc: "2.0",
    id: "open",
    method: "initialize",
    params: {
      protocolVersion,
      capabilities: options.capabilities ?? {},
      clientInfo: options.clientInfo ?? { name: "testkit", version: "1.0.0" }
    }
  }
  const opened = yield* http.send({ path, headers: base, body: JSON.stringify(opening) })
  const welcome = yield* resultOf(opened)
  const sessionId = opened.headers["mcp-session-id"]
  if (sessionId === undefined) return yield* failureOf(opened.status, undefined)
  const headers = { ...base, "mcp-session-id": sessionId, "mcp-protocol-version": String(welcome["protocolVersion"]) }
  let ids = 0

  const send = (message: object) => http.send({ path, headers, body: JSON.stringify(message) })
  const open = (message: object) => http.open({ path, headers, body: JSON.stringify(message) })

  const request = Effect.fnUntraced(function* (method: string, params?: JsonObject) {
    const answer = yield* open({ jsonrpc: "2.0", id: ++ids, method, ...(params === undefined ? {} : { params }) })
    const response = yield* answerOf(answer)
    return "result" in response ? (response.result as JsonObject) : yield* failureOf(answer.status, response.error)
  })

  const listen = (more: Readonly<Record<string, string>>) =>
    http.open({ method: "GET", path, headers: { ...headers, accept: "text/event-stream", ...more } })

  const client: McpClient = {
    sessionId,
    welcome,
    headers,
    path,
    send,
    open,
    request,
    callTool: (name, args = {}) =>
      Effect.map(
        request("tools/call", { name, arguments: args }),
        (result) => (result["structuredContent"] ?? result) as JsonObject
      ),
    toolNames: Effect.map(request("tools/list"), (result) =>
      (result["tools"] as ReadonlyArray<{ readonly name: string }>).map(({ name }) => name).sort()
    ),
    notify: (method, params) => send({ jsonrpc: "2.0", method, ...(params === undefined ? {} : { params }) }),
    respond: (id, result) => send({ jsonrpc: "2.0", id, result }),
    stream: listen({}),
    resume: (lastEventId) => listen({ "last-event-id": lastEventId }),
    end: Effect.map(http.send({ method: "DELETE", path, headers }), ({ status }) => status)
  }
  yield* client.notify("notifications/initialized")
  return client
})

/** The response among the messages of an answer; fails when the answer ends without one. */
export const answerOf = (answer: OpenAnswer): Effect.Effect<JsonRpcResponse, McpFailure> =>
  answer.next.pipe(
    Effect.flatMap((message) => (isResponse(message) ? Effect.succeed(message) : answerOf(answer))),
    Effect.mapError((error: McpFailure | Cause.Done) =>
      error._tag === "McpFailure" ? error : failureOf(answer.status, undefined)
    )
  )
