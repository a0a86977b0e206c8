/**
 * The admin API as routes of the hub: everything below `/api` except the probe. What no route of any room serves there
 * is answered as a problem, so that a client never meets a page.
 */
import { Effect, Layer } from "effect"
import { HttpRouter, HttpServer, HttpServerResponse } from "effect/http"
import { HttpApiBuilder } from "effect/http-api"
import { HubConfig } from "../../../domain/config/HubConfig.ts"
import { isProbe } from "../../probes/Probes.ts"
import type { RoomRoutes } from "../../runtime/HubRoutes.ts"
import * as Admitting from "./Admitting.ts"
import { NotFound } from "./api/Problems.ts"
import { RestApi } from "./api/RestApi.ts"
import { documentOf } from "./Document.ts"
import { pageOf, pagePolicy } from "./DocumentPage.ts"
import { LiveRoutes } from "./LiveRoutes.ts"
import { MeRoutes } from "./MeRoutes.ts"
import { Operations } from "./Operations.ts"
import { ServersRoutes } from "./ServersRoutes.ts"
import { SignInsRoutes } from "./SignInsRoutes.ts"
import { UsersRoutes } from "./UsersRoutes.ts"

const nothing = new NotFound({ kind: "NoSuchRoute", detail: "There is nothing at this address; see /api/docs" })

const publicly = { "cache-control": "no-cache", "x-content-type-options": "nosniff" }

const beside = Layer.effectDiscard(
  Effect.gen(function* () {
    const router = yield* HttpRouter.HttpRouter
    const { basePath } = yield* HubConfig
    // Made when it is first asked for.
    const made = yield* Effect.cached(
      Effect.sync(() => {
        const document = documentOf(basePath)
        const json = HttpServerResponse.text(JSON.stringify(document), {
          contentType: "application/json",
          headers: publicly
        })
        const page = HttpServerResponse.text(pageOf(document), {
          contentType: "text/html; charset=utf-8",
          headers: { ...publicly, "content-security-policy": pagePolicy, "referrer-policy": "no-referrer" }
        })
        return { json, page }
      })
    )
    yield* router.add(
      "GET",
      "/api/openapi.json",
      Effect.map(made, ({ json }) => json)
    )
    yield* router.add(
      "GET",
      "/api/docs",
      Effect.map(made, ({ page }) => page)
    )
    yield* router.add("*", "/api/*", Admitting.answerOf(nothing))
  })
)

const layer = Layer.merge(HttpApiBuilder.layer(RestApi), beside).pipe(
  Layer.provide([MeRoutes, SignInsRoutes, UsersRoutes, ServersRoutes, LiveRoutes]),
  Layer.provide(Operations.layer),
  Layer.provide(Admitting.layer),
  Layer.provide(HttpServer.layerServices)
)

/** What the routes need is taken from here, so that they can be built wherever the router is. */
export const routes = Effect.map(
  Effect.context<Exclude<Layer.Services<typeof layer>, HttpRouter.HttpRouter>>(),
  (services): RoomRoutes => ({
    serves: (path) => path.startsWith("/api/") && !isProbe(path),
    routes: Layer.provide(layer, Layer.succeedContext(services))
  })
)
