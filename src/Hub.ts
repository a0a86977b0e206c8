/**
 * The composition root: the hub as layers, everything but the drivers (database, platform, listener address).
 *
 * `Hub.layer` is the hub on a database, `Hub.layerMemory` the same hub without one. Both serve HTTP and leave every
 * service visible, so that an embedder or a test can use or replace any of them.
 */
import { Effect, type FileSystem, Layer, type Path, Redacted } from "effect"
import { SqlClient } from "effect/sql"
import * as SessionRegistry from "./actors/SessionRegistry.ts"
import { HubMetrics } from "./actors/HubMetrics.ts"
import { LogOutput } from "./actors/LogOutput.ts"
import { RequestLog } from "./actors/RequestLog.ts"
import { RequestTracker } from "./actors/RequestTracker.ts"
import { UserLimits } from "./actors/UserLimits.ts"
import { SharedUpstreams } from "./actors/upstream/SharedUpstreams.ts"
import { StdioChildren } from "./actors/upstream/StdioChildren.ts"
import { UpstreamConnector } from "./actors/upstream/UpstreamConnector.ts"
import { UpstreamHeaders } from "./actors/upstream/UpstreamHeaders.ts"
import { UpstreamHealth } from "./actors/upstream/UpstreamHealth.ts"
import { UpstreamHttp } from "./actors/upstream/UpstreamHttp.ts"
import { UpstreamStdio } from "./actors/upstream/UpstreamStdio.ts"
import { UserPools } from "./actors/upstream/UserPools.ts"
import { Credentials } from "./domain/Credentials.ts"
import * as Identity from "./domain/Identity.ts"
import { Settings, type SettingsValue } from "./domain/Settings.ts"
import { EventStreams } from "./http/EventStreams.ts"
import { McpEndpoint } from "./http/McpEndpoint.ts"
import { Readiness } from "./http/Operations.ts"
import { HubServer } from "./http/runtime/NodeServer.ts"

/** What the hub needs of a platform: `NodeServices.layer` has it, on Node and on Deno. */
export type Platform = FileSystem.FileSystem | Path.Path

const upstreams = SharedUpstreams.layer.pipe(
  Layer.provideMerge(UpstreamConnector.layer),
  Layer.provideMerge([UpstreamHttp.layerNoDeps, UpstreamStdio.layer]),
  Layer.provideMerge([UpstreamHeaders.layer, UpstreamHealth.layer, UserPools.layer, StdioChildren.layer])
)

/** Sessions, tracker and upstreams: all but identity, settings and the wire. */
export const layerActors = SessionRegistry.layer.pipe(
  Layer.provideMerge(upstreams),
  Layer.provideMerge([RequestTracker.layer, UserLimits.layer]),
  Layer.provideMerge(HubMetrics.layer)
)

/** Gauges of what must be gone when its owner is. */
const gauges = Layer.effectDiscard(
  Effect.gen(function* () {
    const metrics = yield* HubMetrics
    const children = yield* StdioChildren
    const pools = yield* UserPools
    const streams = yield* EventStreams
    yield* metrics.gauge("mcphub_children", "Live child processes of stdio upstreams", children.live)
    yield* metrics.gauge("mcphub_upstream_sockets", "Open connections to HTTP upstreams", () => pools.stats().open)
    yield* metrics.gauge("mcphub_upstream_connects_total", "Connections opened to HTTP upstreams", () => pools.stats().connects)
    yield* metrics.gauge("mcphub_upstream_requests_total", "Requests sent over them", () => pools.stats().requests)
    yield* metrics.gauge("mcphub_streams", "Open event streams of clients", streams.count)
  })
)

/** The listener over a set of actors: `HubServer` tells its address, closing its scope drains. */
export const layerServer = HubServer.layer.pipe(
  Layer.provideMerge(gauges),
  Layer.provideMerge(McpEndpoint.layer),
  Layer.provideMerge(EventStreams.layer)
)

const readinessOfDatabase = Layer.effect(
  Readiness,
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    return Readiness.of({
      check: sql`SELECT 1`.pipe(
        Effect.as(undefined),
        Effect.timeoutOrElse({ duration: "3 seconds", orElse: () => Effect.succeed("the database does not answer") }),
        Effect.orElseSucceed(() => "the database does not answer")
      )
    })
  })
)

/** The hub on a migrated database. Needs a `SqlClient`, `KeyEvents`, `Credentials`, `Settings`, `LogOutput` and a `Platform`. */
export const layer = layerServer.pipe(
  Layer.provideMerge(layerActors),
  Layer.provideMerge(Identity.layer),
  Layer.provideMerge(readinessOfDatabase),
  Layer.provideMerge(RequestLog.layer)
)

export interface MemoryOptions {
  readonly settings: SettingsValue
}

/** The hub without a database: users, keys and groups live as long as the layer. Needs a `Platform`. */
export const layerMemory = ({ settings }: MemoryOptions) =>
  layerServer.pipe(
    Layer.provideMerge(layerActors),
    Layer.provideMerge(Identity.layerMemory),
    Layer.provideMerge([
      Credentials.layer(Redacted.make("the memory hub seals for itself only")),
      Settings.layerMemory(settings),
      Readiness.layerAlways,
      RequestLog.layer.pipe(Layer.provideMerge(LogOutput.layerStderr))
    ])
  )
