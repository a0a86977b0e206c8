import type { IncomingHttpHeaders } from "node:http"
import type { JsonObject, JsonRpcId } from "../domain/protocol/JsonRpc.ts"

/** One HTTP request as it arrived. */
export interface Received {
  readonly httpMethod: string
  readonly path: string
  readonly headers: IncomingHttpHeaders
  /** The JSON body; undefined for GET and DELETE. */
  readonly body: ScriptedMessage | undefined
  readonly remotePort: number
  /** The number of the socket, from 1, among all accepted since the start. Unlike a port it is never reused. */
  readonly socket: number
}

export interface ScriptedMessage {
  readonly jsonrpc: "2.0"
  readonly id?: JsonRpcId
  readonly method?: string
  readonly params?: JsonObject
  readonly result?: unknown
  readonly error?: unknown
}

export interface ScriptedSession {
  readonly id: string
  readonly state: Map<string, unknown>
}
