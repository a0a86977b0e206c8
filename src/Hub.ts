/**
 * The composition root: the hub as layers, everything except the drivers (database, platform, listener address).
 *
 * `Hub.layer` is the hub on a database, `Hub.layerMemory` the same hub without one. Both serve HTTP and leave every
 * service visible, so that an embedder or a test can use or replace any of them.
 */
import { Effect, type FileSystem, Layer, Option, type Path, Redacted, SubscriptionRef } from "effect"
import { SqlClient } from "effect/sql"
import * as SessionRegistry from "./actors/registry/SessionRegistry.ts"
import { AnswerBytes } from "./actors/limits/AnswerBytes.ts"
import { AuditTrail } from "./actors/observing/AuditTrail.ts"
import { HourlyStatistics } from "./actors/observing/HourlyStatistics.ts"
import { BodyBytes } from "./actors/limits/BodyBytes.ts"
import { FairShare, workKinds } from "./actors/limits/FairShare.ts"
import * as KeyExpiry from "./actors/observing/KeyExpiry.ts"
import { KnownServers } from "./actors/catalog/KnownServers.ts"
import { MissingServers } from "./actors/catalog/MissingServers.ts"
import { HubMetrics } from "./actors/observing/HubMetrics.ts"
import { LogOutput } from "./actors/observing/LogOutput.ts"
import * as LostRequests from "./actors/requests/LostRequests.ts"
import { Pressure } from "./actors/limits/Pressure.ts"
import { Retained, retainedKinds } from "./actors/limits/Retained.ts"
import { RequestLog } from "./actors/observing/RequestLog.ts"
import { RequestTracker } from "./actors/requests/RequestTracker.ts"
import * as TokenSeals from "./actors/observing/TokenSeals.ts"
import { WriteTroubles } from "./actors/observing/WriteTroubles.ts"
import { UserLimits } from "./actors/limits/UserLimits.ts"
import { SharedUpstreams } from "./actors/upstream/links/SharedUpstreams.ts"
import { StdioChildren } from "./actors/upstream/stdio/StdioChildren.ts"
import { ChildPlaces } from "./actors/upstream/guards/ChildPlaces.ts"
import { UpstreamConnector } from "./actors/upstream/UpstreamConnector.ts"
import { UpstreamHeaders } from "./actors/upstream/connection/UpstreamHeaders.ts"
import { UpstreamHealth } from "./actors/upstream/guards/UpstreamHealth.ts"
import { UpstreamHttp } from "./actors/upstream/http/UpstreamHttp.ts"
import { UpstreamStdio } from "./actors/upstream/stdio/UpstreamStdio.ts"
import { UserPools } from "./actors/upstream/http/UserPools.ts"
import { timeoutAwake } from "./domain/AwakeTimeout.ts"
import { Credentials } from "./domain/identity/Credentials.ts"
import * as Repositories from "./domain/storage/Repositories.ts"
import { StorageCheck } from "./domain/storage/sql/StorageCheck.ts"
import { Principals } from "./domain/identity/Principals.ts"
import type { SettingsValue } from "./domain/servers/Settings.ts"
import { settingsInMemory } from "./domain/settings/SettingsInMemory.ts"
import * as OtlpExport from "./http/probes/OtlpExport.ts"
import { EventStreams } from "./http/wire/EventStreams.ts"
import * as Dashboard from "./http/dashboard/Dashboard.ts"
import { McpEndpoint } from "./http/mcp/McpEndpoint.ts"
import { Readiness } from "./http/probes/Probes.ts"
import { SignInDoor } from "./http/signin/SignInDoor.ts"
import * as SignInRoutes from "./http/signin/SignInRoutes.ts"
import * as Legacy from "./http/admin/legacy/Legacy.ts"
import { LiveFeed } from "./http/admin/live/LiveFeed.ts"
import * as LiveRoutes from "./http/admin/live/LiveRoutes.ts"
import * as Rest from "./http/admin/rest/Rest.ts"
import { Viewers } from "./http/admin/rest/Viewers.ts"
import { HubRoutes } from "./http/runtime/HubRoutes.ts"
import { HubServer } from "./http/runtime/NodeServer.ts"

