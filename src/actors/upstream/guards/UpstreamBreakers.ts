/**
 * The circuit breaker of each user toward each upstream server: a server that keeps failing is left alone for a growing
 * while, then tried by one connection whose fate decides for all that wait.
 *
 * Counted are connections that cannot be made, requests over one that stands which find nobody there, connections that
 * end by themselves or lose their session soon and often, and calls that time out in a row. Five open the circuit: within
 * a minute, or within ten where none was good in between. No more than five failing connections within ten seconds is
 * what that guarantees, however many sessions ask. What ends once in each of a user's sessions, as
 * when a server restarts, counts as one. Per user, because what breaks for one (a token, an account) works for another.
 *
 * Used by `UpstreamConnector`; read by sessions, `server ls` and metrics.
 */
import { Clock, Context, Effect, Exit, Layer, Option, Random, Scope } from "effect"
import type { SessionId, UserId } from "../../../domain/Ids.ts"
import { monotonicMillis } from "../../../domain/Monotonic.ts"
import { HubMetrics } from "../../observing/HubMetrics.ts"
import { type EndedRequest, RequestTracker } from "../../requests/RequestTracker.ts"
import { waiting, type Waits } from "../../../domain/requests/Waits.ts"
import { Circuit, type CircuitView } from "./Circuit.ts"
import { type Concerning, ServerStates } from "./ServerStates.ts"
import type { ConnectOptions, UpstreamConnection } from "../connection/UpstreamConnection.ts"
import {
  isAway,
  isHeldBack,
  isOfServer,
  type UpstreamError,
  UpstreamUnavailable
} from "../../../domain/requests/UpstreamErrors.ts"

/** Opens a connection with the options it is given. */
type Open = (options: ConnectOptions) => Effect.Effect<UpstreamConnection, UpstreamError, Scope.Scope>

/** Circuits with nothing to remember are looked for this often. */
const sweepEvery = "1 minute"

/** What the user or the operator mends at any moment says nothing about the server. */
const countable = (error: UpstreamError): boolean => isOfServer(error) && !isHeldBack(error)

export class UpstreamBreakers extends Context.Service<
  UpstreamBreakers,
  {
    /** Opens a connection if the circuit lets it, and watches over its end for as long as the caller's scope lives. */
    readonly guard: (
      options: ConnectOptions,
      open: Open
    ) => Effect.Effect<UpstreamConnection, UpstreamError, Scope.Scope>
    /**
     * Sends a request over a connection that stands. It is refused only where such requests have found nobody there: then
     * one at a time tries.
     */
    readonly ask: <A>(asking: Concerning, send: Effect.Effect<A, UpstreamError>) => Effect.Effect<A, UpstreamError>
    /** A request over a connection that stands found nobody there. */
    readonly absent: (asking: Concerning, reason: string) => void
    readonly answered: (asking: Concerning) => void
    /** The user's circuit toward a server, unless it is closed. */
    readonly view: (userId: UserId, server: string) => CircuitView | undefined
    /** Why the user's latest attempt at a server failed, lately and with no success since. */
    readonly failing: (userId: UserId, server: string) => string | undefined
    /** For how many users the circuit toward a server is not closed. */
    readonly paused: (server: string) => number
    /** Something of the user's that servers see has changed, e.g. a token: what failed before may work now. */
    readonly forget: (userId: UserId) => void
    /** An operator has restarted the server, for one user or for all. */
    readonly reset: (server: string, userId: UserId | undefined) => void
  }
>()("mcphub/actors/upstream/guards/UpstreamBreakers") {
  static readonly layer: Layer.Layer<UpstreamBreakers, never, HubMetrics | RequestTracker | ServerStates> =
    Layer.effect(
      UpstreamBreakers,
      Effect.suspend(() => make)
    )
}

