/**
 * A request of revision 2026-07-28 at the door: the era of a POST, the methods that exist, and the checks every request
 * passes, in one order, before the hub does anything for it.
 *
 * Source: MCP 2026-07-28 `basic/transports`, `basic/versioning`, changelog (removed methods); tasks extension
 * (SEP-2663).
 */
import { Result } from "effect"
import type { JsonRpcErrorObject } from "../JsonRpc.ts"
import { metaOf } from "../JsonObjects.ts"
import { metaKeys, readRequestMeta, type RequestMeta } from "./RequestMeta.ts"
import { checkStandardHeaders, headerNames, type ReadHeader, type RequestBody } from "./StandardHeaders.ts"
import { methodNotFound, unsupportedVersion } from "./StatelessErrors.ts"
import { type Era, eraOf, statelessVersion } from "../Versions.ts"

/**
 * The revisions that `server/discover` and -32022 list, for use with `_meta`; clients reach the stateful ones by
 * `initialize`.
 */
export const statelessVersions: ReadonlyArray<string> = [statelessVersion]

export const tasksExtension = "io.modelcontextprotocol/tasks"

/** Requests a client may send. */
export const requestMethods: ReadonlySet<string> = new Set([
  "server/discover",
  "tools/list",
  "tools/call",
  "prompts/list",
  "prompts/get",
  "resources/list",
  "resources/templates/list",
  "resources/read",
  "completion/complete",
  "subscriptions/listen"
])

/** Requests of the tasks extension, for clients that declared it. */
export const taskMethods: ReadonlySet<string> = new Set(["tasks/get", "tasks/update", "tasks/cancel"])

/** Requests whose result may be `input_required`. */
export const interactiveMethods: ReadonlySet<string> = new Set(["tools/call", "prompts/get", "resources/read"])

/** The replacement of each removed request, in words for the client. */
const removed = new Map([
  ["initialize", "every request carries its own _meta; server/discover tells what is here"],
  ["ping", "any request will do"],
  ["logging/setLevel", `name the level in each request's _meta["${metaKeys.logLevel}"]`],
  ["resources/subscribe", "open subscriptions/listen with resourceSubscriptions"],
  ["resources/unsubscribe", "close the subscriptions/listen stream"],
  ["tasks/list", `the extension ${tasksExtension} has no list`],
  ["tasks/result", "tasks/get has the result"]
])

/** -32601 (HTTP 404) for a method this revision does not have; for a removed one, the message names its replacement. */
export const checkMethod = (method: string): JsonRpcErrorObject | undefined => {
  if (requestMethods.has(method) || taskMethods.has(method)) return undefined
  const instead = removed.get(method)
  return methodNotFound(
    instead === undefined
      ? `Method not found in revision ${statelessVersion}`
      : `Revision ${statelessVersion} has no ${method}: ${instead}`
  )
}

/** A revision later than ours is of this era too, and gets -32022. */
const namesStateless = (version: unknown): boolean =>
  typeof version === "string" && /^\d{4}-\d{2}-\d{2}$/.test(version) && eraOf(version) === "stateless"

/**
 * The era of one POSTed message. The body decides: a request that claims a revision in `_meta` is stateless, except an
 * `initialize` that claims an older one. Without a claim, the header tells a malformed request of this revision, and
 * its notifications (which need no `_meta`), from messages of the stateful revisions.
 */
export const messageEra = (header: ReadHeader, message: RequestBody): Era => {
  const meta = metaOf(message.params)
  if (meta !== undefined && metaKeys.protocolVersion in meta) {
    return message.method !== "initialize" || namesStateless(meta[metaKeys.protocolVersion]) ? "stateless" : "stateful"
  }
  const version = header(headerNames.version)
  return version !== undefined && namesStateless(version.trim()) ? "stateless" : "stateful"
}

/**
 * Admits a request of this revision: checks `_meta`, then headers against body, then the revision, then the method. The
 * error's status is `httpStatus(error, "gate")`. `Mcp-Param-*` come later, when the tool is known (see ParamHeaders).
 */
export const admitRequest = (
  header: ReadHeader,
  message: RequestBody
): Result.Result<RequestMeta, JsonRpcErrorObject> =>
  Result.flatMap(readRequestMeta(message), (meta) => {
    const error =
      checkStandardHeaders(header, message) ??
      (statelessVersions.includes(meta.protocolVersion)
        ? undefined
        : unsupportedVersion(meta.protocolVersion, statelessVersions)) ??
      checkMethod(message.method)
    return error === undefined ? Result.succeed(meta) : Result.fail(error)
  })
