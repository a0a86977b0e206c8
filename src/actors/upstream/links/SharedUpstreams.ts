/**
 * Connections that outlive one session: `isolation: "user"` (one per user, key, server and capability class) and
 * `isolation: "shared"` (one per server and capability class, admin opt-in without user credentials).
 *
 * Sessions hold a reference for as long as they use one; the last one to leave starts an idle time after which it is
 * closed, never longer than a session itself may be idle. There is no idle time once the owner's key has ended or the
 * server's settings have changed: what was made with them goes as soon as nobody holds it. A capability class belongs in
 * the key because a stateful upstream hears the client's capabilities once.
 */
import { Clock, Context, Deferred, Effect, Equal, FiberSet, Hash, Layer, RcMap, type Scope, Stream } from "effect"
import { HubConfig } from "../../../domain/config/HubConfig.ts"
import { monotonicMillis } from "../../../domain/Monotonic.ts"
import type { UserId } from "../../../domain/Ids.ts"
import type { Principal } from "../../../domain/identity/Principal.ts"
import { Principals } from "../../../domain/identity/Principals.ts"
import { Settings } from "../../../domain/servers/Settings.ts"
import { type Isolation, serverType } from "../../../domain/servers/ServerConfig.ts"
import { type Counter, HubMetrics, methodLabel } from "../../observing/HubMetrics.ts"
import { builtWith } from "../connection/BuiltWith.ts"
import * as SharedHolders from "./SharedHolders.ts"
import { ChildPlaces } from "../guards/ChildPlaces.ts"
import { UpstreamBreakers } from "../guards/UpstreamBreakers.ts"
import type { ConnectOptions, UpstreamConnection } from "../connection/UpstreamConnection.ts"
import { UpstreamConnector } from "../UpstreamConnector.ts"
import { waiting, type Waits } from "../../../domain/requests/Waits.ts"
import type { UpstreamError } from "../../../domain/requests/UpstreamErrors.ts"
import { UpstreamPauses } from "../guards/UpstreamPauses.ts"
import type { KeyEvent } from "../../../domain/identity/KeyEvents.ts"

interface Shared {
  readonly connection: UpstreamConnection
  readonly holders: SharedHolders.SharedHolders
}

/** Milliseconds; a session's own idle time where that is shorter. */
const idleMs = 2 * 60_000
/** How long "this server keeps no state" is believed: a verdict without a date would never be revised. */
const verdictLife = 10 * 60_000
/** By then the sessions of a key that has ended are gone. */
const endingMs = 10_000

type Owner = Pick<Principal, "userId" | "keyId">

/** Which connection: equal keys share one. Carries what the first to ask opened it with. */
class SharedKey implements Equal.Equal {
  readonly options: ConnectOptions
  /** Absent where every user shares. */
  readonly owner: Owner | undefined
  /** Equal where the keys are. */
  readonly text: string

  constructor(isolation: Isolation, options: ConnectOptions) {
    const { userId, keyId } = options.context.principal
    this.options = options
    this.owner = isolation === "shared" ? undefined : { userId, keyId }
    // The settings too, and the user's tokens: a connection made with old ones must not be found under new ones.
    this.text = JSON.stringify([
      this.owner,
      options.name,
      options.protocolVersion,
      options.clientCapabilities,
      options.config,
      builtWith(options.name, options.config, options.context.principal)
    ])
  }

  [Equal.symbol](that: Equal.Equal): boolean {
    return that instanceof SharedKey && that.text === this.text
  }

  [Hash.symbol](): number {
    return Hash.string(this.text)
  }

  isOf({ keyId, userId }: KeyEvent): boolean {
    return this.owner?.userId === userId && (keyId === undefined || this.owner.keyId === keyId)
  }
}

export class SharedUpstreams extends Context.Service<
  SharedUpstreams,
  {
    /** A reference on the shared connection for the life of the caller's scope; messages fan out to every holder. */
    readonly acquire: (
      isolation: Isolation,
      options: ConnectOptions
    ) => Effect.Effect<UpstreamConnection, UpstreamError, Scope.Scope>
    /** Nobody gets these connections to a server any more, one user's or all; each closes when its last holder leaves. */
    readonly end: (server: string, userId: UserId | undefined) => Effect.Effect<void>
    /** Whether a server was lately seen to keep no state, so that a user's sessions may share one connection. */
    readonly keepsNoState: (server: string) => boolean
    readonly observe: (server: string, stateful: boolean) => void
  }
