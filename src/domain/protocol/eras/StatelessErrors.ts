/**
 * The errors that revision 2026-07-28 adds to the wire, as plain JSON-RPC error objects, and the HTTP status of every
 * error in that revision. None repeats a value of the request: headers and names may hold what logs must not.
 *
 * Source: MCP 2026-07-28 `basic/index` (error codes), `basic/transports` (standard headers, status codes).
 */
import { Predicate } from "effect"
import { capabilityMissing, hubCodes, type HubErrorData, rpcCodes } from "../ErrorCodes.ts"
import type { JsonObject, JsonRpcErrorObject } from "../JsonRpc.ts"

export const statelessCodes = {
  /** A header is missing, unreadable or differs from the body. */
  headerMismatch: -32020,
  /** Serving the request needs a capability the client did not declare in it. */
  missingClientCapability: -32021,
  /** The hub does not speak the revision in the request's `_meta`. */
  unsupportedVersion: -32022
} as const

const refusal = (code: number, kind: string, message: string, details: JsonObject): JsonRpcErrorObject => ({
  code,
  message,
  data: { kind, requestId: null, retryable: false, origin: "hub", ...details } satisfies HubErrorData & JsonObject
})

/** The fault of a header that repeats a field of the body. */
export type HeaderProblem = "missing" | "different" | "encoding"

/** -32020; `field` is the dotted path in the body, `data` has header, field and problem. */
export const headerMismatch = (header: string, field: string, problem: HeaderProblem): JsonRpcErrorObject =>
  refusal(statelessCodes.headerMismatch, "header_mismatch", headerProblems[problem](header, field), {
    header,
    field,
    problem
  })

const headerProblems: Readonly<Record<HeaderProblem, (header: string, field: string) => string>> = {
  missing: (header, field) => `The header ${header} is missing; it must repeat ${field} of the body`,
  different: (header, field) => `The header ${header} and ${field} of the body differ; send the same value in both`,
  encoding: (header, field) =>
    `The header ${header} is not readable; send ${field} of the body as visible ASCII or as =?base64?…?= of its UTF-8`
}

/** -32021; `required` holds the missing capabilities only, in the shape of `ClientCapabilities`. */
export const missingClientCapability = (required: JsonObject): JsonRpcErrorObject =>
  refusal(
    statelessCodes.missingClientCapability,
    capabilityMissing,
    `The client did not declare what this request needs: ${capabilityNames(required).join(", ")}; declare it in the request's _meta`,
    { requiredCapabilities: required }
  )

const capabilityNames = (required: JsonObject): ReadonlyArray<string> =>
  Object.entries(required).flatMap(([name, members]) => {
    const inner = Predicate.isObject(members) && !Array.isArray(members) ? Object.keys(members) : []
    return inner.length === 0 ? [name] : inner.map((member) => `${name}.${member}`)
  })

/** -32022; the client picks another revision from `data.supported` and sends the request again. */
export const unsupportedVersion = (requested: string, supported: ReadonlyArray<string>): JsonRpcErrorObject =>
  refusal(
    statelessCodes.unsupportedVersion,
    "unsupported_version",
    `This revision of the protocol is not spoken here; use ${supported.join(" or ")}`,
    { supported: [...supported], requested }
  )

/** -32601, under HTTP 404. */
export const methodNotFound = (message: string): JsonRpcErrorObject =>
  refusal(rpcCodes.methodNotFound, "method_not_found", message, {})

/** -32602 of a request that lacks what every request carries, under HTTP 400. */
export const invalidParams = (kind: string, message: string, details: JsonObject = {}): JsonRpcErrorObject =>
  refusal(rpcCodes.invalidParams, kind, message, details)

/**
 * The HTTP status of an error response. `gate`: the hub rejected the request before carrying it anywhere, so the status
 * says what is wrong with it. `call`: the hub carried the request and this is its outcome, which is 200 whatever the
 * code, except where the spec ties the status to the error itself (-32021) and where no upstream of the hub offers the
 * method (-32601 of the hub's own, not one that a server answered). Total: an unknown code is 400 or 200.
 */
export const httpStatus = (error: JsonRpcErrorObject, at: "gate" | "call"): number => {
  if (at === "gate") return gateStatus(error.code)
  if (error.code === statelessCodes.missingClientCapability) return 400
  return error.code === rpcCodes.methodNotFound && originOf(error) === "hub" ? 404 : 200
}

const originOf = (error: JsonRpcErrorObject): unknown =>
  Predicate.hasProperty(error.data, "origin") ? error.data.origin : undefined

const gateStatus = (code: number): number => {
  switch (code) {
    case rpcCodes.methodNotFound:
      return 404
    case rpcCodes.internal:
      return 500
    case hubCodes.credentialMissing:
      return 401
    case hubCodes.notAllowed:
      return 403
    case hubCodes.overloaded:
      return 429
    case hubCodes.upstreamUnavailable:
      return 503
    default:
      return 400
  }
}
