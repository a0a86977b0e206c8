/**
 * Results and errors of the stateful revisions in the shape revision 2026-07-28 wants: what is missing there is added,
 * nothing is taken away.
 *
 * Lists and resources are `private` and not to be kept (`ttlMs` 0): what a user sees depends on the user.
 *
 * Source: MCP 2026-07-28 `basic/index` (resultType), `basic/utilities/caching`, changelog (error codes).
 */
import type { JsonObject, JsonRpcErrorObject } from "./JsonRpc.ts"
import { resourceNotFound, rpcCodes } from "./ErrorCodes.ts"
import { isJsonObject, metaKeys, metaOf } from "./Stateless.ts"

/** Complete results of these say how long and for whom they may be kept. */
export const cacheableMethods: ReadonlySet<string> = new Set([
  "server/discover",
  "tools/list",
  "prompts/list",
  "resources/list",
  "resources/templates/list",
  "resources/read"
])

export const resultToNew = (method: string, result: unknown, serverInfo: JsonObject): JsonObject => {
  const given = isJsonObject(result) ? result : {}
  const resultType = given["resultType"] ?? "complete"
  const caching = cacheableMethods.has(method) && resultType === "complete" ? { ttlMs: 0, cacheScope: "private" } : {}
  return { ...given, resultType, ...caching, _meta: { ...metaOf(given), [metaKeys.serverInfo]: serverInfo } }
}

/** A resource that is not there is an invalid parameter in this revision. */
export const errorToNew = (error: JsonRpcErrorObject): JsonRpcErrorObject =>
  error.code === resourceNotFound ? { ...error, code: rpcCodes.invalidParams } : error
