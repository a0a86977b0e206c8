/**
 * What every request to a stateless upstream carries in its `_meta`: the revision, and who asks. There was no
 * `initialize` to say it once.
 *
 * Source: MCP 2026-07-28 `basic` (per-request metadata).
 */
import { Predicate } from "effect"
import type { JsonObject } from "../../domain/protocol/JsonRpc.ts"
import { metaKeys } from "../../domain/protocol/Stateless.ts"
import { statelessVersion } from "../../domain/protocol/Versions.ts"
import type { ConnectOptions, UpstreamCall, UpstreamInfo } from "./UpstreamConnection.ts"

/** The keys of `_meta` for a call on the connection opened with these options; `undefined` takes a caller's value away. */
export const envelope = (options: ConnectOptions): ((call: UpstreamCall) => JsonObject) => {
  const fixed = {
    [metaKeys.protocolVersion]: statelessVersion,
    [metaKeys.clientCapabilities]: options.clientCapabilities,
    [metaKeys.clientInfo]: options.clientInfo
  }
  return ({ logLevel }) => ({ ...fixed, [metaKeys.logLevel]: logLevel })
}

/** What `server/discover` said: the server's capabilities as they are, or the revisions it speaks instead. */
export type Discovered =
  | { readonly kind: "spoken"; readonly info: UpstreamInfo }
  | { readonly kind: "other"; readonly supported: ReadonlyArray<string> }
  /** No answer that a server of a stateless revision gives. */
  | { readonly kind: "unknown" }

const textsOf = (value: unknown): ReadonlyArray<string> | undefined =>
  Array.isArray(value) && value.every(Predicate.isString) ? value : undefined

const objectOf = (value: unknown): JsonObject => (Predicate.isObject(value) ? (value as JsonObject) : {})

export const discovered = (result: unknown): Discovered => {
  const { _meta, capabilities, instructions, supportedVersions } = objectOf(result)
  const supported = textsOf(supportedVersions)
  if (supported === undefined || !Predicate.isObject(capabilities)) return { kind: "unknown" }
  if (!supported.includes(statelessVersion)) return { kind: "other", supported }
  return {
    kind: "spoken",
    info: {
      protocolVersion: statelessVersion,
      capabilities: capabilities as JsonObject,
      serverInfo: objectOf(objectOf(_meta)[metaKeys.serverInfo]),
      instructions: typeof instructions === "string" ? instructions : undefined
    }
  }
}

/** The revisions an "unsupported version" error offers instead (`data.supported`), if it says so properly. */
export const offered = (data: unknown): ReadonlyArray<string> | undefined => {
  const supported = textsOf(objectOf(data)["supported"])
  return supported === undefined || supported.length === 0 ? undefined : supported
}
