/**
 * The sites that may talk to this hub. Host and Origin come first, before authentication and before the body, so that a page
 * whose name leads here (DNS rebinding) finds nothing. A page or extension of an allowed origin is told so by the headers
 * that its browser asks for (CORS), also in a preflight, which can carry no key.
 *
 * Source: MCP `basic/transports` (Origin, 403); Fetch (CORS protocol); Private Network Access.
 */
import type { HubConfigShape } from "../../domain/config/HubConfig.ts"
import { foreignHost, foreignOrigin } from "../wire/Refusals.ts"
import type { WireHeaders, WireReply, WireRequest } from "../wire/Wire.ts"

const loopback: ReadonlySet<string> = new Set(["localhost", "127.0.0.1", "[::1]"])

/** The host name of an authority or origin, lower case, without the port. */
const hostName = (authority: string): string => authority.replace(/:\d*$/, "").toLowerCase()

const originHost = (origin: string): string | undefined => {
  const match = /^https?:\/\/([^/]+)$/i.exec(origin)
  return match === null ? undefined : hostName(match[1]!)
}

const isKnown = (host: string, config: HubConfigShape): boolean =>
  loopback.has(host) || host === config.host.toLowerCase() || config.allowedHosts.includes(host)

/** Bound beyond loopback without a list, any Host is served: the operator put the hub on a network name it cannot know. */
const isOpen = (config: HubConfigShape): boolean => !loopback.has(config.host) && config.allowedHosts.length === 0

const isForeignHost = (host: string | undefined, config: HubConfigShape): boolean =>
  host !== undefined && !isOpen(config) && !isKnown(hostName(host), config)

/** Whether pages of this origin may use the hub. */
const isAllowedOrigin = (origin: string, host: string | undefined, config: HubConfigShape): boolean => {
  if (config.allowedOrigins.includes(origin.toLowerCase())) return true
  const site = originHost(origin)
  if (site === undefined) return false
  return isKnown(site, config) || (isOpen(config) && host !== undefined && site === hostName(host))
}

const methods = "GET, POST, DELETE"

/** What a page may read of an answer beside its body. */
const exposed = "Mcp-Session-Id, WWW-Authenticate, Retry-After, Deprecation"

const corsHeaders = (origin: string): WireHeaders => ({
  "access-control-allow-origin": origin,
  "access-control-expose-headers": exposed,
  vary: "Origin"
})

/** Names of headers, as a browser lists them. Any may be sent: what the hub does not know it does not read. */
const headerList = /^[A-Za-z0-9!#$%&'*+.^_`|~, -]+$/

const preflight = (request: WireRequest, reply: WireReply): void => {
  const asked = request.headers["access-control-request-headers"]
  const isPrivate = request.headers["access-control-request-private-network"] === "true"
  reply.send(204, undefined, {
    "access-control-allow-methods": methods,
    ...(asked !== undefined && headerList.test(asked) ? { "access-control-allow-headers": asked } : {}),
    ...(isPrivate ? { "access-control-allow-private-network": "true" } : {}),
    "access-control-max-age": "7200"
  })
}

/** Whether the request goes on; if not, it has been answered. */
export const admitSite = (request: WireRequest, reply: WireReply, config: HubConfigShape): boolean => {
  const host = request.headers["host"]
  if (isForeignHost(host, config)) {
    foreignHost(reply)
    return false
  }
  const origin = request.headers["origin"]
  if (origin === undefined) {
    request.peer.admittedHost = host
    return true
  }
  if (!isAllowedOrigin(origin, host, config)) {
    foreignOrigin(reply, origin)
    return false
  }
  reply.always(corsHeaders(origin))
  if (request.method !== "OPTIONS" || request.headers["access-control-request-method"] === undefined) return true
  preflight(request, reply)
  return false
}
