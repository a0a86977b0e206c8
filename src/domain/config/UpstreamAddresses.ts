/**
 * The addresses that an upstream's url may lead to once its host name is resolved: whoever owns the name's DNS must not
 * be able to point the hub, and the tokens it carries, into the operator's own network (SSRF, DNS rebinding).
 *
 * There are three kinds of addresses. Any name may lead to public ones. The operator's own (loopback, private networks)
 * can be reached where the settings file names them: as an address, or by a name that only the operator's own network
 * can answer (`localhost`, a single word, `.internal`, `.local`, …). Nobody reaches link-local ones, where clouds keep
 * their metadata service. `allowed` networks lift either restriction.
 *
 * Source: IANA special-purpose address registries (RFC 6890), RFC 6761 and RFC 8375 (special-use names).
 */
import { Result } from "effect"
import { IpNetwork, NetAddress } from "effect/net"

export type AddressKind = "public" | "own" | "never"

const networks = (...texts: ReadonlyArray<string>): ReadonlyArray<IpNetwork.IpNetwork> =>
  texts.map((text) => IpNetwork.fromStringUnsafe(text))

/**
 * Link-local, multicast, and the metadata and platform services that clouds keep elsewhere. Of the translators in the
 * operator's own network (RFC 8215) nobody here knows what lies behind them: link-local may be among it.
 */
const never = networks(
  "169.254.0.0/16",
  "100.100.100.200/32",
  "168.63.129.16/32",
  "224.0.0.0/4",
  "255.255.255.255/32",
  "64:ff9b:1::/48",
  "fe80::/10",
  "fd00:ec2::/32",
  "fd20:ce::/32",
  "ff00::/8"
)

const own = networks(
  "0.0.0.0/8",
  "10.0.0.0/8",
  "100.64.0.0/10",
  "127.0.0.0/8",
  "172.16.0.0/12",
  "192.0.0.0/24",
  "192.168.0.0/16",
  "198.18.0.0/15",
  "240.0.0.0/4",
  "::/128",
  "::1/128",
  "fc00::/7",
  "fec0::/10"
)

/** IPv6 networks whose addresses embed an IPv4 address, and the number of 16-bit groups before it. */
const embeddings: ReadonlyArray<readonly [IpNetwork.IpNetwork, groups: number]> = [
  [IpNetwork.fromStringUnsafe("::ffff:0:0/96"), 6],
  [IpNetwork.fromStringUnsafe("::ffff:0:0:0/96"), 6],
  [IpNetwork.fromStringUnsafe("::/96"), 6],
  [IpNetwork.fromStringUnsafe("64:ff9b::/96"), 6],
  [IpNetwork.fromStringUnsafe("2002::/16"), 1]
]

const isIn = (list: ReadonlyArray<IpNetwork.IpNetwork>, address: NetAddress.IpAddress): boolean =>
  list.some((network) => IpNetwork.contains(network, address))

/** These two look as if they embedded one, and are addresses of their own. */
const notEmbedding = networks("::/128", "::1/128")

const plain = (address: NetAddress.IpAddress): NetAddress.IpAddress => {
  if (!NetAddress.isIpv6Address(address) || isIn(notEmbedding, address)) return address
  const groups = embeddings.find(([network]) => IpNetwork.contains(network, address))?.[1]
  if (groups === undefined) return address
  const segments = NetAddress.ipv6ToSegments(address)
  const [high, low] = [segments[groups]!, segments[groups + 1]!]
  return NetAddress.ipFromStringUnsafe([high >> 8, high & 255, low >> 8, low & 255].join("."))
}

/** An address as a resolver gives it, without its zone (`%eth0`). */
const parse = (text: string): NetAddress.IpAddress | undefined => {
  const parsed = NetAddress.ipFromString(text.split("%", 1)[0]!)
  return Result.isSuccess(parsed) ? plain(parsed.success) : undefined
}

export const kindOf = (address: string): AddressKind => {
  const parsed = parse(address)
  if (parsed === undefined || isIn(never, parsed)) return "never"
  return isIn(own, parsed) ? "own" : "public"
}

const ownNames = /(^|\.)(localhost|local|internal|intranet|private|corp|home|lan|home\.arpa|test)$/

/** Whether a url's host is an address, or a name that no DNS outside the operator's network can answer. */
export const isOwnHost = (host: string): boolean => {
  const name = host
    .toLowerCase()
    .replace(/^\[|\]$/g, "")
    .replace(/\.$/, "")
  return parse(name) !== undefined || !name.includes(".") || ownNames.test(name)
}

/** Whether the hub may connect to this address for this url host. */
export const mayReach = (host: string, address: string, allowed: ReadonlyArray<IpNetwork.IpNetwork>): boolean => {
  const kind = kindOf(address)
  if (kind === "public" || (kind === "own" && isOwnHost(host))) return true
  const parsed = parse(address)
  return parsed !== undefined && isIn(allowed, parsed)
}

/** `10.0.0.0/8,192.168.7.1`: networks and single addresses, separated by commas. */
export const networksFromText = (text: string): ReadonlyArray<IpNetwork.IpNetwork> | undefined => {
  const parts = text
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "")
  const found = parts.map((part) =>
    Result.orElse(IpNetwork.fromString(part), () => IpNetwork.fromString(`${part}/${part.includes(":") ? 128 : 32}`))
  )
  return found.every(Result.isSuccess) ? found.map((one) => one.success) : undefined
}
