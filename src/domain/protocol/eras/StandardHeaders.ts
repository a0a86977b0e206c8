/**
 * The headers that repeat parts of the body, so that intermediaries can route without parsing it:
 * `MCP-Protocol-Version` and `Mcp-Method` on every request, `Mcp-Name` on requests that name something. A receiver that
 * reads the body has to compare them.
 *
 * Source: MCP 2026-07-28 `basic/transports` (standard request headers); tasks extension, Streamable HTTP binding.
 */
import { Result } from "effect"
import * as HeaderCodec from "./HeaderCodec.ts"
import type { JsonObject, JsonRpcErrorObject } from "../JsonRpc.ts"
import { metaOf } from "../JsonObjects.ts"
import { metaKeys } from "./RequestMeta.ts"
import { headerMismatch } from "./StatelessErrors.ts"
import { statelessVersion } from "../Versions.ts"

export const headerNames = {
  version: "MCP-Protocol-Version",
  method: "Mcp-Method",
  name: "Mcp-Name",
  paramPrefix: "Mcp-Param-"
} as const

/** Looks up a header of the request, whatever the case of its name. */
export type ReadHeader = (name: string) => string | undefined

export interface RequestBody {
  readonly method: string
  readonly params?: JsonObject | undefined
}

/** The field of `params` that `Mcp-Name` repeats. */
const namedBy = new Map([
  ["tools/call", "name"],
  ["prompts/get", "name"],
  ["resources/read", "uri"],
  ["tasks/get", "taskId"],
  ["tasks/update", "taskId"],
  ["tasks/cancel", "taskId"]
])

const nameOf = ({
  method,
  params
}: RequestBody): { readonly field: string; readonly value: string | undefined } | undefined => {
  const field = namedBy.get(method)
  if (field === undefined) return undefined
  const value = params?.[field]
  return { field: `params.${field}`, value: typeof value === "string" ? value : undefined }
}

/** The headers for a request to an upstream: a renamed tool goes under its name at that server. */
export const standardHeaders = (body: RequestBody, version: string = statelessVersion): Record<string, string> => {
  const headers: Record<string, string> = { [headerNames.version]: version, [headerNames.method]: body.method }
  const name = nameOf(body)?.value
  if (name !== undefined) headers[headerNames.name] = HeaderCodec.encode(name)
  return headers
}

/**
 * Compares the headers with the body: the first difference in the order of the spec, or `undefined`. Fields that the
 * body lacks are not reported here: the checks of `_meta` and parameters report them.
 */
export const checkStandardHeaders = (header: ReadHeader, body: RequestBody): JsonRpcErrorObject | undefined => {
  const version = metaOf(body.params)?.[metaKeys.protocolVersion]
  return (
    compare(header, headerNames.version, `params._meta["${metaKeys.protocolVersion}"]`, version) ??
    compare(header, headerNames.method, "method", body.method) ??
    checkName(header, body)
  )
}

const compare = (
  header: ReadHeader,
  name: string,
  field: string,
  expected: unknown
): JsonRpcErrorObject | undefined => {
  const received = header(name)
  if (received === undefined) return headerMismatch(name, field, "missing")
  return typeof expected === "string" && HeaderCodec.trim(received) !== expected
    ? headerMismatch(name, field, "different")
    : undefined
}

const checkName = (header: ReadHeader, body: RequestBody): JsonRpcErrorObject | undefined => {
  const named = nameOf(body)
  if (named === undefined) return undefined
  const received = header(headerNames.name)
  if (received === undefined) {
    return named.value === undefined ? undefined : headerMismatch(headerNames.name, named.field, "missing")
  }
  const decoded = HeaderCodec.decode(received)
  if (Result.isFailure(decoded)) return headerMismatch(headerNames.name, named.field, "encoding")
  return named.value === undefined || HeaderCodec.matches(decoded.success, named.value)
    ? undefined
    : headerMismatch(headerNames.name, named.field, "different")
}
