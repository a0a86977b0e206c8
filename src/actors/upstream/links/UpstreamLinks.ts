/**
 * The connections one session has with its upstream servers: opened lazily, once per server however many calls ask at
 * the same time, each in a scope of its own below the session's. A connection that ends is forgotten and opened anew by
 * the next call. `OpenLinks` knows what goes on over those that stand, `LinkFailures` which could not be opened.
 */
import { Clock, Deferred, Effect, Exit, Scope } from "effect"
import { HubConfig } from "../../../domain/config/HubConfig.ts"
import { type Isolation, type ServerConfig, serverType } from "../../../domain/servers/ServerConfig.ts"
import { monotonicMillis } from "../../../domain/Monotonic.ts"
import * as SingleFlight from "../../../domain/SingleFlight.ts"
import { Settings } from "../../../domain/servers/Settings.ts"
import type { JsonObject } from "../../../domain/protocol/JsonRpc.ts"
import type { UserId } from "../../../domain/Ids.ts"
import { waiting, WorkUnderWay } from "../../../domain/requests/Waits.ts"
import { timeoutAwake } from "../../../domain/AwakeTimeout.ts"
import type { CircuitView } from "../guards/Circuit.ts"
import { ServerStates } from "../guards/ServerStates.ts"
import { SharedUpstreams } from "./SharedUpstreams.ts"
import * as LinkFailures from "./LinkFailures.ts"
import * as OpenLinks from "./OpenLinks.ts"
import { UpstreamBreakers } from "../guards/UpstreamBreakers.ts"
import type { Principal } from "../../../domain/identity/Principal.ts"
import { builtWith } from "../connection/BuiltWith.ts"
import type {
  CallContext,
  ConnectOptions,
  UpstreamConnection,
  UpstreamMessage
} from "../connection/UpstreamConnection.ts"
import { limitsOf, type StartLimits } from "../connection/StartLimits.ts"
import { UpstreamConnector } from "../UpstreamConnector.ts"
import { NotAllowed, type UpstreamError, UpstreamUnavailable } from "../../../domain/requests/UpstreamErrors.ts"
import { UpstreamPauses } from "../guards/UpstreamPauses.ts"

export interface UpstreamLinks {
  /** The connection to a server, opened now if need be. */
  readonly get: (server: string, context: CallContext) => Effect.Effect<UpstreamConnection, UpstreamError>
  /** The connection to a server, if it stands. */
  readonly standing: (server: string) => UpstreamConnection | undefined
  /** Those that stand, of servers that are admitted. */
  readonly live: () => Iterable<UpstreamConnection>
  readonly summaries: () => ReadonlyArray<UpstreamSummary>
  /**
   * The connection to a server, if it stands, about to carry a request of the client: from now on its server may keep
   * something for it.
   */
  readonly use: (server: string) => UpstreamConnection | undefined
  /** Whether it has carried one. */
  readonly isUsed: (server: string) => boolean
  /** What `takeLoss` has to tell, by server: mostly nothing. */
  readonly losses: ReadonlyMap<string, string>
  /**
   * Why the process of a server that the client has called is not the one it called before; once, since the client is
   * told then.
   */
  readonly takeLoss: (server: string) => string | undefined
  /** Servers to which a connection stands or is being opened. */
  readonly linked: () => Iterable<string>
  /**
   * Closes the connection to a server that changed, or that the session may no longer reach; the next call opens a new
   * one, if it may. What is being opened begins anew, for whoever waits for it.
   */
  readonly drop: (server: string, reason: string) => Effect.Effect<void>
  /**
   * Gives up the connections that were built with other tokens than the user has now: the next request opens a new one,
   * and what is in flight on an old one ends there. Succeeds with their servers.
   */
  readonly renew: Effect.Effect<ReadonlyArray<string>>
}

