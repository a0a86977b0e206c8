/**
 * Looks at the address an upstream's host name has become, before the hub connects to it: the address that was checked
 * is the one that is connected to, so a name that answers differently a moment later gains nothing. `UpstreamAddresses`
 * says which addresses are right for which names.
 */
import { Context } from "effect"
import type { IpNetwork } from "effect/net"
import { type LookupAddress, type LookupAllOptions, lookup } from "node:dns"
import { isIP, type LookupFunction } from "node:net"
import { kindOf, mayReach } from "../../../domain/config/UpstreamAddresses.ts"

type Answer = (error: NodeJS.ErrnoException | null, addresses: ReadonlyArray<LookupAddress>) => void

/** All addresses of a host name, as `dns.lookup` gives them. */
export type Resolve = (host: string, options: LookupAllOptions, answer: Answer) => void

/** How host names become addresses; the system's resolver, unless an embedder or a test provides another. */
export class NameLookup extends Context.Reference<(host: string, options: LookupAllOptions, answer: Answer) => void>(
  "mcphub/actors/upstream/http/AddressGuard/NameLookup",
  { defaultValue: () => lookup }
) {}

/** The host leads where an upstream may not be. Nothing was connected to. */
export class AddressBlocked extends Error {
  override readonly name = "AddressBlocked"
  readonly code = "ADDRESS_BLOCKED"
}

/** Of a host as the hub sees it: on the internet, in its own networks, or it has no address that the hub can find out. */
export type Whereabouts = "public" | "own" | "unknown"

export interface AddressGuard {
  /** Of a host that is an address itself, which no lookup sees; undefined when it may be connected to. */
  readonly literal: (host: string) => AddressBlocked | undefined
  /** Where a host leads, before a proxy is asked to connect to it. */
  readonly whereabouts: (host: string, answer: (found: Whereabouts | AddressBlocked) => void) => void
  /** The `lookup` of a socket: gives those addresses that may be connected to, and fails when there is none. */
  readonly lookup: LookupFunction
}

const blocked = () => new AddressBlocked("The host leads to an address that upstreams may not have")

const bare = (host: string): string => host.replace(/^\[|\]$/g, "")

const whereaboutsOf = (addresses: ReadonlyArray<string>): Whereabouts =>
  addresses.some((address) => kindOf(address) === "public") ? "public" : "own"

export const make = (resolve: Resolve, allowed: ReadonlyArray<IpNetwork.IpNetwork>): AddressGuard => ({
  literal: (host) => {
    const address = bare(host)
    return isIP(address) === 0 || mayReach(address, address, allowed) ? undefined : blocked()
  },
  whereabouts: (host, answer) => {
    if (isIP(bare(host)) !== 0) return answer(whereaboutsOf([bare(host)]))
    resolve(host, { all: true }, (error, addresses) => {
      if (error !== null) return answer("unknown")
      const found = addresses.map(({ address }) => address)
      // Which of them the proxy would take is not the hub's to say.
      answer(found.every((address) => mayReach(host, address, allowed)) ? whereaboutsOf(found) : blocked())
    })
  },
  lookup: (host, options, answer) =>
    resolve(host, { ...options, all: true }, (error, addresses) => {
      const good = error === null ? addresses.filter(({ address }) => mayReach(host, address, allowed)) : []
      const first = good[0]
      if (first === undefined) return answer(error ?? blocked(), "", 0)
      if (options.all === true) answer(null, good)
      else answer(null, first.address, first.family)
    })
})
