/** One request of the client on its way through the session, with everything its answer depends on. */
import type { JsonRpcRequest, JsonObject } from "../../domain/protocol/JsonRpc.ts"
import type { LogLevel } from "../../domain/protocol/LogLevels.ts"
import type { ClientExchange } from "./ClientExchange.ts"
import type { RequestRecord } from "../requests/RequestTracker.ts"
import type { CallContext, UpstreamMessage } from "../upstream/connection/UpstreamConnection.ts"
import type { Effect } from "effect"
import type { RequestError } from "../../domain/requests/RequestErrors.ts"

export interface Call {
  readonly message: JsonRpcRequest
  readonly context: CallContext
  readonly record: RequestRecord
  readonly exchange: ClientExchange
  /** What a stateless client says with each request. */
  readonly said?: Said | undefined
}

export interface Said {
  readonly logLevel: LogLevel | undefined
  /** The request's headers, for `Mcp-Param-*`. */
  readonly header: (name: string) => string | undefined
}

/** Sends the request with these params; messages of the upstream on its stream go to `onMessage`. */
export type Send = (
  params: JsonObject | undefined,
  onMessage: (message: UpstreamMessage) => void
) => Effect.Effect<unknown, RequestError>
