/** What a scripted upstream has received and answers, as tests see it. */
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
  /** Which of the sockets accepted since the start it came on, from 1; a port comes again, this does not. */
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
