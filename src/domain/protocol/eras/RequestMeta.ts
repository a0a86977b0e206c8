/**
 * The self-description that every request of revision 2026-07-28 carries in `params._meta` instead of a handshake: the
 * revision, the client's capabilities, its identity and the log level it wants. The hub reads it strictly from clients,
 * writes it anew for upstreams, and removes it for upstreams of the stateful revisions.
 *
 * Source: MCP 2026-07-28 `basic/index` (`_meta`, required fields), schema `RequestMetaObject`; SEP-414 (trace context).
 */
import { Result } from "effect"
import { isJsonObject, metaOf } from "../JsonObjects.ts"
import { isId, type JsonObject, type JsonRpcErrorObject, type JsonRpcId } from "../JsonRpc.ts"
import { carriedIn } from "../json/CarriedJson.ts"
import { isLogLevel, type LogLevel } from "../LogLevels.ts"
import { invalidParams } from "./StatelessErrors.ts"
import { statelessVersion } from "../Versions.ts"

/** Keys of `_meta` that mean something to the protocol. */
export const metaKeys = {
  protocolVersion: "io.modelcontextprotocol/protocolVersion",
  clientCapabilities: "io.modelcontextprotocol/clientCapabilities",
  clientInfo: "io.modelcontextprotocol/clientInfo",
  logLevel: "io.modelcontextprotocol/logLevel",
  /** On results. */
  serverInfo: "io.modelcontextprotocol/serverInfo",
  /** On what a `subscriptions/listen` stream carries: the JSON-RPC id of the request that opened it. */
  subscriptionId: "io.modelcontextprotocol/subscriptionId",
  /** 2025-11-25 only. */
  relatedTask: "io.modelcontextprotocol/related-task",
  progressToken: "progressToken",
  traceparent: "traceparent",
  tracestate: "tracestate",
  baggage: "baggage"
} as const

export interface RequestMeta {
  readonly protocolVersion: string
  readonly clientCapabilities: JsonObject
  /** Self-reported: for display, and for telling apart the clients of one user; never for deciding what is allowed. */
  readonly clientInfo: JsonObject | undefined
  readonly logLevel: LogLevel | undefined
  readonly progressToken: JsonRpcId | undefined
  /** The whole object, trace context included. */
  readonly meta: JsonObject
}

const isCapabilities = (value: unknown): value is JsonObject =>
  isJsonObject(value) && Object.values(value).every(isJsonObject)

const isImplementation = (value: unknown): value is JsonObject =>
  isJsonObject(value) && typeof value["name"] === "string" && typeof value["version"] === "string"

const isProgressToken = (value: unknown): value is JsonRpcId =>
  isId(value) && (typeof value === "string" || Number.isInteger(value))

/**
 * Reads the `_meta` of a request. Fails with -32602 (HTTP 400, see `httpStatus` at the gate): `data.missing` lists
 * required keys that are absent, `data.malformed` keys whose value has another shape. The caller then checks whether
 * the hub speaks the revision.
 */
export const readRequestMeta = (message: {
  readonly params?: JsonObject | undefined
}): Result.Result<RequestMeta, JsonRpcErrorObject> => {
  const meta = metaOf(message.params) ?? {}
  const missing = [metaKeys.protocolVersion, metaKeys.clientCapabilities].filter((key) => meta[key] === undefined)
  if (missing.length > 0) {
    return Result.fail(
      invalidParams(
        "meta_missing",
        `params._meta lacks ${missing.join(" and ")}; revision ${statelessVersion} needs it on every request`,
        {
          missing
        }
      )
    )
  }
  const protocolVersion = meta[metaKeys.protocolVersion]
  const clientCapabilities = meta[metaKeys.clientCapabilities]
  const clientInfo = meta[metaKeys.clientInfo]
  const logLevel = meta[metaKeys.logLevel]
  const progressToken = meta[metaKeys.progressToken]
  if (typeof protocolVersion !== "string") return malformed(metaKeys.protocolVersion, "a string")
  if (!isCapabilities(clientCapabilities)) return malformed(metaKeys.clientCapabilities, "an object of objects")
  if (clientInfo !== undefined && !isImplementation(clientInfo)) {
    return malformed(metaKeys.clientInfo, 'an object with "name" and "version"')
  }
  if (logLevel !== undefined && !isLogLevel(logLevel)) return malformed(metaKeys.logLevel, "a log level of RFC 5424")
  if (progressToken !== undefined && !isProgressToken(progressToken)) {
    return malformed(metaKeys.progressToken, "a string or an integer")
  }
  return Result.succeed({ protocolVersion, clientCapabilities, clientInfo, logLevel, progressToken, meta })
}

const malformed = (key: string, shape: string): Result.Result<never, JsonRpcErrorObject> =>
  Result.fail(invalidParams("meta_malformed", `params._meta["${key}"] must be ${shape}`, { malformed: [key] }))

/** The client as the hub presents it to an upstream. */
export interface ClientIdentity {
  readonly clientCapabilities: JsonObject
  readonly clientInfo?: JsonObject | undefined
  readonly logLevel?: LogLevel | undefined
}

const envelope = [metaKeys.protocolVersion, metaKeys.clientCapabilities, metaKeys.clientInfo, metaKeys.logLevel]

const withoutEnvelope = (meta: JsonObject): JsonObject =>
  Object.fromEntries(Object.entries(meta).filter(([key]) => !(envelope as ReadonlyArray<string>).includes(key)))

/** Parameters for an upstream of this revision: `identity` replaces everything the client sent about itself. */
export const paramsToStateless = (
  params: JsonObject | undefined,
  identity: ClientIdentity,
  version: string
): JsonObject => ({
  ...params,
  _meta: {
    ...withoutEnvelope(metaOf(params) ?? {}),
    [metaKeys.protocolVersion]: version,
    [metaKeys.clientCapabilities]: identity.clientCapabilities,
    ...(identity.clientInfo === undefined ? {} : { [metaKeys.clientInfo]: identity.clientInfo }),
    ...(identity.logLevel === undefined ? {} : { [metaKeys.logLevel]: identity.logLevel })
  }
})

/** Parameters for an upstream of a stateful revision, which learned all this at `initialize` and knows no retries. */
export const paramsToStateful = (params: JsonObject | undefined): JsonObject | undefined => {
  if (params === undefined) return undefined
  const { _meta: _, inputResponses: _responses, requestState: _state, ...rest } = params
  const kept = withoutEnvelope(metaOf(params) ?? {})
  if (Object.keys(kept).length > 0) return { ...rest, _meta: kept }
  return Object.keys(rest).length > 0 ? rest : undefined
}

/**
 * Clients of one class see the same of a stateful upstream, which learns the capabilities only once. Equal for equal
 * capabilities whatever the order of their keys; meant to be hashed, since a client may declare a great deal.
 */
export const capabilityClass = (clientCapabilities: JsonObject): string => JSON.stringify(sorted(clientCapabilities))

/**
 * The request without its self-description and its earlier rounds: equal for a request and its retries, whatever the
 * order of their keys; meant to be hashed.
 */
export const requestClass = (method: string, params: JsonObject = {}): string => {
  const { _meta: _, inputResponses: _responses, requestState: _state, ...given } = params
  const carried = carriedIn(params)
  const asked = carried === undefined ? given : { ...given, arguments: carried.value() }
  return JSON.stringify([method, sorted(asked)])
}

const sorted = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(sorted)
  if (!isJsonObject(value)) return value
  return Object.fromEntries(
    Object.keys(value)
      .sort()
      .map((key) => [key, sorted(value[key])])
  )
}
