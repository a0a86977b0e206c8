/**
 * The `_meta` of every request to a stateless upstream: the revision, and who asks, since no `initialize` has said it.
 *
 * Source: MCP 2026-07-28 `basic` (per-request metadata).
 */
import { Predicate } from "effect"
import type { JsonObject } from "../../../domain/protocol/JsonRpc.ts"
import { readAbilities } from "../../../domain/protocol/json/Abilities.ts"
import { isLogLevel } from "../../../domain/protocol/LogLevels.ts"
import { metaOf, objectOrEmpty } from "../../../domain/protocol/JsonObjects.ts"
import { metaKeys, paramsToStateless } from "../../../domain/protocol/eras/RequestMeta.ts"
import { statelessVersion } from "../../../domain/protocol/Versions.ts"
import type { ConnectOptions, UpstreamCall, UpstreamInfo } from "../connection/UpstreamConnection.ts"

/** The parameters of a call as a connection opened with these options sends them. */
export const outgoing =
  ({ clientCapabilities, clientInfo }: ConnectOptions) =>
  ({ logLevel, params }: UpstreamCall): JsonObject =>
    paramsToStateless(
      params,
      { clientCapabilities, clientInfo, ...(isLogLevel(logLevel) ? { logLevel } : {}) },
      statelessVersion
    )

/** What `server/discover` said: the server's capabilities as they are, or the revisions it speaks instead. */
export type Discovered =
  | { readonly kind: "spoken"; readonly info: UpstreamInfo }
  | { readonly kind: "other"; readonly supported: ReadonlyArray<string> }
  /** No answer that a server of a stateless revision gives. */
  | { readonly kind: "unknown" }

const textsOf = (value: unknown): ReadonlyArray<string> | undefined =>
  Array.isArray(value) && value.every(Predicate.isString) ? value : undefined

export const discovered = (result: unknown): Discovered => {
  const given = objectOrEmpty(result)
  const supported = textsOf(given["supportedVersions"])
  if (supported === undefined) return { kind: "unknown" }
  if (!supported.includes(statelessVersion)) return { kind: "other", supported }
  const serverInfo = metaOf(given)?.[metaKeys.serverInfo]
  return { kind: "spoken", info: { protocolVersion: statelessVersion, ...readAbilities({ ...given, serverInfo }) } }
}

/** The revisions an "unsupported version" error offers instead (`data.supported`), if it says so properly. */
export const offered = (data: unknown): ReadonlyArray<string> | undefined => {
  const supported = textsOf(objectOrEmpty(data)["supported"])
  return supported === undefined || supported.length === 0 ? undefined : supported
}