export interface LinkOptions {
  readonly protocolVersion: string
  /** What of its capabilities a server may rely on. */
  readonly offered: (server: string) => JsonObject
  readonly clientInfo: JsonObject
  /** The user as of now. */
  readonly principal: () => Principal
  /** Whether the session may reach the server now. */
  readonly admits: (server: string) => boolean
  /** Whether nobody would miss a child process at this moment: nothing is in flight, and no stream is open. */
  readonly isIdle: () => boolean
  /** Whether the client waits to hear of the server's resources. */
  readonly listens: (server: string) => boolean
  readonly onMessage: (server: string, message: UpstreamMessage) => void
  /** Runs on every fresh connection before its first call (log level, subscriptions). */
  readonly onOpen: (connection: UpstreamConnection, context: CallContext) => Effect.Effect<void>
  readonly onClosed: (server: string) => void
  /** A connection could not be opened. */
  readonly onFailed: (server: string, error: UpstreamError, context: CallContext) => void
}

/**
 * In times of a start. The transports keep that limit themselves and can say more when it passes; here is the end of what
 * they do not count: a question in the other era before it, and what happens on the hub's own side.
 */
const longestOpening = 2
const stillStartingMs = 5_000

const isolationOf = (name: string, config: ServerConfig, keepsNoState: (server: string) => boolean): Isolation => {
  if (config.isolation !== undefined) return config.isolation
  return serverType(config) !== "stdio" && keepsNoState(name) ? "user" : "session"
}

