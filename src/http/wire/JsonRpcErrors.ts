/**
 * The hub's typed errors as JSON-RPC errors on the MCP wire. Codes of the hub are positive (the spec reserves the
 * negative range) and stand in `RequestErrorCodes`; errors of an upstream pass through as
 * `ServerMessages` lets them.
 */
import { Effect } from "effect"
import { errorRow } from "../../domain/requests/RequestErrorCodes.ts"
import type { RequestError } from "../../domain/requests/RequestErrors.ts"
import type { RequestId } from "../../domain/Ids.ts"
import type { JsonRpcErrorObject } from "../../domain/protocol/JsonRpc.ts"
import { type HubErrorData, rpcCodes } from "../../domain/protocol/ErrorCodes.ts"

export const toErrorObject = (error: RequestError, requestId: RequestId | undefined): JsonRpcErrorObject => {
  if (error._tag === "UpstreamErrorResponse") {
    const { code, message, data } = error
    return data === undefined ? { code, message } : { code, message, data }
  }
  const { code, kind, retryable, origin } = errorRow(error)
  const data: HubErrorData = {
    kind,
    requestId: requestId ?? null,
    retryable,
    origin,
    ...("server" in error && error.server !== undefined ? { server: error.server } : {}),
    ...("retryAfterMs" in error && error.retryAfterMs !== undefined ? { retryAfterMs: error.retryAfterMs } : {}),
    ...("missing" in error ? { missing: error.missing } : {}),
    ...("phase" in error ? { phase: error.phase } : {}),
    ...("requiredCapabilities" in error ? { requiredCapabilities: error.requiredCapabilities } : {})
  }
  return { code, message: error.message, data }
}

/** A defect: what happened stands in the hub's log under the request id, and nowhere else. */
export const internal = (requestId: RequestId | undefined): JsonRpcErrorObject => ({
  code: rpcCodes.internal,
  message: "Internal error; the hub's log has the details under the request id",
  data: { kind: "internal", requestId: requestId ?? null, retryable: false, origin: "hub" } satisfies HubErrorData
})

/** An error of the request itself, before any session took it. */
export const refusal = (code: number, kind: string, message: string, retryable = false): JsonRpcErrorObject => ({
  code,
  message,
  data: { kind, requestId: null, retryable, origin: "hub" } satisfies HubErrorData
})

export const logDefect = (cause: unknown, requestId: RequestId | undefined): Effect.Effect<void> =>
  Effect.logError("A request died of a defect", cause).pipe(Effect.annotateLogs({ requestId: requestId ?? "" }))
