/**
 * The proxy between the hub and servers on the internet, as `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` give it to most
 * programs. There is no standard; the rules here are curl's, and Go's for networks.
 */
import { Redacted, Result } from "effect"
import { IpNetwork, NetAddress } from "effect/net"
import { networksFromText } from "./UpstreamAddresses.ts"

export interface ProxySettings {
  /** Urls, with user and password where the proxy wants them. */
  readonly httpProxy: Redacted.Redacted<string> | undefined
  readonly httpsProxy: Redacted.Redacted<string> | undefined
  /** What is reached without it: `*`, addresses, networks, and names with those below them, which may have a port. */
  readonly noProxy: ReadonlyArray<string>
}

export const proxyAllowed = "http://host:port or https://host:port, with user:password@ before the host if need be"

/** The url of a proxy; without a scheme it is `http`. */
export const proxyFromText = (text: string): Redacted.Redacted<string> | undefined => {
  const url = URL.parse(text.includes("://") ? text : `http://${text}`)
  const isProxy = url !== null && /^https?:$/.test(url.protocol) && url.hostname !== "" && isDecodable(url)
  return isProxy ? Redacted.make(url.href, { label: "proxy" }) : undefined
}

const isDecodable = ({ password, username }: URL): boolean =>
  Result.isSuccess(Result.try(() => decodeURIComponent(username + password)))

const bare = (host: string): string => host.toLowerCase().replace(/^\[|\]$/g, "")

const excepts = (text: string, host: string, port: string): boolean => {
  if (text === "*") return true
  const network = networksFromText(bare(text))?.[0]
  if (network !== undefined) {
    const address = NetAddress.ipFromString(host)
    return Result.isSuccess(address) && IpNetwork.contains(network, address.success)
  }
  const [, wanted, onPort] = /^(.*?)(?::(\d+))?$/.exec(text.toLowerCase())!
  const name = bare(wanted!).replace(/^\*?\./, "")
  return (onPort === undefined || onPort === port) && (host === name || host.endsWith(`.${name}`))
}

export const exceptionsFromText = (text: string): ReadonlyArray<string> =>
  text.split(/[\s,]+/).filter((part) => part !== "")

/** The proxy on the way to an origin. */
export const proxyOf = (settings: ProxySettings, origin: string): Redacted.Redacted<string> | undefined => {
  const { hostname, port, protocol } = new URL(origin)
  const isTls = protocol === "https:"
  const proxy = isTls ? settings.httpsProxy : settings.httpProxy
  const isExcepted = settings.noProxy.some((text) => excepts(text, bare(hostname), port || (isTls ? "443" : "80")))
  return isExcepted ? undefined : proxy
}
