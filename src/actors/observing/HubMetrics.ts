/**
 * The counters and measures of the hub, for Prometheus and OTLP.
 *
 * Labels come from closed lists and never hold a user, a key or a session: the type of `Labels` has no place for them.
 * Gauges are read from their source when they are scraped, so they are exact and cost nothing in between. Names follow
 * OpenTelemetry's MCP conventions where those have one (durations in seconds).
 */
import { Clock, Context, Effect, Layer, Metric, type Scope } from "effect"
import * as PrometheusMetrics from "effect/observability/PrometheusMetrics"
import { Defects } from "./Defects.ts"
import { otherName } from "../../domain/records/Statistics.ts"
import { eventTransportVersion, statefulVersions, statelessVersion } from "../../domain/protocol/Versions.ts"
import { requestMethods, taskMethods } from "../../domain/protocol/eras/Admission.ts"
import type { RequestOutcome } from "../../domain/requests/RequestRecord.ts"

/** The only labels there are; their values must come from the configuration or from code, never from a client. */
export type Labels = {
  readonly [
    _ in "server" | "transport" | "method" | "outcome" | "reason" | "status" | "isolation" | "state" | "kind"
  ]?: string
}

/** MCP's methods of all revisions: any other text counts as `other`, so that a client cannot make series. */
const methods: ReadonlySet<string> = new Set([
  ...requestMethods,
  ...taskMethods,
  "initialize",
  "ping",
  "resources/subscribe",
  "resources/unsubscribe",
  "logging/setLevel",
  "tasks/list",
  "tasks/result",
  "sampling/createMessage",
  "elicitation/create",
  "roots/list",
  "notifications/initialized",
  "notifications/cancelled",
  "notifications/progress",
  "notifications/message",
  "notifications/roots/list_changed",
  "notifications/tools/list_changed",
  "notifications/prompts/list_changed",
  "notifications/resources/list_changed",
  "notifications/resources/updated"
])

const revisions: ReadonlySet<string> = new Set([eventTransportVersion, ...statefulVersions, statelessVersion])

/** A server may claim any revision. */
const revisionLabel = (version: string): string => (revisions.has(version) ? version : "other")

/** Servers with series of their own, over the life of the process: settings may change without end. */
export const mostServers = 500

export const methodLabel = (method: string): string => (methods.has(method) ? method : "other")

/** Seconds; the boundaries OpenTelemetry recommends for MCP. */
const boundaries = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 300]

/** Fewer than for methods, since there may be many servers. */
const serverBoundaries = [0.05, 0.2, 1, 5, 30, 120]

/** Sessions and connections live up to days. */
const lifeBoundaries = [1, 10, 60, 300, 900, 3600, 14_400, 86_400]

/** OTLP wants `mcp.server.operation.duration` with unit `s`, Prometheus the unit in the name. */
const prometheusName = (name: string) => (name.endsWith(".duration") ? `${name}_seconds` : name)

/** Adds a number that is read when scraped, for as long as the scope lives. */
export type Observe = (
  name: string,
  description: string,
  read: () => number,
  labels?: Labels
) => Effect.Effect<void, never, Scope.Scope>

export interface Counter {
  readonly increment: (by?: number) => void
}

export class HubMetrics extends Context.Service<
  HubMetrics,
  {
    /**
     * The tracker's: one ended request of a client. `errorKind` becomes `error.type`; `server` is the one that it was for,
     * if it came so far.
     */
    readonly requestEnded: (
      method: string,
      outcome: RequestOutcome,
      errorKind: string | undefined,
      durationMs: number,
      server?: string
    ) => void
    /** One call to an upstream has ended. */
    readonly upstreamCallEnded: (method: string, errorKind: string | undefined, durationMs: number) => void
    readonly sessionEnded: (durationMs: number, protocolVersion: string) => void
    /** Sessions that ended since the start, and the milliseconds they lived, all together. */
    readonly sessionsEnded: () => { readonly count: number; readonly totalMs: number }
    /** A connection to a server was closed; `transport` as OpenTelemetry has it. */
    readonly upstreamSessionEnded: (durationMs: number, protocolVersion: string, transport: "tcp" | "pipe") => void
    readonly lateResponse: (server: string) => void
    /** A number that goes up and down. */
    readonly gauge: Observe
    /** A number that only grows and that its owner counts itself; its name ends in `_total`. */
    readonly total: Observe
    /** A counter of one's own; resolve it once and keep it. */
    readonly counter: (name: string, description: string, labels?: Labels) => Counter
    /** Prometheus text exposition 0.0.4. */
    readonly prometheus: Effect.Effect<string>
    /** The current value of a counter or gauge, all series of the name added up; 0 when there is none. */
    readonly value: (name: string, labels?: Labels) => number
  }
