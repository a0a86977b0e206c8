/**
 * The bulkhead between the servers of one user: how many requests of theirs are at one server, over all sessions and
 * whoever else uses the same connection. A server that hangs can take no more of `MAX_INFLIGHT_PER_USER` than that, and
 * the user's other servers stay within reach.
 *
 * A request holds a place while its connection is being opened (`Carrier`) and from before it is sent until it has ended
 * (`UpstreamConnector`). What the hub asks on its own account (lists, what a new connection has to be told) counts
 * alike but is never refused: it is one of a kind per session, and without it a server could not be used at all.
 *
 * Counting is exact and synchronous, and every place is given back in a finalizer, whatever the end.
 */
import { Context, Effect, Layer } from "effect"
import { HubConfig } from "../../../domain/config/HubConfig.ts"
import type { UserId } from "../../../domain/Ids.ts"
import { type UpstreamError, ServerOverloaded } from "../../../domain/requests/UpstreamErrors.ts"
import type { Asking } from "./UpstreamPauses.ts"

/** Users remembered; beyond that those who hold no place are forgotten. */
const maxUsers = 10_000

/** What a client is told to wait: places come free as calls end, at no time the hub could know. */
const retryAfterMs = 1_000

export class ServerPlaces extends Context.Service<
  ServerPlaces,
  {
    /** Does something at a server in one of its user's places there; fails at once with `ServerOverloaded` if none is left. */
    readonly within: <A, E>(asking: Asking, use: Effect.Effect<A, E>) => Effect.Effect<A, E | UpstreamError>
    /** The same for what the hub asks on its own account: counted and never refused. */
    readonly beside: <A, E>(asking: Asking, use: Effect.Effect<A, E>) => Effect.Effect<A, E | UpstreamError>
    readonly taken: (userId: UserId, server: string) => number
  }
>()("mcphub/actors/upstream/guards/ServerPlaces") {
  static readonly layer: Layer.Layer<ServerPlaces> = Layer.effect(
    ServerPlaces,
    Effect.suspend(() => make)
  )
}

const make = Effect.gen(function* () {
  const { maxInflightPerServer } = yield* HubConfig
  const users = new Map<UserId, Map<string, number>>()

  const taken = (userId: UserId, server: string): number => users.get(userId)?.get(server) ?? 0

  /** False: there are `max` taken. */
  const take = ({ context, server }: Asking, max: number): boolean => {
    const { userId } = context.principal
    let servers = users.get(userId)
    if (servers === undefined) {
      if (users.size >= maxUsers) forgetIdle()
      users.set(userId, (servers = new Map()))
    }
    const count = servers.get(server) ?? 0
    if (count >= max) return false
    servers.set(server, count + 1)
    return true
  }

  /** What falls to none stays: a map that is emptied and filled again with every call makes new tables each time. */
  const forgetIdle = (): void => {
    for (const [userId, servers] of users) if (!servers.values().some((count) => count > 0)) users.delete(userId)
  }

  const give = ({ context, server }: Asking): void => {
    const servers = users.get(context.principal.userId)!
    servers.set(server, servers.get(server)! - 1)
  }

  const overloaded = (server: string, max: number): ServerOverloaded =>
    new ServerOverloaded({
      server,
      retryAfterMs,
      message: `This user has ${max} requests in flight at server ${server}, as many as allowed there, so nothing was sent; wait for one to end, or raise options.maxInflight of the server or MAX_INFLIGHT_PER_SERVER`
    })

  /** The finalizer stands before the place is taken, so nothing can come between the two. */
  const holding = <A, E>(asking: Asking, max: number, use: Effect.Effect<A, E>) =>
    Effect.suspend(() => {
      let isTaken = false
      const begun = Effect.suspend((): Effect.Effect<A, E | UpstreamError> => {
        isTaken = take(asking, max)
        return isTaken ? use : overloaded(asking.server, max)
      })
      return Effect.onExitPrimitive(begun, () => {
        if (isTaken) give(asking)
        return undefined
      })
    })

  return ServerPlaces.of({
    within: (asking, use) => holding(asking, asking.config.options?.maxInflight ?? maxInflightPerServer, use),
    beside: (asking, use) => holding(asking, Number.POSITIVE_INFINITY, use),
    taken
  })
})
