/** One request of the client on its way through the session, with everything its answer depends on. */
import type { Principal } from "../domain/Principal.ts"
import type { JsonRpcRequest } from "../domain/protocol/JsonRpc.ts"
import type { LogLevel } from "../domain/protocol/LogLevels.ts"
import type { ClientExchange } from "./ClientExchange.ts"
import type { RequestRecord } from "./RequestTracker.ts"
import type { CallContext } from "./upstream/UpstreamConnection.ts"

export interface Call {
  readonly message: JsonRpcRequest
  readonly principal: Principal
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
