/**
 * Finds the key that a request presents, and checks that its Host and Origin may talk to this hub at all. Host and Origin come first,
 * before authentication and before the body (DNS rebinding); the key is the only source of identity.
 *
 * Source: MCP `basic/transports` (Origin, 403), RFC 6750 (Bearer).
 */
import type { HubConfigShape } from "../../domain/config/HubConfig.ts"
import type { WireRequest } from "../wire/Wire.ts"

export type Presented =
  | { readonly kind: "key"; readonly key: string; readonly byQuery: boolean }
  | { readonly kind: "none" }
  | { readonly kind: "conflict" }

const bearer = /^Bearer[ \t]+(\S+)[ \t]*$/i

/** `Authorization: Bearer`, `x-mcphub-key` or `?key=`; two different keys in one request are a conflict. */
export const presentedKey = (request: WireRequest, allowQuery: boolean): Presented => {
  const authorization = request.header("authorization")
  const own = request.header("x-mcphub-key")
  // A header that is not there does not disagree with itself.
  if (authorization !== undefined && request.disagrees("authorization")) return { kind: "conflict" }
  if (own !== undefined && request.disagrees("x-mcphub-key")) return { kind: "conflict" }
  const byBearer = authorization === undefined ? undefined : bearer.exec(authorization)?.[1]
  const byHeader = own?.trim()
  // The usual case, without a list of what else there is.
  if (byBearer !== undefined && byHeader === undefined && request.query.size === 0) {
    return { kind: "key", key: byBearer, byQuery: false }
  }
  const byQuery = allowQuery ? (request.query.get("key") ?? undefined) : undefined
  let key: string | undefined
  for (const candidate of [byBearer, byHeader, byQuery]) {
    if (candidate === undefined || candidate === "") continue
    if (key !== undefined && key !== candidate) return { kind: "conflict" }
    key = candidate
  }
  if (allowQuery && request.query.getAll("key").length > 1) return { kind: "conflict" }
  return key === undefined ? { kind: "none" } : { kind: "key", key, byQuery: key === byQuery }
}

const loopback = new Set(["localhost", "127.0.0.1", "[::1]"])

/** The host name of an authority or origin, lower case, without the port. */
const hostName = (authority: string): string => authority.replace(/:\d*$/, "").toLowerCase()

const originHost = (origin: string): string | undefined => {
  const match = /^https?:\/\/([^/]+)$/i.exec(origin)
  return match === null ? undefined : hostName(match[1]!)
}

const isKnown = (host: string, config: HubConfigShape): boolean =>
  loopback.has(host) || host === config.host.toLowerCase() || config.allowedHosts.includes(host)

/** Whether Host and Origin are ones this hub answers to. */
export const isForeignSite = (request: WireRequest, config: HubConfigShape): boolean => {
  const host = request.header("host")
  // Bound beyond loopback without a list, any Host is served: the operator put the hub on a network name it cannot know.
  const open = !loopback.has(config.host) && config.allowedHosts.length === 0
  if (host !== undefined && !open && !isKnown(hostName(host), config)) return true
  const origin = request.header("origin")
  if (origin === undefined) return false
  const site = originHost(origin)
  return site === undefined || !(isKnown(site, config) || (open && host !== undefined && site === hostName(host)))
}
