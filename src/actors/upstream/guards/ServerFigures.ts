/**
 * Figures by server: in which state it is for how many users, and of what requests to it failed (how long they took,
 * `HubMetrics` counts with all others). The servers are those of the settings and the kinds come from code, so the number
 * of series is bounded.
 */
import { Clock, Context, Effect, Exit, Layer, Scope, Stream } from "effect"
import { monotonicMillis } from "../../../domain/Monotonic.ts"
import { Settings, type SettingsValue } from "../../../domain/servers/Settings.ts"
import { type Counter, HubMetrics } from "../../observing/HubMetrics.ts"
import { RequestTracker } from "../../requests/RequestTracker.ts"
import { serverStates, ServerStates } from "./ServerStates.ts"

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
  const all = new Map<string, Map<string, Errors>>()

  const errorsOf = (server: string, kind: string): Errors => {
    const kinds = all.get(server) ?? new Map<string, Errors>()
    all.set(server, kinds)
    const known = kinds.get(kind)
    if (known !== undefined) return known
    const about = "Requests for a server that failed or timed out"
    const fresh = { counter: metrics.counter("mcphub_server_errors_total", about, { server, kind }), count: 0, at: 0 }
    kinds.set(kind, fresh)
    return fresh
  }

  const unlisten = tracker.onEnded(
    ({ errorKind, record: { server } }) => {
      if (server === undefined || errorKind === undefined) return
      const errors = errorsOf(server, errorKind)
      errors.counter.increment()
      errors.count++
      errors.at = now()
    },
    ["failed", "timedOut"]
  )
  yield* Effect.addFinalizer(() => Effect.sync(unlisten))

  yield* observeStates(settings)

  return ServerFigures.of({
    errors: (server) =>
      [...(all.get(server) ?? [])].map(([kind, { at, count }]) => ({ kind, count, agoMs: now() - at }))
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
