/**
 * What is known of each configured upstream server: its state and why, seen over all sessions. Written by connections
 * as they come and go, read by `server ls`, `/readyz`, metrics and the admin API.
 */
import { Clock, Context, Effect, Layer } from "effect"
import { type ServerType, serverType } from "../../domain/ServerConfig.ts"
import { Settings } from "../../domain/Settings.ts"

export interface ServerStatus {
  readonly name: string
  readonly type: ServerType
  /** `unknown`: nobody has connected yet (connections are lazy). */
  readonly state: "unknown" | "connecting" | "connected" | "failed" | "disabled"
  readonly reason?: string | undefined
  readonly connections: number
  readonly tools?: number | undefined
  /** Milliseconds since the epoch of the last change of state. */
  readonly since?: number | undefined
}

export class UpstreamHealth extends Context.Service<
  UpstreamHealth,
  {
    readonly connecting: (server: string) => void
    readonly connected: (server: string) => void
    readonly closed: (server: string) => void
    readonly failed: (server: string, reason: string) => void
    readonly tools: (server: string, count: number) => void
    readonly status: Effect.Effect<ReadonlyArray<ServerStatus>>
  }
>()("mcphub/actors/upstream/UpstreamHealth") {
  static readonly layer = Layer.effect(
    UpstreamHealth,
    Effect.gen(function* () {
      const settings = yield* Settings
      const clock = yield* Clock.Clock
      const seen = new Map<string, Seen>()

      const update = (server: string, change: Partial<Seen>): void => {
        const before = seen.get(server) ?? { state: "unknown", connections: 0, since: clock.currentTimeMillisUnsafe() }
        const since =
          change.state === undefined || change.state === before.state ? before.since : clock.currentTimeMillisUnsafe()
        seen.set(server, { ...before, ...change, since })
      }
      const connections = (server: string): number => seen.get(server)?.connections ?? 0

      return UpstreamHealth.of({
        connecting: (server) => {
          if (connections(server) === 0) update(server, { state: "connecting" })
        },
        connected: (server) =>
          update(server, { state: "connected", connections: connections(server) + 1, reason: undefined }),
        // With its last conversation gone a server is idle, not broken.
        closed: (server) => {
          const left = Math.max(0, connections(server) - 1)
          update(
            server,
            left === 0 && seen.get(server)?.state === "connected"
              ? { connections: 0, state: "unknown" }
              : { connections: left }
          )
        },
        failed: (server, reason) => update(server, { state: "failed", reason }),
        tools: (server, count) => update(server, { tools: count }),
        status: Effect.sync(() =>
          Object.entries(settings.current().mcpServers).map(([name, config]): ServerStatus => {
            const type = serverType(config)
            if (config.enabled === false) return { name, type, state: "disabled", connections: connections(name) }
            return { name, type, ...(seen.get(name) ?? { state: "unknown", connections: 0 }) }
          })
        )
      })
    })
  )
}

type Seen = Omit<ServerStatus, "name" | "type">
