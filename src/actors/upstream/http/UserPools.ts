/**
 * One pool of kept-alive sockets per user and origin: no two users ever share a socket, and a user's sessions reuse
 * theirs.
 *
 * A pool opens sockets as calls need them and keeps them between calls. The user's in-flight limit is the real bound;
 * the pool's own limit only stops a leak, so that it can never become a hidden queue in front of an answer the upstream
 * waits for. HTTP/1.1 only: one exchange per socket, so an abort ends exactly that exchange. When the last connection
 * that uses a pool is gone, its sockets close at once (the short delay lets a session that follows take them over).
 * Where a proxy stands on the way (`ProxyTunnel`), each socket is a tunnel of its own, and all of this holds for it alike.
 */
import { Context, Effect, Equal, Hash, Layer, RcMap, type Scope } from "effect"
import type { Socket } from "node:net"
import { createRequire } from "node:module"
import type { buildConnector, Dispatcher, Pool } from "undici"
import { graceMs, stallMs } from "../../../domain/AwakeTimeout.ts"
import { type Fork, Guard } from "../../../domain/Guard.ts"
import { HubConfig } from "../../../domain/config/HubConfig.ts"
import type { UserId } from "../../../domain/Ids.ts"
import { proxyOf } from "../../../domain/config/ProxySettings.ts"
import * as AddressGuard from "./AddressGuard.ts"
import * as ProxyTunnel from "./ProxyTunnel.ts"

/** Parts alone: with fetch, caches and mocks undici is a hundred modules, a twentieth of the time to start. */
const UndiciPool = createRequire(import.meta.url)("undici/lib/dispatcher/pool.js") as typeof Pool

/** Milliseconds until TCP and TLS must stand; a dead address fails a call in less than two seconds. */
const connectTimeoutMs = 1_800
/** The same by a proxy, which has to find and reach the server itself. */
const proxyTimeoutMs = 5_000
/** Milliseconds a socket waits for its next request, unless the server announces less. */
const keepAliveMs = 60_000
/** Milliseconds an unused pool survives its last connection. */
const unusedMs = 300

/** TCP and TLS did not come up in time. */
export class ConnectTimeout extends Error {
  override readonly name = "ConnectTimeout"
  readonly code = "ETIMEDOUT"
}

/** Counters since the start, over all users; `open` is the gauge of sockets open now. */
export interface PoolStats {
  readonly pools: number
  readonly open: number
  readonly connects: number
  readonly requests: number
}

/** The sockets of one user toward one origin. */
export interface UserPool {
  readonly dispatch: (options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler) => void
}

class PoolKey {
  readonly userId: UserId
  readonly origin: string
  constructor(userId: UserId, origin: string) {
    this.userId = userId
    this.origin = origin
  }
  [Equal.symbol](that: unknown): boolean {
    return that instanceof PoolKey && that.userId === this.userId && that.origin === this.origin
  }
  [Hash.symbol](): number {
    return Hash.combine(Hash.string(this.userId), Hash.string(this.origin))
  }
}

export class UserPools extends Context.Service<
  UserPools,
  {
    /** The user's pool for an origin (`https://host[:port]`), held until the scope closes. */
    readonly acquire: (userId: UserId, origin: string) => Effect.Effect<UserPool, never, Scope.Scope>
    readonly stats: () => PoolStats
  }
>()("mcphub/actors/upstream/http/UserPools") {
  static readonly layer: Layer.Layer<UserPools> = Layer.effect(
    UserPools,
    Effect.suspend(() => make())
  )
}

const make = Effect.fnUntraced(function* () {
  const config = yield* HubConfig
  const fork = Effect.runForkWith(yield* Effect.context<never>())
  const counters = { pools: 0, open: 0, connects: 0, requests: 0 }
  const addresses = AddressGuard.make(yield* AddressGuard.NameLookup, config.allowedNetworks)
  const connections = 2 * config.maxInflightPerUser + config.maxSessionsPerUser

  /** One for each pool: it remembers TLS sessions, which are a user's own. */
  const dialOf = (origin: string): { readonly dial: ProxyTunnel.Dial; readonly timeoutMs: number } => {
    const direct = ProxyTunnel.direct(addresses)
    const proxy = proxyOf(config, origin)
    if (proxy === undefined) return { dial: direct, timeoutMs: connectTimeoutMs }
    return { dial: ProxyTunnel.make(proxy, addresses, direct), timeoutMs: proxyTimeoutMs }
  }

  const open = (key: PoolKey) => {
    const pool = new UndiciPool(key.origin, {
      connect: countingConnector(counters, dialOf(key.origin), fork),
      connections,
      pipelining: 1,
      keepAliveTimeout: keepAliveMs,
      // Deadlines belong to the caller: a call may rightly take minutes, and interruption aborts the exchange.
      headersTimeout: 0,
      bodyTimeout: 0
    })
    counters.pools++
    return pool
  }

  const close = (pool: Pool) =>
    Effect.promise(() => pool.destroy().catch(() => undefined)).pipe(
      Effect.ensuring(Effect.sync(() => void counters.pools--))
    )

  const pools = yield* RcMap.make({
    lookup: (key: PoolKey) =>
      Effect.acquireRelease(
        Effect.sync(() => open(key)),
        close
      ).pipe(
        Effect.map((pool): UserPool => ({
          dispatch: (options, handler) => {
            counters.requests++
            pool.dispatch(options, handler)
          }
        }))
      ),
    idleTimeToLive: unusedMs
  })

  return UserPools.of({
    acquire: (userId, origin) => RcMap.get(pools, new PoolKey(userId, origin)),
    stats: () => ({ ...counters })
  })
})

/** undici's own timer ticks in half seconds and would miss the bound, so the connector carries an exact one. */
const countingConnector =
  (
    counters: { open: number; connects: number },
    { dial, timeoutMs }: { readonly dial: ProxyTunnel.Dial; readonly timeoutMs: number },
    fork: Fork
  ): buildConnector.connector =>
  (options, callback) => {
    const guard: Guard = new Guard(fork, { breakOff: () => void attempt?.destroy() })
    const settled = (error: Error | null, connected: Socket | null): void => {
      noTimer()
      if (error !== null || connected === null) return callback(error!, null)
      counters.connects++
      counters.open++
      guard.once(connected, "close", () => void counters.open--)
      callback(null, connected)
    }
    let noTimer = (): void => undefined
    const attempt: ProxyTunnel.Attempt | undefined = dial(options, guard, settled)
    const due = performance.now() + timeoutMs
    const giveUp = () => attempt.destroy(new ConnectTimeout("The connection was not made in time"))
    // Woken late, the process stood still, and the connection may stand unseen.
    const expire = () => {
      if (performance.now() - due < stallMs) return giveUp()
      noTimer = guard.after(graceMs, giveUp)
    }
    noTimer = guard.after(timeoutMs, expire)
  }