/** The platform services that the hub needs: `NodeServices.layer` provides them, on Node and on Deno. */
export type Platform = FileSystem.FileSystem | Path.Path

/**
 * Services that replace the hub's own, e.g. `Layer.succeed(UpstreamHeaders, …)` or several in one `Layer.mergeAll`.
 * Everything that uses the service gets the replacement; the hub's own is still built, and unused.
 */
export type Replacements = Layer.Layer<never, never, Platform>

const none: Replacements = Layer.empty

const makeUpstreams = (replace: Replacements) => {
  // Stands between a layer and its dependencies, where the replacement hides the original.
  const replaced = Layer.provideMerge(replace)
  return SharedUpstreams.layer.pipe(
    replaced,
    Layer.provideMerge(UpstreamConnector.layer),
    replaced,
    Layer.provideMerge([UpstreamHttp.layerNoDeps, UpstreamStdio.layer]),
    replaced,
    Layer.provideMerge([UpstreamHeaders.layer, UpstreamHealth.layer, UserPools.layer, StdioChildren.layer])
  )
}

const makeActors = (replace: Replacements) => {
  const replaced = Layer.provideMerge(replace)
  return SessionRegistry.layer.pipe(
    replaced,
    Layer.provideMerge([LostRequests.layer, KnownServers.layer, MissingServers.layer]),
    Layer.provideMerge(makeUpstreams(replace)),
    replaced,
    Layer.provideMerge([RequestTracker.layer, UserLimits.layer, FairShare.layer, AnswerBytes.layer, BodyBytes.layer]),
    replaced,
    Layer.provideMerge(Retained.layer),
    replaced,
    // Below the tracker, so it closes later: the last requests to end are written too.
    Layer.provideMerge([AuditTrail.layer, HourlyStatistics.layer]),
    replaced,
    Layer.provideMerge(WriteTroubles.layer),
    // Costs nothing without OTEL_EXPORTER_OTLP_ENDPOINT.
    Layer.provideMerge([OtlpExport.layer, Pressure.layer]),
    Layer.provideMerge(HubMetrics.layer),
    replaced
  )
}

/** Sessions, tracker and upstreams: everything except identity, settings and the wire. */
export const layerActors = makeActors(none)

/** Metrics that would show a leak: what they count must go when its owner goes. */
const gauges = Layer.effectDiscard(
  Effect.gen(function* () {
    const metrics = yield* HubMetrics
    const children = yield* StdioChildren
    const places = yield* ChildPlaces
    const pools = yield* UserPools
    const streams = yield* EventStreams
    const share = yield* FairShare
    const retained = yield* Retained
    const bodies = yield* BodyBytes
    const live = yield* LiveFeed
    yield* metrics.gauge("mcphub_requests_waiting", "Requests beyond their user's fair share", share.waiting)
    yield* metrics.total("mcphub_requests_waited_total", "Requests that had to wait for their share", share.waited)
    yield* metrics.gauge("mcphub_users_over_share", "Users who have used up their fair share", share.overdrawn)
    yield* metrics.gauge("mcphub_bodies_waiting", "Large bodies that wait for their turn", bodies.waiting)
    for (const kind of workKinds) {
      const charged = () => share.charged(kind)
      yield* metrics.total("mcphub_work_units_total", "Units of work charged to users", charged, { kind })
    }
    for (const kind of retainedKinds) {
      const held = () => retained.held(kind)
      const refused = () => retained.refused(kind)
      yield* metrics.gauge("mcphub_retained_bytes", "Bytes kept in memory for users", held, { kind })
      yield* metrics.total("mcphub_retained_refused_total", "What users had no room left for", refused, { kind })
    }
    yield* metrics.gauge("mcphub_children", "Live child processes of stdio upstreams", children.live)
    yield* metrics.total(
      "mcphub_children_gave_way_total",
      "Child processes that nobody used and that made room for others",
      places.gaveWay
    )
    yield* metrics.total("mcphub_children_refused_total", "Child processes there was no place for", places.refused)
    yield* metrics.gauge("mcphub_upstream_sockets", "Open connections to HTTP upstreams", () => pools.stats().open)
    yield* metrics.total(
      "mcphub_upstream_connects_total",
      "Connections opened to HTTP upstreams",
      () => pools.stats().connects
    )
    yield* metrics.total("mcphub_upstream_requests_total", "Requests sent over them", () => pools.stats().requests)
    yield* metrics.gauge("mcphub_streams", "Open event streams of clients", streams.count)
    yield* metrics.gauge("mcphub_live_streams", "Open event streams of people who look at the hub", live.readers)
    const log = yield* Effect.serviceOption(LogOutput)
    if (Option.isSome(log)) {
      yield* metrics.total("mcphub_log_lines_lost_total", "Log lines that could not be written", log.value.lost)
    }
  })
)