const make = Effect.gen(function* () {
  const now = monotonicMillis(yield* Clock.Clock)
  const random = yield* Random.Random
  const metrics = yield* HubMetrics
  const tracker = yield* RequestTracker
  const states = yield* ServerStates
  const circuits = new Map<UserId, Map<string, Circuit>>()

  const all = function* () {
    for (const [userId, servers] of circuits) for (const [server, circuit] of servers) yield { userId, server, circuit }
  }

  const find = (userId: UserId, server: string) => circuits.get(userId)?.get(server)

  const drop = (userId: UserId, server: string): void => {
    const servers = circuits.get(userId)
    servers?.delete(server)
    if (servers?.size === 0) circuits.delete(userId)
  }

  const circuitOf = ({ config, context, name }: ConnectOptions): Circuit => {
    const { userId } = context.principal
    const settings = JSON.stringify(config)
    const known = find(userId, name)
    // Other settings may lead to another server altogether.
    if (known?.settings === settings) return known
    const opened = metrics.counter("mcphub_upstream_breaker_opened_total", "Times a circuit breaker opened", {
      server: name
    })
    const whose = { server: name, config, context }
    const circuit: Circuit = new Circuit(settings, {
      now,
      jitter: () => 1 + random.nextDoubleUnsafe() / 4,
      onOpened: () => {
        opened.increment()
        states.changed(whose, "paused", circuit.reason, circuit.remaining())
      },
      onTried: () => states.changed(whose, "trying", circuit.reason)
    })
    const servers = circuits.get(userId)
    if (servers === undefined) circuits.set(userId, new Map([[name, circuit]]))
    else servers.set(name, circuit)
    return circuit
  }

  const refused = (server: string, circuit: Circuit): UpstreamUnavailable =>
    new UpstreamUnavailable({
      server,
      reason: "backoff",
      message: `${circuit.reason}. It has failed too often to be tried again at once; the hub tries it again by itself`,
      retryAfterMs: Math.max(1, Math.ceil(circuit.remaining()))
    })

  /** Takes a place among the attempts under way, or waits until one of them tells how the server is. */
  const admitted = (
    server: string,
    circuit: Circuit,
    waits: Waits | undefined
  ): Effect.Effect<void, UpstreamUnavailable> =>
    Effect.suspend(() => {
      const verdict = circuit.admit()
      if (verdict === "go") return Effect.void
      if (verdict === "refused") return refused(server, circuit)
      const wait =
        circuit.view() === undefined
          ? ({ kind: "connection", stage: "turn", server } as const)
          : ({ kind: "breaker", server } as const)
      return Effect.andThen(
        waiting(waits, wait, verdict),
        Effect.suspend(() => admitted(server, circuit, waits))
      )
    })

  const guard = Effect.fnUntraced(function* (options: ConnectOptions, open: Open) {
    const { name } = options
    const source: SessionId = options.context.sessionId
    const circuit = circuitOf(options)
    yield* admitted(name, circuit, options.context.waits)
    const startedAt = now()
    const mayRenew = Effect.suspend(() => {
      circuit.lost(source, `Server ${name} keeps forgetting the session the hub has with it`)
      return circuit.remaining() > 0 ? refused(name, circuit) : Effect.void
    })
    const inner = yield* Scope.make()
    // Known before anything of the connection closes: what ends then does not end by itself.
    let isLeaving = false
    yield* Effect.addFinalizer((exit) => {
      isLeaving = true
      return Scope.close(inner, exit)
    })
    const connection = yield* open({ ...options, mayRenew }).pipe(
      Scope.provide(inner),
      Effect.onExit((exit) =>
        Effect.sync(() => {
          if (Exit.isSuccess(exit)) return circuit.succeeded()
          const error = Exit.findError(exit)
          if (!isLeaving && error._tag === "Success" && countable(error.success)) {
            circuit.failed(startedAt, error.success.message)
          } else circuit.abandoned()
        })
      )
    )
    yield* connection.closed.pipe(
      Effect.andThen((reason) =>
        Effect.sync(() => {
          if (!isLeaving) circuit.lost(source, `The connection to server ${name} keeps ending (${reason})`)
        })
      ),
      Effect.forkIn(inner, { startImmediately: true })
    )
    return connection
  })

  const ask: UpstreamBreakers["Service"]["ask"] = (asking, send) =>
    Effect.suspend(() => {
      const circuit = find(asking.context.principal.userId, asking.server)
      if (circuit?.isAbsent !== true) return send
      const tried = Effect.suspend(() => {
        const startedAt = now()
        return Effect.onExit(send, (exit) =>
          Effect.sync(() => {
            const error = Exit.findErrorOption(exit)
            if (Option.isSome(error) && isAway(error.value)) return circuit.failed(startedAt, error.value.message)
            const isThere =
              Exit.isSuccess(exit) || (Option.isSome(error) && error.value._tag === "UpstreamErrorResponse")
            if (!isThere) return circuit.abandoned()
            circuit.succeeded()
            states.answered(asking)
          })
        )
      })
      return Effect.andThen(admitted(asking.server, circuit, asking.context.waits), tried)
    })

  const onAnswered = ({ record: { server, userId } }: EndedRequest): void => {
    const circuit = server === undefined ? undefined : find(userId, server)
    if (circuit?.hangs === true) circuit.answered()
  }

  /** While some server hangs, answers are heard of; otherwise there is nothing to hear. */
  let unlistenAnswers: (() => void) | undefined

  const unlisten = tracker.onEnded(
    ({ record: { server, userId } }) => {
      const circuit = server === undefined ? undefined : find(userId, server)
      if (circuit === undefined) return
      circuit.timedOut(`Server ${server} does not answer in time`)
      unlistenAnswers ??= tracker.onEnded(onAnswered, ["completed"])
    },
    ["timedOut"]
  )
  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      unlisten()
      unlistenAnswers?.()
    })
  )

  yield* Effect.sync(() => {
    let isAnyHanging = false
    for (const { circuit, server, userId } of all()) {
      if (circuit.isSpent()) drop(userId, server)
      else isAnyHanging ||= circuit.hangs
    }
    if (isAnyHanging) return
    unlistenAnswers?.()
    unlistenAnswers = undefined
  }).pipe(Effect.delay(sweepEvery), Effect.forever, Effect.forkScoped)

  yield* metrics.gauge(
    "mcphub_upstream_breakers_open",
    "Circuit breakers that are not closed, each of one user toward one server",
    () => [...all()].filter(({ circuit }) => circuit.view() !== undefined).length
  )

  return UpstreamBreakers.of({
    guard,
    ask,
    absent: ({ context, server }, reason) => find(context.principal.userId, server)?.absent(reason),
    answered: ({ context, server }) => find(context.principal.userId, server)?.answered(),
    view: (userId, server) => find(userId, server)?.view(),
    failing: (userId, server) => find(userId, server)?.failing,
    paused: (server) => [...circuits.values()].filter((servers) => servers.get(server)?.view() !== undefined).length,
    forget: (userId) => void circuits.delete(userId),
    reset: (server, userId) => {
      for (const one of userId === undefined ? [...circuits.keys()] : [userId]) drop(one, server)
    }
  })
})