export const make = Effect.fnUntraced(function* (options: LinkOptions) {
  const session = yield* Effect.scope
  const settings = yield* Settings
  const connector = yield* UpstreamConnector
  const shared = yield* SharedUpstreams
  const hub = yield* HubConfig
  const clock = yield* Clock.Clock
  const breakers = yield* UpstreamBreakers
  const pauses = yield* UpstreamPauses
  const states = yield* ServerStates
  const now = monotonicMillis(clock)

  const { isIdle, listens, onClosed } = options
  const open = yield* OpenLinks.make({ now, isIdle, listens, onClosed })
  /** In the session's scope: a cancelled call must not tear down what others wait for. */
  const opening = SingleFlight.make<string, UpstreamConnection, UpstreamError>(session)
  /** By server being opened; done when the settings it is opened under are no longer those in force. */
  const stale = new Map<string, Deferred.Deferred<undefined>>()
  const failures = LinkFailures.make(now)
  const openings = new WorkUnderWay(now)
  /** Servers a connection was wanted to, and by whom last. */
  const tried = new Map<string, UserId>()

  /**
   * Sharing that was only inferred ends when the server keeps state after all: the session gets a connection of its own,
   * and holds and hears nothing of the shared one.
   */
  const inferred = Effect.fnUntraced(function* (config: ServerConfig, isolation: Isolation, request: ConnectOptions) {
    const holding = yield* Scope.fork(yield* Effect.scope)
    const connection = yield* Scope.provide(shared.acquire(isolation, request), holding)
    if (config.isolation !== undefined || !connection.stateful) return connection
    yield* Scope.close(holding, Exit.void)
    return yield* connector.connect(request)
  })

  const connectIn = Effect.fnUntraced(function* (
    server: string,
    config: ServerConfig,
    context: CallContext,
    scope: Scope.Closeable
  ) {
    const isolation = isolationOf(server, config, shared.keepsNoState)
    const { startMs } = limitsOf(config, hub.initTimeout)
    const request: ConnectOptions = {
      name: server,
      config,
      protocolVersion: options.protocolVersion,
      clientCapabilities: options.offered(server),
      clientInfo: options.clientInfo,
      context,
      // A child that is told to end may go on speaking for a while.
      onMessage: (message) => {
        if (options.admits(server)) options.onMessage(server, message)
      },
      onRenew: options.onOpen
    }
    const begun = now()
    const connecting = isolation === "session" ? connector.connect(request) : inferred(config, isolation, request)
    const connected = yield* connecting.pipe(
      Scope.provide(scope),
      timeoutAwake(
        longestOpening * startMs,
        () =>
          new UpstreamUnavailable({
            server,
            reason: "timeout",
            message: `Server ${server} was not initialized within ${longestOpening * startMs} ms`
          })
      )
    )
    const isChild = serverType(config) === "stdio"
    const tokens = builtWith(server, config, context.principal)
    let opened: OpenLinks.OpenLink | undefined
    const connection = isChild || tokens !== "" ? open.counting(connected, () => opened) : connected
    shared.observe(server, connection.stateful)
    const setUp = options.onOpen(connection, context)
    yield* waiting(context.waits, { kind: "connection", stage: "set-up", server }, setUp)
    const asking = { server, config, context }
    yield* Scope.provide(states.opened(asking, now() - begun), scope)
    const link = open.add(server, { connection, scope, config, tokens, isChild })
    opened = link
    if (isChild && isolation === "session") yield* Scope.provide(open.offer(server, link, request), scope)
    yield* connection.closed.pipe(
      Effect.andThen((reason) =>
        Effect.suspend(() => {
          open.forget(server, link, reason)
          // The circuit breaker has told of its own pause.
          if (!link.isRetired && breakers.view(context.principal.userId, server) === undefined) {
            const words = connection.lastWords?.() ?? ""
            states.changed(asking, "down", `The connection to server ${server} ended: ${reason}${words}`)
          }
          return open.close(link)
        })
      ),
      Effect.forkIn(scope)
    )
    return connection
  })

  const start = Effect.fnUntraced(function* (server: string, config: ServerConfig, context: CallContext) {
    const scope = yield* Scope.fork(session)
    return yield* connectIn(server, config, context, scope).pipe(
      Effect.onExit((exit) => (Exit.isSuccess(exit) ? Effect.void : Scope.close(scope, exit)))
    )
  })

  const remember = (server: string, context: CallContext, exit: Exit.Exit<UpstreamConnection, UpstreamError>): void => {
    stale.delete(server)
    if (Exit.isSuccess(exit)) {
      failures.forget(server)
      return
    }
    const found = Exit.findError(exit)
    // What fails because its own session closes says nothing about the server.
    if (found._tag === "Failure" || session.state._tag === "Closed") return
    options.onFailed(server, found.success, context)
    const pauseMs = failures.note(server, found.success)
    const config = settings.current().mcpServers[server]
    // The circuit breaker has told of its own pause.
    if (config === undefined || breakers.view(context.principal.userId, server) !== undefined) return
    states.failed({ server, config, context }, found.success, pauseMs)
  }

  /** Under the settings in force, whichever these are by the time it succeeds. */
  const current = (server: string, context: CallContext): Effect.Effect<UpstreamConnection, UpstreamError> =>
    Effect.suspend(() => {
      const config = settings.current().mcpServers[server]
      if (config === undefined || config.enabled === false) {
        return new UpstreamUnavailable({ server, reason: "disabled", message: `Server ${server} is not enabled` })
      }
      if (!options.admits(server)) {
        return new NotAllowed({ server, message: `The user's groups do not admit server ${server}` })
      }
      const changed = Deferred.makeUnsafe<undefined>()
      stale.set(server, changed)
      // The user's tokens may have changed since the request came.
      const principal = options.principal()
      const own = principal === context.principal ? context : { ...context, principal }
      return Effect.raceFirst(start(server, config, own), Deferred.await(changed)).pipe(
        Effect.flatMap((connection) =>
          connection === undefined ? current(server, context) : Effect.succeed(connection)
        )
      )
    })

  const connect = (server: string, context: CallContext): Effect.Effect<UpstreamConnection, UpstreamError> => {
    tried.set(server, context.principal.userId)
    const opened = openings.run(server, (waits) => current(server, { ...context, waits }))
    return Effect.onExit(opened, (exit) => Effect.sync(() => remember(server, context, exit)))
  }

  const found = (server: string, context: CallContext): Effect.Effect<UpstreamConnection, UpstreamError> =>
    Effect.suspend((): Effect.Effect<UpstreamConnection, UpstreamError> => {
      const ready = open.get(server)
      if (ready !== undefined) return Effect.succeed(ready.connection)
      const connecting = opening.run(server, () => connect(server, context))
      return opening.has(server) ? connecting : Effect.andThen(failures.unlessPaused(server), connecting)
    })

  /** A process that is slow to start is waited for no longer than any server, and goes on starting. */
  const waited = (
    server: string,
    { startMs, waitMs }: StartLimits,
    opened: Effect.Effect<UpstreamConnection, UpstreamError>
  ): Effect.Effect<UpstreamConnection, UpstreamError> => {
    if (startMs === waitMs) return opened
    const message = `Server ${server} is still starting after ${waitMs} ms; that goes on, so try again soon`
    return timeoutAwake(waitMs, () =>
      Effect.fail(new UpstreamUnavailable({ server, reason: "timeout", message, retryAfterMs: stillStartingMs }))
    )(opened)
  }

  const get: UpstreamLinks["get"] = (server, context) =>
    Effect.suspend(() => {
      const config = settings.current().mcpServers[server]
      // What stands is no opening: its requests wait by themselves.
      if (config === undefined || open.has(server)) return found(server, context)
      const wait = { kind: "connection", server, via: openings.at(server) } as const
      const opened = () =>
        waiting(context.waits, wait, waited(server, limitsOf(config, hub.initTimeout), found(server, context)))
      return pauses.respect({ server, config, context }, "initialize", opened)
    })

  /** Whoever waits for a connection that is being opened gets one under what is in force now. */
  const beginAnew = (server: string): void => {
    const changed = stale.get(server)
    if (changed !== undefined) Deferred.doneUnsafe(changed, Exit.succeed(undefined))
  }

  const retire = (server: string, link: OpenLinks.OpenLink): Effect.Effect<void> => {
    const principal = options.principal()
    const why = "A service token that it was connected with has changed"
    states.changed({ server, config: link.config, context: { principal } }, "restarting", why)
    return open.retire(server, link, "a service token that it was started with has changed")
  }

  const renew: UpstreamLinks["renew"] = Effect.suspend(() => {
    const principal = options.principal()
    for (const server of stale.keys()) {
      const config = settings.current().mcpServers[server]
      if (config !== undefined && builtWith(server, config, principal) !== "") beginAnew(server)
    }
    const outdated = [...open.all()].filter(
      ([server, { config, tokens }]) => tokens !== "" && tokens !== builtWith(server, config, principal)
    )
    return Effect.as(
      Effect.forEach(outdated, ([server, link]) => retire(server, link), { concurrency: "unbounded", discard: true }),
      outdated.map(([server]) => server)
    )
  })

  const drop: UpstreamLinks["drop"] = (server, reason) =>
    Effect.suspend(() => {
      failures.forget(server)
      beginAnew(server)
      const link = open.get(server)
      if (link === undefined) return Effect.void
      open.forget(server, link, reason)
      return Scope.close(link.scope, Exit.void)
    })

  const broken = (server: string, circuit: CircuitView | undefined): ReadonlyArray<UpstreamSummary> => {
    if (circuit !== undefined) {
      return [{ server, state: "paused", reason: circuit.reason, retryAfterMs: circuit.retryAfterMs }]
    }
    const reason = failures.message(server)
    return reason === undefined ? [] : [{ server, state: "failed", reason }]
  }

  const summaries = (): ReadonlyArray<UpstreamSummary> => [
    ...[...open.all()].map(([server, { connection }]): UpstreamSummary => ({
      server,
      state: "connected",
      protocolVersion: connection.info.protocolVersion
    })),
    ...[...opening.keys()].map((server): UpstreamSummary => ({ server, state: "connecting" })),
    ...[...tried].flatMap(([server, userId]) =>
      opening.has(server) || open.has(server) ? [] : broken(server, breakers.view(userId, server))
    )
  ]

  return {
    get,
    standing: (server) => open.get(server)?.connection,
    use: open.use,
    isUsed: (server) => open.get(server)?.isUsed === true,
    losses: open.losses,
    takeLoss: open.takeLoss,
    live: function* () {
      for (const [server, { connection }] of open.all()) if (options.admits(server)) yield connection
    },
    summaries,
    linked: () => new Set([...[...open.all()].map(([server]) => server), ...opening.keys()]),
    drop,
    renew
  } satisfies UpstreamLinks
})

export interface UpstreamSummary {
  readonly server: string
  /** `paused`: it has failed so often that the circuit breaker leaves it alone for a while. */
  readonly state: "connecting" | "connected" | "failed" | "paused" | "closed"
  readonly reason?: string | undefined
  /** Paused: milliseconds until the next attempt may be made. */
  readonly retryAfterMs?: number | undefined
  readonly protocolVersion?: string | undefined
}
