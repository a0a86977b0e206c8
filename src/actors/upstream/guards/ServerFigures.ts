/**
 * Figures by server: in which state it is for how many users, how long requests to it took, and of what they failed. The
 * servers are those of the settings and the kinds come from code, so the number of series is bounded.
 */
import { Clock, Context, Effect, Exit, Layer, Scope, Stream } from "effect"
import { monotonicMillis } from "../../../domain/Monotonic.ts"
import { Settings, type SettingsValue } from "../../../domain/servers/Settings.ts"
import { type Counter, HubMetrics, type Histogram } from "../../observing/HubMetrics.ts"
import { RequestTracker } from "../../requests/RequestTracker.ts"
import { serverStates, ServerStates } from "./ServerStates.ts"

/** Seconds; fewer than for methods, since there may be many servers. */
const boundaries = [0.05, 0.2, 1, 5, 30, 120]

export interface ServerError {
  readonly kind: string
  /** Since the start. */
  readonly count: number
  /** Milliseconds since the last one. */
  readonly agoMs: number
}

interface Errors {
  readonly counter: Counter
  count: number
  at: number
}

interface Figures {
  readonly durations: Histogram
  readonly errors: Map<string, Errors>
}

export class ServerFigures extends Context.Service<
  ServerFigures,
  { readonly errors: (server: string) => ReadonlyArray<ServerError> }
>()("mcphub/actors/upstream/guards/ServerFigures") {
  static readonly layer: Layer.Layer<ServerFigures, never, HubMetrics | RequestTracker | ServerStates | Settings> =
    Layer.effect(
      ServerFigures,
      Effect.suspend(() => make)
    )
}

const make = Effect.gen(function* () {
  const metrics = yield* HubMetrics
  const settings = yield* Settings
  const tracker = yield* RequestTracker
  const now = monotonicMillis(yield* Clock.Clock)
  const all = new Map<string, Figures>()

  const figuresOf = (server: string): Figures => {
    const known = all.get(server)
    if (known !== undefined) return known
    const about = "Seconds from a client's request for a server to its end"
    const durations = metrics.histogram("mcphub_server_duration_seconds", about, boundaries, { server })
    const fresh: Figures = { durations, errors: new Map() }
    all.set(server, fresh)
    return fresh
  }

  const errorsOf = ({ errors }: Figures, server: string, kind: string): Errors => {
    const known = errors.get(kind)
    if (known !== undefined) return known
    const about = "Requests for a server that failed or timed out"
    const fresh = { counter: metrics.counter("mcphub_server_errors_total", about, { server, kind }), count: 0, at: 0 }
    errors.set(kind, fresh)
    return fresh
  }

  const unlisten = tracker.onEnded(({ durationMs, errorKind, outcome, record: { server } }) => {
    if (server === undefined) return
    const figures = figuresOf(server)
    figures.durations.record(durationMs / 1000)
    if (errorKind === undefined || (outcome !== "failed" && outcome !== "timedOut")) return
    const errors = errorsOf(figures, server, errorKind)
    errors.counter.increment()
    errors.count++
    errors.at = now()
  })
  yield* Effect.addFinalizer(() => Effect.sync(unlisten))

  yield* observeStates(settings)

  return ServerFigures.of({
    errors: (server) =>
      [...(all.get(server)?.errors ?? [])].map(([kind, { at, count }]) => ({ kind, count, agoMs: now() - at }))
  })
})

/** The gauges of each server go with its entry in the settings. */
const observeStates = Effect.fnUntraced(function* (settings: Settings["Service"]) {
  const metrics = yield* HubMetrics
  const states = yield* ServerStates
  const scope = yield* Effect.scope
  const observed = new Map<string, Scope.Closeable>()
  const observe = Effect.fnUntraced(function* ({ mcpServers }: SettingsValue) {
    for (const [server, own] of observed) {
      if (mcpServers[server] !== undefined) continue
      observed.delete(server)
      yield* Scope.close(own, Exit.void)
    }
    for (const server of Object.keys(mcpServers)) {
      if (observed.has(server)) continue
      const own = yield* Scope.fork(scope)
      observed.set(server, own)
      for (const state of serverStates) {
        const count = () => states.count(server, state)
        const labels = { server, state }
        const gauge = metrics.gauge("mcphub_server_users", "Users for whom a server is in a state", count, labels)
        yield* Scope.provide(gauge, own)
      }
    }
  })
  yield* observe(settings.current())
  yield* settings.changes.pipe(Stream.runForEach(observe), Effect.forkScoped({ startImmediately: true }))
})
