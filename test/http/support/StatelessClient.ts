/**
 * A hand-written client of revision 2026-07-28: every request describes itself in full, and the client hides nothing of
 * the answer.
 */
import type { JsonObject, JsonRpcResponse } from "../../../src/domain/protocol/JsonRpc.ts"
import { standardHeaders } from "../../../src/domain/protocol/eras/StandardHeaders.ts"
import { metaKeys } from "../../../src/domain/protocol/eras/RequestMeta.ts"
import { type HubUser, McpClient } from "../../../src/testkit/index.ts"
import type { RawHttp } from "../../../src/testkit/RawHttp.ts"
import { Effect } from "effect"

export interface ClientOptions {
  readonly path?: string
  readonly capabilities?: JsonObject
  readonly name?: string
  /** More of `_meta`. */
  readonly meta?: JsonObject
}

export interface Answered {
  readonly status: number
  /** Messages before the answer. */
  readonly before: ReadonlyArray<any>
  readonly result: any
  readonly error: any
}

let ids = 0

/** The request as it goes out. */
export const requestOf = (
  user: Pick<HubUser, "key">,
  method: string,
  params: JsonObject = {},
  options: ClientOptions = {}
) => {
  const message = {
    jsonrpc: "2.0",
    id: ++ids,
    method,
    params: {
      ...params,
      _meta: {
        [metaKeys.protocolVersion]: "2026-07-28",
        [metaKeys.clientCapabilities]: options.capabilities ?? {},
        [metaKeys.clientInfo]: { name: options.name ?? "by-hand", version: "1.0.0" },
        ...options.meta
      }
    }
  }
  const headers = { ...McpClient.clientHeaders(user.key), ...standardHeaders(message) }
  return { path: options.path ?? "/mcp", headers, body: JSON.stringify(message) }
}

/** Sends one request and reads its answer to the end. */
export const ask = Effect.fnUntraced(function* (
  http: RawHttp,
  user: HubUser,
  method: string,
  params?: JsonObject,
  options?: ClientOptions
) {
  const answer = yield* http.open(requestOf(user, method, params, options))
  const messages = yield* answer.rest
  const response = messages.at(-1) as JsonRpcResponse | undefined
  return {
    status: answer.status,
    before: messages.slice(0, -1),
    result: response !== undefined && "result" in response ? response.result : undefined,
    error: response !== undefined && "error" in response ? response.error : undefined
  } as Answered
})