>()("mcphub/actors/observing/HubMetrics") {
  /** Metrics of their own registry, and the count of live fibers in everything this layer is provided to. */
  static readonly layer: Layer.Layer<HubMetrics> = Layer.effectContext(Effect.suspend(() => make()))
}

/** Keeps what was made for two keys: one text of both would be built anew for every look-up. */
const memo = <J, K, V>(create: (one: J, other: K) => V): ((one: J, other: K) => V) => {
  const made = new Map<J, Map<K, V>>()
  return (one, other) => {
    let values = made.get(one)
    if (values === undefined) made.set(one, (values = new Map()))
    let value = values.get(other)
    if (value === undefined) values.set(other, (value = create(one, other)))
    return value
  }
}

function make() {
  let fibers = 0
  const context = Context.make(Metric.MetricRegistry, new Map()).pipe(
    Context.add(Metric.FiberRuntimeMetrics, {
      recordFiberStart: () => void fibers++,
      recordFiberEnd: () => void fibers--
    })
  )

  const servers = new Set<string>()
  const serverLabel = (server: string): string => {
    if (servers.has(server)) return server
    if (servers.size >= mostServers) return otherName
    servers.add(server)
    return server
  }
  const attributesOf = (labels: Labels | undefined): Record<string, string> => {
    const attributes = { ...labels } as Record<string, string>
    if (labels?.server !== undefined) attributes["server"] = serverLabel(labels.server)
    return attributes
  }

  const counter = (name: string, description: string, labels?: Labels): Counter => {
    const metric = Metric.counter(name, { description, incremental: true, attributes: attributesOf(labels) })
    // A series that is not there before its first event would hide that event from an alert that looks for an increase.
    metric.updateUnsafe(0, context)
    return { increment: (by = 1) => metric.updateUnsafe(by, context) }
  }
  /** Durations by method and error, made at first use: methods are a closed list and kinds come from code. */
  const durations = (name: string, description: string) =>
    memo((method: string, errorKind: string | undefined) => {
      const attributes: Record<string, string> = { "mcp.method.name": method, unit: "s" }
      if (errorKind !== undefined) attributes["error.type"] = errorKind
      return Metric.histogram(name, { description, boundaries, attributes })
    })
  /** One series cannot be read from several sources: of servers beyond the bound, none is. */
  const isBeyond = (labels: Labels | undefined): boolean =>
    labels?.server !== undefined && serverLabel(labels.server) !== labels.server
  const observed = <Input, State>(metric: Metric.Metric<Input, State>, get: () => State) =>
    Effect.asVoid(
      Effect.acquireRelease(
        Effect.sync(() => Metric.registerUnsafe(metric, context, { get, update: () => {}, modify: () => {} })),
        (registration) => Effect.sync(registration.remove)
      )
    )
  const gauge: Observe = (name, description, read, labels) =>
    isBeyond(labels)
      ? Effect.void
      : observed(Metric.gauge(name, { description, attributes: attributesOf(labels) }), () => ({ value: read() }))
  const total: Observe = (name, description, read, labels) =>
    isBeyond(labels)
      ? Effect.void
      : observed(Metric.counter(name, { description, incremental: true, attributes: attributesOf(labels) }), () => ({
          count: read(),
          incremental: true
        }))

  const requestDuration = durations("mcp.server.operation.duration", "Seconds from a client's request to its end")
  const callDuration = durations("mcp.client.operation.duration", "Seconds from a call to an upstream to its end")
  const lifetimes = (name: string, description: string) =>
    memo((protocolVersion: string, transport: string) => {
      const attributes = { "mcp.protocol.version": protocolVersion, "network.transport": transport, unit: "s" }
      return Metric.histogram(name, { description, boundaries: lifeBoundaries, attributes })
    })
  const sessionDuration = lifetimes("mcp.server.session.duration", "Seconds a user session lived")
  const upstreamDuration = lifetimes("mcp.client.session.duration", "Seconds a connection to a server stood")
  const ended = { count: 0, totalMs: 0 }
  const outcomes = memo((method: string, outcome: RequestOutcome) => {
    const description = "Ended requests and notifications"
    return Metric.counter("mcphub_requests_total", { description, incremental: true, attributes: { method, outcome } })
  })
  const serverDurations = new Map<string, Metric.Histogram<number>>()
  const serverDuration = (name: string) => {
    const server = serverLabel(name)
    const known = serverDurations.get(server)
    if (known !== undefined) return known
    const description = "Seconds from a client's request for a server to its end"
    const options = { description, boundaries: serverBoundaries, attributes: { server } }
    const made = Metric.histogram("mcphub_server_duration_seconds", options)
    serverDurations.set(server, made)
    return made
  }

  const service: HubMetrics["Service"] = {
    requestEnded: (method, outcome, errorKind, durationMs, server) => {
      const label = methodLabel(method)
      const seconds = durationMs / 1000
      outcomes(label, outcome).updateUnsafe(1, context)
      requestDuration(label, errorKind).updateUnsafe(seconds, context)
      if (server === undefined) return
      const duration = serverDurations.get(server) ?? serverDuration(server)
      duration.updateUnsafe(seconds, context)
    },
    upstreamCallEnded: (method, errorKind, durationMs) =>
      callDuration(methodLabel(method), errorKind).updateUnsafe(durationMs / 1000, context),
    sessionEnded: (durationMs, protocolVersion) => {
      ended.count++
      ended.totalMs += durationMs
      sessionDuration(protocolVersion, "tcp").updateUnsafe(durationMs / 1000, context)
    },
    sessionsEnded: () => ended,
    upstreamSessionEnded: (durationMs, protocolVersion, transport) =>
      upstreamDuration(revisionLabel(protocolVersion), transport).updateUnsafe(durationMs / 1000, context),
    lateResponse: (server) =>
      counter("mcphub_late_responses_total", "Answers that came after their request had ended", { server }).increment(),
    gauge,
    total,
    counter,
    prometheus: Effect.sync(() => PrometheusMetrics.formatUnsafe(context, { metricNameMapper: prometheusName })),
    value: (name, labels) => {
      let sum = 0
      for (const series of Metric.snapshotUnsafe(context)) {
        if (series.id !== name) continue
        const matches = Object.entries(labels ?? {}).every(([key, value]) => series.attributes?.[key] === value)
        if (!matches) continue
        if (series.type === "Counter") sum += Number(series.state.count)
        else if (series.type === "Gauge") sum += Number(series.state.value)
        else if (series.type === "Histogram") sum += series.state.count
      }
      return sum
    }
  }

  return Effect.gen(function* () {
    yield* gauge("mcphub_fibers", "Live fibers of the hub", () => fibers)
    yield* gauge("process_resident_memory_bytes", "Resident memory", () => process.memoryUsage.rss())
    const start = Math.floor((yield* Clock.currentTimeMillis) / 1000 - process.uptime())
    yield* gauge("process_start_time_seconds", "Start of the process, Unix time", () => start)
    const defects = yield* Defects
    yield* total("mcphub_defects_uncaught_total", "Exceptions that nothing caught", defects.uncaught)
    return Context.add(context, HubMetrics, service)
  })
}
