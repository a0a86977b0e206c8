/**
 * Counts wrong keys in one bucket for each address, so that a program that guesses is told to wait (429) instead of
 * being answered 401 for ever. Only wrong keys count, and only requests with a wrong key are refused: a
 * valid key behind the same address (NAT, a proxy) is served as ever. The database has a guard of its own (`KeyGuard`),
 * which holds for many addresses together too.
 */
import { Clock, Effect } from "effect"
import { isIPv6 } from "node:net"
import { HubConfig } from "../../domain/config/HubConfig.ts"
import { TokenBuckets } from "../../domain/TokenBuckets.ts"
import { monotonicMillis } from "../../domain/Monotonic.ts"

export interface WrongKeys {
  /** Counts one from this address. Seconds to wait once there have been too many, before that undefined. */
  readonly count: (address: string) => number | undefined
  /** Addresses remembered. */
  readonly size: () => number
}

/** More than that, and the one heard of longest ago is forgotten. */
const maxAddresses = 10_000

/** An IPv6 site has a whole network of addresses: the first 64 bits name it. IPv4 in IPv6 is IPv4. */
export const siteOf = (address: string): string => {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)
  if (mapped !== null) return mapped[1]!
  if (!isIPv6(address)) return address
  const [head, tail] = address.split("%")[0]!.split("::")
  const groups = head === "" ? [] : head!.split(":")
  const after = tail === undefined || tail === "" ? [] : tail.split(":")
  const zeros = tail === undefined ? 0 : 8 - groups.length - after.length
  const all = [...groups, ...Array<string>(Math.max(0, zeros)).fill("0"), ...after]
  return all
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(":")
}

export const make = Effect.gen(function* () {
  const { wrongKeysPerMinute } = yield* HubConfig
  const size = { capacity: wrongKeysPerMinute, perSecond: wrongKeysPerMinute / 60 }
  const buckets = new TokenBuckets(size, maxAddresses, monotonicMillis(yield* Clock.Clock))

  return {
    size: () => buckets.size,
    count: (address) => buckets.take(siteOf(address))
  } satisfies WrongKeys
})