>()("mcphub/actors/upstream/links/SharedUpstreams") {
  static readonly layer = Layer.effect(
    SharedUpstreams,
    Effect.gen(function* () {
      const connector = yield* UpstreamConnector
      const breakers = yield* UpstreamBreakers
      const pauses = yield* UpstreamPauses
      const children = yield* ChildPlaces
      const principals = yield* Principals
      const settings = yield* Settings
      const monotonic = monotonicMillis(yield* Clock.Clock)
      const { sessionIdleMs } = yield* HubConfig
      const metrics = yield* HubMetrics
      const runFork = Effect.runForkWith(yield* Effect.context<never>())
      /** By server: what nobody could be given. The first of each server's is logged. */
      const unattributedBy = new Map<string, Counter>()
      const stateless = new Map<string, number>()
      /** By key being opened: how far that has come. */
      const openings = new Map<string, Waits>()
      /** Ends of keys that sessions may still have to hear of, and when they became known. */
      let ends: ReadonlyArray<readonly [KeyEvent, at: number]> = []

      const unattributed = (server: string, method: string): void => {
        const known = unattributedBy.get(server)
        if (known !== undefined) return known.increment()
        const about = "Messages of shared servers that nobody can be given"
        const first = metrics.counter("mcphub_shared_unattributed_total", about, { server })
        first.increment()
        unattributedBy.set(server, first)
        runFork(
          Effect.logWarning(
            "A server that several sessions share asked or logged without naming the call it is about; nobody got it"
          ).pipe(Effect.annotateLogs({ server, method: methodLabel(method) }))
        )
      }

      const lookup = Effect.fnUntraced(function* (key: SharedKey) {
        const opened = yield* Deferred.make<UpstreamConnection>()
        const runFork = yield* FiberSet.makeRuntime<never>()
        const context = key.owner === undefined ? SharedHolders.ofNoKey(key.options.context) : key.options.context
        const holders = SharedHolders.make({
          oneUser: key.owner !== undefined,
          onUnattributed: ({ method }) => unattributed(key.options.name, method),
          answer: (response) =>
            void runFork(
              Effect.ignore(Effect.flatMap(Deferred.await(opened), (asking) => asking.respond(response, context)))
            )
        })
        const { waits } = key.options.context
        if (waits !== undefined) openings.set(key.text, waits)
        const connection = yield* Effect.ensuring(
          connector.connect({ ...key.options, onMessage: holders.onMessage }),
          Effect.sync(() => void openings.delete(key.text))
        )
        yield* Deferred.succeed(opened, connection)
        if (serverType(key.options.config) === "stdio") {
          yield* children.offer({
            userId: key.options.context.principal.userId,
            // While a session holds it, it may keep something for any of them.
            isIdle: () => holders.count() === 0,
            isBlank: () => true,
            isListing: () => false,
            usedAt: () => 0,
            giveWay: Effect.suspend(() => RcMap.invalidate(map, key))
          })
        }
        yield* connection.closed.pipe(
          Effect.andThen(Effect.suspend(() => RcMap.invalidate(map, key))),
          Effect.forkScoped
        )
        return { connection, holders } satisfies Shared
      })

      const map: RcMap.RcMap<SharedKey, Shared, UpstreamError> = yield* RcMap.make({
        lookup,
        // A session that is about to end may open one more; it goes with that session.
        idleTimeToLive: (key) => (ends.some(([event]) => key.isOf(event)) ? 0 : Math.min(idleMs, sessionIdleMs))
      })

      /** Nobody finds these any more; each is closed when its last holder has left, at once where there is none. */
      const endWhere = (matches: (key: SharedKey) => boolean): Effect.Effect<void> =>
        Effect.flatMap(RcMap.keys(map), (keys) =>
          Effect.forEach([...keys].filter(matches), (key) => RcMap.invalidate(map, key), {
            concurrency: "unbounded",
            discard: true
          })
        )

      const keyEnded = (event: KeyEvent): Effect.Effect<void> => {
        const now = monotonic()
        ends = [...ends.filter(([, at]) => now - at < endingMs), [event, now]]
        return endWhere((key) => key.isOf(event))
      }

      const acquire = Effect.fnUntraced(function* (isolation: Isolation, options: ConnectOptions) {
        const key = new SharedKey(isolation, options)
        const wait = { kind: "connection", server: options.name, via: () => openings.get(key.text) } as const
        const shared = yield* waiting(options.context.waits, wait, RcMap.get(map, key)).pipe(
          // A failed connection must not stay in the map as the answer for everyone after.
          Effect.tapError(() => RcMap.invalidate(map, key))
        )
        return yield* shared.holders.hold(shared.connection, options.onMessage, options.context)
      })

      yield* principals.invalidations.pipe(
        Stream.runForEach((event) => {
          breakers.forget(event.userId)
          pauses.forget(event.userId)
          return event.revoked ? keyEnded(event) : Effect.void
        }),
        Effect.forkScoped({ startImmediately: true })
      )

      yield* settings.changes.pipe(
        Stream.runForEach(({ mcpServers }) =>
          endWhere(({ options }) => JSON.stringify(mcpServers[options.name]) !== JSON.stringify(options.config))
        ),
        Effect.forkScoped({ startImmediately: true })
      )

      return SharedUpstreams.of({
        acquire,
        end: (server, userId) =>
          endWhere(
            ({ options, owner }) => options.name === server && (userId === undefined || owner?.userId === userId)
          ),
        keepsNoState: (server) => {
          const seen = stateless.get(server)
          return seen !== undefined && monotonic() - seen < verdictLife
        },
        observe: (server, stateful) => {
          if (stateful) stateless.delete(server)
          else stateless.set(server, monotonic())
        }
      })
    })
  )
}
