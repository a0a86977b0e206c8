/**
 * Conversations that outlive one session: `isolation: "user"` (one per user, key, server and capability class) and
 * `isolation: "shared"` (one per server and capability class, admin opt-in without user credentials).
 *
 * Sessions hold a reference for as long as they use one; the last one to leave starts an idle time after which it is
 * closed, never longer than a session itself may be idle. A capability class belongs in the key because a stateful upstream hears the client's capabilities once.
 */
import { Clock, Context, Effect, Layer, RcMap, type Scope } from "effect"
import { HubConfig } from "../../domain/HubConfig.ts"
import type { Isolation } from "../../domain/ServerConfig.ts"
import type { ConnectOptions, UpstreamConnection, UpstreamMessage } from "./UpstreamConnection.ts"
import { UpstreamConnector } from "./UpstreamConnector.ts"
import type { UpstreamError } from "./UpstreamErrors.ts"

type Listener = (message: UpstreamMessage) => void

interface Shared {
  readonly connection: UpstreamConnection
  readonly listeners: Set<Listener>
}

/** Milliseconds; a session's own idle time where that is shorter. */
const idleMs = 2 * 60_000
/** How long "this server keeps no state" is believed: a verdict without a date would never be revised. */
const verdictLife = 10 * 60_000

export const keyOf = (isolation: Isolation, options: ConnectOptions): string => {
  const { principal } = options.context
  const owner = isolation === "shared" ? "*" : `${principal.userId}/${principal.keyId}`
  // The settings too: a conversation made under old ones must not be found under new ones.
  return JSON.stringify([owner, options.name, options.protocolVersion, options.clientCapabilities, options.config])
}

export class SharedUpstreams extends Context.Service<
  SharedUpstreams,
  {
    /** A reference on the shared conversation for the life of the caller's scope; messages fan out to every holder. */
    readonly acquire: (
      isolation: Isolation,
      options: ConnectOptions
    ) => Effect.Effect<UpstreamConnection, UpstreamError, Scope.Scope>
    /** Whether a server was lately seen to keep no state, so that a user's sessions may share one conversation. */
    readonly keepsNoState: (server: string) => boolean
    readonly observe: (server: string, stateful: boolean) => void
  }
>()("mcphub/actors/upstream/SharedUpstreams") {
  static readonly layer = Layer.effect(
    SharedUpstreams,
    Effect.gen(function* () {
      const connector = yield* UpstreamConnector
      const clock = yield* Clock.Clock
      const { sessionIdleMs } = yield* HubConfig
      const requested = new Map<string, ConnectOptions>()
      const stateless = new Map<string, number>()

      const lookup = Effect.fnUntraced(function* (key: string) {
        const options = requested.get(key)
        if (options === undefined)
          return yield* Effect.die(new Error("A shared upstream was looked up before it was requested"))
        const listeners = new Set<Listener>()
        const onMessage: Listener = (message) => {
          for (const listener of listeners) listener(message)
        }
        const connection = yield* connector.connect({ ...options, onMessage })
        yield* connection.closed.pipe(
          Effect.andThen(Effect.suspend(() => RcMap.invalidate(map, key))),
          Effect.forkScoped
        )
        return { connection, listeners } satisfies Shared
      })

      const map: RcMap.RcMap<string, Shared, UpstreamError> = yield* RcMap.make({
        lookup,
        idleTimeToLive: Math.min(idleMs, sessionIdleMs)
      })

      const acquire = Effect.fnUntraced(function* (isolation: Isolation, options: ConnectOptions) {
        const key = keyOf(isolation, options)
        requested.set(key, options)
        const shared = yield* RcMap.get(map, key).pipe(
          // A failed conversation must not stay in the map as the answer for everyone after.
          Effect.tapError(() => RcMap.invalidate(map, key)),
          Effect.onExit(() =>
            Effect.sync(() => {
              // Another caller may be about to look up what it has just requested under the same key.
              if (requested.get(key) === options) requested.delete(key)
            })
          )
        )
        shared.listeners.add(options.onMessage)
        yield* Effect.addFinalizer(() => Effect.sync(() => shared.listeners.delete(options.onMessage)))
        return shared.connection
      })

      return SharedUpstreams.of({
        acquire,
        keepsNoState: (server) => {
          const seen = stateless.get(server)
          return seen !== undefined && clock.currentTimeMillisUnsafe() - seen < verdictLife
        },
        observe: (server, stateful) => {
          if (stateful) stateless.delete(server)
          else stateless.set(server, clock.currentTimeMillisUnsafe())
        }
      })
    })
  )
}
