/**
 * Opens a connection to one upstream server over whatever transport its entry names and in the era that fits
 * (`UpstreamEra`) unless the circuit breaker forbids it (`UpstreamBreakers`), and keeps `UpstreamHealth` informed. The
 * session actor and the user's pool call it; the scope they pass is the connection's life. A child process takes one of
 * the places there are (`ChildPlaces`). Whatever the transport, a request takes one of its user's places at the server
 * (`ServerPlaces`), waits while the server wants to be left alone (`UpstreamPauses`), is measured, and fails with what
 * losing its answer means.
 */
import { Cause, Clock, Context, Effect, Exit, Layer, Option } from "effect"
import { HubConfig } from "../../domain/config/HubConfig.ts"
import { type ServerConfig, serverType } from "../../domain/servers/ServerConfig.ts"
import { HubMetrics } from "../observing/HubMetrics.ts"
import { errorRow } from "../../domain/requests/RequestErrorCodes.ts"
import { missingWord } from "../../domain/requests/MissingWords.ts"
import { FairShare } from "../limits/FairShare.ts"
import { ChildPlaces } from "./guards/ChildPlaces.ts"
import { ServerPlaces } from "./guards/ServerPlaces.ts"
import * as Seldom from "../../domain/Seldom.ts"
import { ServerFigures } from "./guards/ServerFigures.ts"
import { ServerStates } from "./guards/ServerStates.ts"
import { UpstreamBreakers } from "./guards/UpstreamBreakers.ts"
import {
  type CallContext,
  type Connect,
  type ConnectOptions,
  type UpstreamCall,
  type UpstreamConnection,
  withParts
} from "./connection/UpstreamConnection.ts"
import {
  isAway,
  isUnauthorized,
  isOfServer,
  meaningFor,
  NotAllowed,
  type UpstreamError,
  UpstreamUnavailable
} from "../../domain/requests/UpstreamErrors.ts"
import { unsent, waiting } from "../../domain/requests/Waits.ts"
import * as UpstreamEra from "./era/UpstreamEra.ts"
import { UpstreamHealth } from "./guards/UpstreamHealth.ts"
import { UpstreamHttp } from "./http/UpstreamHttp.ts"
import { type Asking, UpstreamPauses } from "./guards/UpstreamPauses.ts"
import { UpstreamStdio } from "./stdio/UpstreamStdio.ts"
import { monotonicMillis } from "../../domain/Monotonic.ts"

const keyEnded = (server: string): NotAllowed =>
  new NotAllowed({ server, message: "The MCPHub key of this request no longer opens the hub; nothing was sent" })

/** One request of a client may become several of these, one for each server or resource. */
const spread: ReadonlySet<string> = new Set(["logging/setLevel", "resources/subscribe"])

export class UpstreamConnector extends Context.Service<
  UpstreamConnector,
  {
    readonly connect: Connect
    /**
     * For an operator's test: the server is asked even while a circuit breaker pauses it, and nothing of how that ends is
     * put down to users: neither health nor states nor breakers learn of it.
     */
    readonly probe: Connect
  }
