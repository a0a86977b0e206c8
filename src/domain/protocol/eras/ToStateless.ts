/**
 * Results and errors of the stateful revisions in the shape revision 2026-07-28 wants: what is missing there is added,
 * nothing is taken away.
 *
 * Lists and resources are `private`, because the hub decides for each user what may be seen, and kept for no longer than
 * the server behind them says, which those of the older revisions never do (`ttlMs` 0).
 *
 * Source: MCP 2026-07-28 `basic/index` (resultType), `basic/utilities/caching`, changelog (error codes).
 */
import type { JsonObject, JsonRpcErrorObject } from "../JsonRpc.ts"
import { capabilityMissing, resourceNotFound, rpcCodes } from "../ErrorCodes.ts"
import { isJsonObject, metaOf, objectOrEmpty } from "../JsonObjects.ts"
import { metaKeys } from "./RequestMeta.ts"
import { statelessCodes } from "./StatelessErrors.ts"

/** Complete results of these say how long and for whom they may be kept. */
export const cacheableMethods: ReadonlySet<string> = new Set([
  "server/discover",
  "tools/list",
  "prompts/list",
  "resources/list",
  "resources/templates/list",
  "resources/read"
])

export const resultToStateless = (method: string, result: unknown, serverInfo: JsonObject): JsonObject => {
  const given = objectOrEmpty(result)
  const resultType = given["resultType"] ?? "complete"
  const caching =
    cacheableMethods.has(method) && resultType === "complete"
      ? { ttlMs: lifeOf(given["ttlMs"]), cacheScope: "private" }
      : {}
  return { ...given, resultType, ...caching, _meta: { ...metaOf(given), [metaKeys.serverInfo]: serverInfo } }
}

/** Milliseconds for which a server lets its answer be kept; none unless it says so properly. */
export const lifeOf = (ttlMs: unknown): number =>
  typeof ttlMs === "number" && Number.isFinite(ttlMs) && ttlMs > 0 ? Math.floor(ttlMs) : 0

/** A resource that is not there is an invalid parameter in this revision; what the client did not declare has a code. */
export const errorToStateless = (error: JsonRpcErrorObject): JsonRpcErrorObject => {
  if (error.code === resourceNotFound) return { ...error, code: rpcCodes.invalidParams }
  const missing = isJsonObject(error.data) && error.data["kind"] === capabilityMissing
  return missing ? { ...error, code: statelessCodes.missingClientCapability } : error
}
