/**
 * Results and errors of the stateful revisions in the shape of revision 2026-07-28: the hub adds what is missing there
 * and removes nothing.
 *
 * Lists and resources are `private`, because the hub decides for each user what may be seen. They live no longer than
 * their server says, and servers of the older revisions never say so (`ttlMs` 0).
 *
 * Source: MCP 2026-07-28 `basic/index` (resultType), `basic/utilities/caching`, changelog (error codes).
 */
import type { JsonObject, JsonRpcErrorObject } from "../JsonRpc.ts"
import { capabilityMissing, resourceNotFound, rpcCodes } from "../ErrorCodes.ts"
import { isJsonObject, metaOf, objectOrEmpty } from "../JsonObjects.ts"
import { metaKeys } from "./RequestMeta.ts"
import { statelessCodes } from "./StatelessErrors.ts"

/** Methods whose complete results say how long and for whom they may be kept. */
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

/** Milliseconds for which a server lets its answer be kept; 0 unless the value is valid. */
export const lifeOf = (ttlMs: unknown): number =>
  typeof ttlMs === "number" && Number.isFinite(ttlMs) && ttlMs > 0 ? Math.floor(ttlMs) : 0

/**
 * A missing resource is an invalid parameter in this revision; an undeclared client capability has a code of its own.
 */
export const errorToStateless = (error: JsonRpcErrorObject): JsonRpcErrorObject => {
  if (error.code === resourceNotFound) return { ...error, code: rpcCodes.invalidParams }
  const missing = isJsonObject(error.data) && error.data["kind"] === capabilityMissing
  return missing ? { ...error, code: statelessCodes.missingClientCapability } : error
}