>()("mcphub/actors/upstream/UpstreamConnector") {
  static readonly layer = Layer.effect(
    UpstreamConnector,
    Effect.gen(function* () {
      const http = yield* UpstreamHttp
      const stdio = yield* UpstreamStdio
      const health = yield* UpstreamHealth
      const breakers = yield* UpstreamBreakers
      const children = yield* ChildPlaces
      const pauses = yield* UpstreamPauses
      const states = yield* ServerStates
      const places = yield* ServerPlaces
      const share = yield* FairShare
      const { listTimeout } = yield* HubConfig
      const metrics = yield* HubMetrics
      const now = monotonicMillis(yield* Clock.Clock)

      const eras = yield* UpstreamEra.make
      const noises = Seldom.make(now)
      const services = yield* Effect.context<never>()

      /** Counted for each server, and told of now and then. */
      const noiseOf = (server: string) => {
        const counted = metrics.counter(
          "mcphub_server_noise_total",
          "What servers sent that is no message of MCP, or belongs to nothing, and was skipped",
          { server }
        )
        return () => {
          counted.increment()
          if (!noises.tell(server)) return
          const line = "A server sends what is no message of MCP, or belongs to nothing; it is skipped"
          Effect.runForkWith(services)(Effect.logWarning(line).pipe(Effect.annotateLogs({ server })))
        }
      }

      type Guard = UpstreamBreakers["Service"]["guard"]
      const unguarded: Guard = (options, open) => open(options)

      const open = (options: ConnectOptions, guard: Guard): ReturnType<Connect> => {
        const type = serverType(options.config)
        if (type === "stdio") {
          const started = guard(options, (guarded) => eras.connect(guarded, stdio.open))
          const { context, name: server } = options
          const place = children.take(context.principal.userId, server)
          return Effect.andThen(waiting(context.waits, { kind: "server-place", server }, place), started)
        }
        if (type === "streamable-http") return guard(options, (guarded) => eras.connect(guarded, http.open))
        return new UpstreamUnavailable({
          server: options.name,
          reason: "disabled",
          message: `Server ${options.name} has type ${type}, which this version does not connect to; use streamable-http or stdio`
        })
      }

      const connect: Connect = Effect.fnUntraced(function* (options) {
        const { config, name } = options
        yield* allowed(name, options.context)
        const scope = yield* Effect.scope
        // What fails because its own session closes says nothing about the server.
        const failed = (why: string, reason: string) =>
          Effect.sync(() => (scope.state._tag === "Closed" ? undefined : health.failed(name, why, reason)))
        const onLines = (lines: ReadonlyArray<string>): void => health.wrote(name, lines)
        const connection = yield* Effect.acquireUseRelease(
          Effect.sync(() => health.connecting(name, options.context.waits)),
          () =>
            Effect.tapError(open({ ...options, onNoise: noiseOf(name), onLines }, breakers.guard), (error) =>
              isOfServer(error)
                ? failed(missingWord(error), error.message)
                : Effect.sync(() => health.refused(name, missingWord(error), error.message))
            ),
          (attempt) => Effect.sync(() => health.attempted(name, attempt))
        )
        const transport = serverType(config) === "stdio" ? "pipe" : "tcp"
        yield* Effect.acquireRelease(
          Effect.sync(() => (health.connected(name), now())),
          (connectedAt) =>
            Effect.sync(() => {
              health.closed(name)
              metrics.upstreamSessionEnded(now() - connectedAt, connection.info.protocolVersion, transport)
            })
        )
        yield* tellOfOddities(name, connection)
        yield* Effect.forkScoped(
          Effect.flatMap(connection.closed, (reason) => failed("closed", `${reason}${connection.lastWords?.() ?? ""}`))
        )
        return paced(connection, config)
      })

      const probe: Connect = (options) =>
        Effect.andThen(allowed(options.name, options.context), open(options, unguarded))

      /** In the server's state, and once in the log. */
      const tellOfOddities = (server: string, { info }: UpstreamConnection): Effect.Effect<void> => {
        const untold = health.odd(server, "abilities", info.oddities)
        if (untold.length === 0) return Effect.void
        return Effect.logWarning(`Server ${server} describes itself in a way that no specification foresees`).pipe(
          Effect.annotateLogs({ server, found: untold.join("; ") })
        )
      }

      /** Here and not before: what waited for a place, a pause or a connection may have lost its key meanwhile. */
      const allowed = (server: string, { principal }: CallContext): Effect.Effect<void, NotAllowed> =>
        Effect.suspend(() => (principal.standing.key.isRevoked ? keyEnded(server) : Effect.void))

      /** What a failure says of its server. Requests of clients that time out are seen by the tracker. */
      const told = (asking: Asking, call: UpstreamCall, error: Option.Option<UpstreamError>, tookMs: number) => {
        if (Option.isNone(error)) {
          if (call.own !== true || tookMs < listTimeout) return
          const ms = Math.round(tookMs)
          return states.changed(asking, "hung", `Server ${asking.server} did not answer ${call.method} within ${ms} ms`)
        }
        if (isUnauthorized(error.value)) states.changed(asking, "unauthorized", error.value.message)
        else if (isAway(error.value)) {
          // The circuit breaker tells of its own pause.
          if (breakers.view(asking.context.principal.userId, asking.server) !== undefined) return
          states.changed(asking, "down", error.value.message)
          breakers.absent(asking, error.value.message)
        } else if (error.value._tag === "UpstreamErrorResponse") states.answered(asking)
      }

      /** One request, sent now, for `mcp.client.operation.duration`, whoever calls. */
      const measured = (
        asking: Asking,
        connection: UpstreamConnection,
        call: UpstreamCall
      ): Effect.Effect<unknown, UpstreamError> => {
        if (call.context.principal.standing.key.isRevoked) return keyEnded(connection.server)
        const started = now()
        const { method } = call
        const waits = spread.has(method) ? undefined : call.context.waits
        if (waits !== undefined) waits.sentMono = started
        const sent = Effect.catchCause(connection.request(call), (cause) =>
          Effect.failCause(Cause.map(cause, (error) => meaningFor(method, error)))
        )
        return Effect.onExitPrimitive(sent, (exit) => {
          const tookMs = now() - started
          if (waits !== undefined) waits.sentMono = unsent
          if (Exit.isSuccess(exit)) {
            metrics.upstreamCallEnded(method, undefined, tookMs)
            if (states.troubled.count > 0) {
              breakers.answered(asking)
              states.answered(asking)
            }
            return undefined
          }
          const error = Exit.findErrorOption(exit)
          metrics.upstreamCallEnded(method, Option.isSome(error) ? errorRow(error.value).kind : "cancelled", tookMs)
          told(asking, call, error, tookMs)
          return undefined
        })
      }

      const paced = (connection: UpstreamConnection, config: ServerConfig): UpstreamConnection =>
        withParts(connection, {
          request: (call) => {
            if (call.own === true || spread.has(call.method)) share.charge(call.context.principal.userId, "server", 1)
            const asking = { server: connection.server, config, context: call.context }
            const send = () => breakers.ask(asking, measured(asking, connection, call))
            const sent = Effect.suspend(() => {
              if (pauses.pausing.size > 0) return pauses.respect(asking, call.method, send)
              return Effect.catchCause(send(), (cause) => pauses.failed(asking, call.method, send, cause))
            })
            const placed = call.own === true ? places.beside(asking, sent) : places.within(asking, sent)
            if (!spread.has(call.method)) return placed
            return waiting(call.context.waits, { kind: "server", server: connection.server }, placed)
          },
          notify: (method, params, context) => {
            share.charge(context.principal.userId, "server", 1)
            return Effect.andThen(allowed(connection.server, context), connection.notify(method, params, context))
          },
          respond: (response, context) =>
            Effect.andThen(allowed(connection.server, context), connection.respond(response, context))
        })

      return UpstreamConnector.of({ connect, probe })
    })
  ).pipe(
    Layer.provideMerge([
      UpstreamBreakers.layer,
      UpstreamPauses.layer,
      ServerPlaces.layer,
      ServerFigures.layer,
      ChildPlaces.layer
    ]),
    Layer.provideMerge(ServerStates.layer)
  )
}
