/**
 * The routes beside the MCP endpoint: probes, administration, sign-in, dashboard. Each room adds its own to the router as
 * a layer, and says by path which requests are for it; whatever nobody serves is answered by a signpost.
 */
import { Context, Effect, Layer, type Scope } from "effect"
import { HttpRouter, type HttpServerRequest, type HttpServerResponse } from "effect/http"
import * as Probes from "../probes/Probes.ts"

type App = Effect.Effect<
  HttpServerResponse.HttpServerResponse,
  unknown,
  HttpServerRequest.HttpServerRequest | Scope.Scope
>

/** The routes of one room; whatever they need has been given to them. */
export interface RoomRoutes {
  /** Whether a path, below the base path and without the query, is for these routes. */
  readonly serves: (path: string) => boolean
  /** Adds them to the router. */
  readonly routes: Layer.Layer<never, never, HttpRouter.HttpRouter>
}

/** Characters of a part of a path: an id of a request holds two uuids, a method and more. */
const longestPart = 1_024

export class HubRoutes extends Context.Service<
  HubRoutes,
  {
    /** For anybody, from anywhere. */
    readonly isProbe: (path: string) => boolean
    /** For people and programs that come by a name of the hub's own (`Sites`). */
    readonly serves: (path: string) => boolean
    readonly app: App
  }
>()("mcphub/http/runtime/HubRoutes") {
  /** The probes, and the routes of these rooms. */
  static readonly layerOf = <Made extends Effect.Effect<RoomRoutes, never, unknown>>(made: ReadonlyArray<Made>) =>
    Layer.effect(
      HubRoutes,
      Effect.gen(function* () {
        const rooms = yield* Effect.all(made as ReadonlyArray<Effect.Effect<RoomRoutes, never, Effect.Services<Made>>>)
        const routes = rooms.reduce<RoomRoutes["routes"]>((all, room) => Layer.merge(all, room.routes), Layer.empty)
        const app = yield* HttpRouter.toHttpEffect(Layer.merge(Probes.layer, routes)).pipe(
          Effect.provideService(HttpRouter.RouterConfig, { maxParamLength: longestPart })
        )
        return HubRoutes.of({
          isProbe: Probes.isProbe,
          serves: (path) => rooms.some((room) => room.serves(path)),
          app
        })
      })
    )
}