const makeServer = (replace: Replacements) => {
  const replaced = Layer.provideMerge(replace)
  return HubServer.layer.pipe(
    Layer.provideMerge(
      HubRoutes.layerOf([SignInRoutes.routes, Rest.routes, LiveRoutes.routes, Legacy.routes, Dashboard.routes])
    ),
    Layer.provide([Viewers.layer, SignInDoor.layer]),
    replaced,
    Layer.provideMerge(gauges),
    Layer.provideMerge(LiveFeed.layer),
    replaced,
    Layer.provideMerge(McpEndpoint.layer),
    replaced,
    Layer.provideMerge(EventStreams.layer),
    replaced
  )
}

/** The listener over a set of actors: `HubServer` holds its address, and closing its scope drains. */
export const layerServer = makeServer(none)

const readinessOfDatabase = Layer.effect(
  Readiness,
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const storage = yield* StorageCheck
    return Readiness.of({
      check: sql`SELECT 1`.pipe(
        Effect.andThen(storage),
        timeoutAwake(3_000, () => Effect.succeed("the database does not answer")),
        Effect.orElseSucceed(() => "the database does not answer")
      )
    })
  })
)

/** The whole hub on its repositories, and both on their dependencies. */
const assemble = <A, E, R, B, E2, R2>(
  replace: Replacements,
  repositories: Layer.Layer<A, E, R>,
  ground: Layer.Layer<B, E2, R2>
) => {
  const replaced = Layer.provideMerge(replace)
  return makeServer(replace).pipe(
    Layer.provideMerge(Layer.provideMerge(Layer.merge(KeyExpiry.layer, TokenSeals.layer), makeActors(replace))),
    Layer.provideMerge(Principals.layer),
    replaced,
    Layer.provideMerge(repositories),
    replaced,
    Layer.provideMerge(ground)
  )
}

/** `layer` with replacements for some of the hub's services. */
export const layerWith = (replace: Replacements) =>
  assemble(replace, Repositories.layerRepositories, Layer.mergeAll(readinessOfDatabase, RequestLog.layer))

/** The hub on a migrated database. Needs a `SqlClient`, `KeyEvents`, `Credentials`, `Settings`, `LogOutput` and a `Platform`. */
export const layer = layerWith(none)

export interface MemoryOptions {
  readonly settings: SettingsValue
  readonly replace?: Replacements | undefined
}

/** The hub without a database: users, keys and groups live as long as the layer. Needs a `Platform`. */
export const layerMemory = ({ settings, replace = none }: MemoryOptions) =>
  assemble(
    replace,
    Repositories.layerRepositoriesMemory,
    Layer.mergeAll(
      Credentials.layer(Redacted.make("the memory hub seals for itself only")),
      Layer.effectContext(Effect.flatMap(SubscriptionRef.make(settings), settingsInMemory)),
      Readiness.layerAlways,
      RequestLog.layer.pipe(Layer.provideMerge(LogOutput.layerStderr))
    )
  )
