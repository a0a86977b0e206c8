/** Requests of revision 2026-07-28 as a client sends them, every header and field replaceable. */
import { Effect } from "effect"
import type { JsonObject } from "../../src/domain/protocol/JsonRpc.ts"
import { type HubUser, McpClient, type RunningHub } from "../../src/testkit/index.ts"

export const revision = "2026-07-28"

export interface StatelessOptions {
  /** Besides, or instead of, what a well-behaved client sends; undefined leaves a header out. */
  readonly headers?: Readonly<Record<string, string | undefined>>
  readonly capabilities?: JsonObject
  readonly version?: string
  readonly path?: string
}

export interface StatelessAnswer {
  readonly status: number
  readonly result: any
  readonly error: { readonly code: number; readonly message: string; readonly data: any } | undefined
}

/** One POST, from a user's own key. */
export const stateless =
  (hub: RunningHub, user: Pick<HubUser, "key">, defaults: StatelessOptions = {}) =>
  (method: string, params: JsonObject = {}, options: StatelessOptions = {}): Effect.Effect<StatelessAnswer> => {
    const { capabilities = {}, headers = {}, path = "/mcp", version = revision } = { ...defaults, ...options }
    const name = params["name"] ?? params["uri"]
    const all = {
      ...McpClient.clientHeaders(user.key),
      "mcp-protocol-version": version,
      "mcp-method": method,
      ...(typeof name === "string" ? { "mcp-name": name } : {}),
      ...headers
    }
    const _meta = {
      "io.modelcontextprotocol/protocolVersion": version,
      "io.modelcontextprotocol/clientCapabilities": capabilities,
      "io.modelcontextprotocol/clientInfo": { name: "stateless", version: "1.0.0" },
      ...(params["_meta"] as JsonObject | undefined)
    }
    return hub.http
      .open({
        path,
        headers: Object.fromEntries(
          Object.entries(all).flatMap(([key, value]) => (value === undefined ? [] : [[key, value] as const]))
        ),
        body: JSON.stringify({ jsonrpc: "2.0", id: 1, method, params: { ...params, _meta } })
      })
      .pipe(
        Effect.flatMap(({ rest, status }) =>
          Effect.map(rest, (messages) => ({ status, last: messages.at(-1) as any }))
        ),
        Effect.map(({ last, status }) => ({ status, result: last?.result, error: last?.error }))
      )
  }
