/**
 * Answers to operators and their probes: liveness, readiness, the old hub's health answers, Prometheus metrics. None of
 * them holds an id of a user or session.
 *
 * `/livez` says that the process turns its event loop; `/readyz` that it can serve: the database answers, the hub is
 * not draining, and no exception has got past every guard.
 */
import { Context, Effect, Layer } from "effect"
import { HttpRouter, HttpServerResponse } from "effect/http"
import { HubConfig } from "../../domain/config/HubConfig.ts"
import { Defects } from "../../actors/observing/Defects.ts"
import { HubMetrics } from "../../actors/observing/HubMetrics.ts"
import { WriteTroubles } from "../../actors/observing/WriteTroubles.ts"
import { Sessions } from "../../actors/registry/Sessions.ts"

/** Whether the database answers; wired to the real one by the composition root. */
export class Readiness extends Context.Service<
  Readiness,
  {
    /** Succeeds with the reason when not ready. */
    readonly check: Effect.Effect<string | undefined>
  }
>()("mcphub/http/probes/Probes/Readiness") {
  static readonly layerAlways = Layer.succeed(Readiness, Readiness.of({ check: Effect.succeed(undefined) }))
}

/** A hub on a full disk serves, and a balancer must not take it for one that does not. */
const readyBut = (full: string | undefined): string => (full === undefined ? "ready" : `ready, but: ${full}`)

const paths: ReadonlySet<string> = new Set(["/livez", "/readyz", "/health", "/api/health", "/metrics"])

export const isProbe = (path: string): boolean => paths.has(path)

export const layer = Layer.effectDiscard(
  Effect.gen(function* () {
    const router = yield* HttpRouter.HttpRouter
    const hub = yield* HubConfig
    const metrics = yield* HubMetrics
    const sessions = yield* Sessions
    const readiness = yield* Readiness

    const defects = yield* Defects
    const troubles = yield* WriteTroubles

    const reasonNotReady = Effect.suspend(() => {
      if (defects.uncaught() > 0) return Effect.succeed("the hub met a defect and is stopping")
      return sessions.draining() ? Effect.succeed("the hub is stopping") : readiness.check
    })

    let isReady = true
    /** As of this scrape. */
    const looked = Effect.map(reasonNotReady, (reason) => void (isReady = reason === undefined))
    yield* metrics.gauge("mcphub_ready", "Whether /readyz answers 200", () => (isReady ? 1 : 0))

    const health = Effect.gen(function* () {
      const reason = yield* reasonNotReady
      const status = reason === undefined ? "ok" : "unavailable"
      return yield* HttpServerResponse.json(
        {
          success: reason === undefined,
          status,
          message: reason === undefined ? "MCPHub API is running" : `MCPHub is not ready: ${reason}`,
          timestamp: new Date().toISOString(),
          version: hub.version,
          uptime: process.uptime()
        },
        { status: reason === undefined ? 200 : 503 }
      )
    })

    yield* router.add("GET", "/livez", HttpServerResponse.text("ok"))
    yield* router.add(
      "GET",
      "/readyz",
      Effect.map(reasonNotReady, (reason) =>
        reason === undefined
          ? HttpServerResponse.text(readyBut(troubles.full()))
          : HttpServerResponse.text(`not ready: ${reason}`, { status: 503, headers: { "retry-after": "5" } })
      )
    )
    yield* router.add("GET", "/health", health)
    yield* router.add("GET", "/api/health", health)
    yield* router.add(
      "GET",
      "/metrics",
      Effect.map(Effect.andThen(looked, metrics.prometheus), (text) =>
        HttpServerResponse.text(text, { contentType: "text/plain; version=0.0.4; charset=utf-8" })
      )
    )
  })
)
