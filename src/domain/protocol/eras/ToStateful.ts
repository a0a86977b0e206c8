/**
 * Complete results and errors of revision 2026-07-28 in the shape of the stateful revisions; `ToStateless` is the way
 * back. A result that went old → new → old is the same except for what the new revision cannot hold:
 *
 * - top-level fields that mean something else there: `resultType`, and `ttlMs` and `cacheScope` of cacheable results;
 * - in `_meta`, `io.modelcontextprotocol/serverInfo`; a `_meta` that is empty without it, or is no object;
 * - of a tool, `execution.taskSupport`, and the whole tool where it is `required`: clients of the new revision cannot
 *   call it;
 * - of an error, the code -32002 where neither its `data` nor the request names the URI.
 *
 * Source: MCP 2025-11-25 and 2026-07-28 schemas; `server/resources` (error handling); `basic/utilities/caching`.
 */
import { capabilityMissing, hubCodes, type HubErrorData, resourceNotFound, rpcCodes } from "../ErrorCodes.ts"
import type { JsonObject, JsonRpcErrorObject } from "../JsonRpc.ts"
import { objectContent, objectSchema, withObjectProperties } from "./OutputSchemas.ts"
import { cacheableMethods } from "./ToStateless.ts"
import { isJsonObject, metaOf } from "../JsonObjects.ts"
import { metaKeys } from "./RequestMeta.ts"
import { statelessCodes } from "./StatelessErrors.ts"

/**
 * A complete result for a client of a stateful revision. A result of `tools/call` needs the tool's `outputSchema` as
 * its server lists it.
 */
export const resultToStateful = (method: string, result: JsonObject, outputSchema?: unknown): JsonObject => {
  const bare = withoutMarks(method, result)
  if (method === "tools/call") return objectContent(bare, outputSchema)
  const tools = bare["tools"]
  return method === "tools/list" && Array.isArray(tools) ? { ...bare, tools: tools.map(toolToStateful) } : bare
}

const withoutMarks = (method: string, result: JsonObject): JsonObject => {
  const { resultType: _, _meta: _all, ...rest } = result
  const { [metaKeys.serverInfo]: _info, ...meta } = metaOf(result) ?? {}
  const bare = Object.keys(meta).length === 0 ? rest : { ...rest, _meta: meta }
  if (!cacheableMethods.has(method)) return bare
  const { ttlMs: _ttl, cacheScope: _scope, ...kept } = bare as JsonObject
  return kept
}

/** A tool that old clients accept: objects at the root of its schemas and for every property. */
export const toolToStateful = (tool: unknown): unknown => {
  if (!isJsonObject(tool)) return tool
  const { inputSchema, outputSchema } = tool
  return {
    ...tool,
    ...(inputSchema === undefined ? {} : { inputSchema: withObjectProperties(inputSchema) }),
    ...(outputSchema === undefined ? {} : { outputSchema: objectSchema(outputSchema) })
  }
}

/** The tools of a stateful server for a client of 2026-07-28, without those that must run as a task of 2025-11-25. */
export const toolsToStateless = (tools: ReadonlyArray<unknown>): ReadonlyArray<unknown> =>
  tools.flatMap((tool) => {
    const execution = isJsonObject(tool) ? tool["execution"] : undefined
    if (!isJsonObject(tool) || !isJsonObject(execution) || !("taskSupport" in execution)) return [tool]
    const { taskSupport, ...others } = execution
    if (taskSupport === "required") return []
    const { execution: _, ...rest } = tool
    return Object.keys(others).length === 0 ? [rest] : [{ ...rest, execution: others }]
  })

/** An upstream's error about the hub's own request, which does not concern the client's. */
const aboutTheHub = (error: JsonRpcErrorObject): JsonRpcErrorObject => ({
  code: hubCodes.upstreamFailed,
  message: `The server rejected the form of the hub's own request (error ${error.code})`,
  data: { kind: "upstream_protocol", requestId: null, retryable: false, origin: "upstream" } satisfies HubErrorData
})

/** An error of a stateless upstream for a client of a stateful revision, which does not know the new codes. */
export const errorToStateful = (method: string, error: JsonRpcErrorObject): JsonRpcErrorObject => {
  switch (error.code) {
    case statelessCodes.headerMismatch:
    case statelessCodes.unsupportedVersion:
      return aboutTheHub(error)
    case statelessCodes.missingClientCapability: {
      const required = isJsonObject(error.data) ? error.data["requiredCapabilities"] : undefined
      return {
        code: hubCodes.notAllowed,
        message: "The server needs a capability that this client did not declare at initialize",
        data: {
          kind: capabilityMissing,
          requestId: null,
          retryable: false,
          origin: "upstream",
          ...(isJsonObject(required) ? { requiredCapabilities: required } : {})
        } satisfies HubErrorData & JsonObject
      }
    }
    case rpcCodes.invalidParams:
      // Among the errors of a read, only "not found" names the URI.
      return method === "resources/read" && isJsonObject(error.data) && typeof error.data["uri"] === "string"
        ? { ...error, code: resourceNotFound }
        : error
    default:
      return error
  }
}

/**
 * An error of a stateful upstream for a client of 2026-07-28: -32002 becomes -32602 and names the URI of the request,
 * and codes that mean something else to that client are replaced. Call `urlElicitations` first: it handles -32042.
 */
export const upstreamErrorToStateless = (
  error: JsonRpcErrorObject,
  params: JsonObject | undefined
): JsonRpcErrorObject => {
  if (error.code === resourceNotFound) {
    const uri = params?.["uri"]
    const named = error.data === undefined && typeof uri === "string" ? { data: { uri } } : {}
    return { ...error, code: rpcCodes.invalidParams, ...named }
  }
  const reserved: ReadonlyArray<number> = [...Object.values(statelessCodes), urlElicitationRequired]
  return reserved.includes(error.code) ? aboutTheHub(error) : error
}

/** 2025-11-25: the user has to visit addresses before the request can succeed. */
export const urlElicitationRequired = -32042

/**
 * The `inputRequests` of an `input_required` result that stand for a -32042 error: one visit each, after which the
 * client sends the request again. `undefined` for other errors and for one that names no address. The caller ensures
 * that the client declared `elicitation.url`.
 */
export const urlElicitations = (error: JsonRpcErrorObject): JsonObject | undefined => {
  if (error.code !== urlElicitationRequired || !isJsonObject(error.data)) return undefined
  const elicitations = error.data["elicitations"]
  if (!Array.isArray(elicitations)) return undefined
  const visits = elicitations.flatMap((elicitation: unknown) => {
    if (!isJsonObject(elicitation) || typeof elicitation["url"] !== "string") return []
    const message =
      typeof elicitation["message"] === "string" ? elicitation["message"] : "The server needs you to visit an address"
    return [{ method: "elicitation/create", params: { mode: "url", message, url: elicitation["url"] } }]
  })
  return visits.length === 0
    ? undefined
    : Object.fromEntries(visits.map((visit, index) => [`elicitation-${index + 1}`, visit]))
}
