/**
 * The REST interface of MCPHub 2.6.0, for the scripts of its users: verbs, paths and bodies as they were, with guards where
 * it had none and real figures where it had constants. What is not kept answers 410 with a word about it.
 *
 * Other rooms' routes stand beside these under `/api`; each of these paths is served here alone.
 */
import { Effect, Layer } from "effect"
import { HttpRouter } from "effect/http"
import type { RoomRoutes } from "../../runtime/HubRoutes.ts"
import * as AdminRoutes from "./AdminRoutes.ts"
import { refused } from "./Answers.ts"
import * as AuthRoutes from "./AuthRoutes.ts"
import * as GroupRoutes from "./GroupRoutes.ts"
import * as KeyRoutes from "./KeyRoutes.ts"
import * as Reach from "./Reach.ts"
import { addTo, type LegacyRoute, make as makeServing } from "./Routes.ts"
import * as ServerRoutes from "./ServerRoutes.ts"
import * as SettingsDoor from "./SettingsDoor.ts"
import * as SettingsRoutes from "./SettingsRoutes.ts"
import * as TokenRoutes from "./TokenRoutes.ts"

const gone = (call: string, message: string): LegacyRoute => ({
  call,
  need: "own",
  handle: () => Effect.fail(refused(410, message))
})

const noMarket = "There is no market in this hub; add servers to its settings"

const notKept: ReadonlyArray<LegacyRoute> = [
  gone("GET /api/market/*", noMarket),
  gone("GET /api/tools", "It always was an empty list; list tools with an MCP client"),
  gone("GET /api/logs/stream", "Its lines were made up; the hub's log is on its standard error"),
  gone("PUT /api/system-config", "systemConfig has no effect in this hub; its migration page says what takes its place")
]

const paths =
  /^\/api\/(?:auth|oauth|config|env-templates|user-env-vars|user|servers|system-config|tools|keys|market|logs)(?:\/|$)/

export const routes = Effect.gen(function* () {
  const serving = yield* makeServing
  const reach = yield* Reach.make
  const door = yield* SettingsDoor.make
  const auth = yield* AuthRoutes.make(serving)
  const all = [
    ...auth.routes,
    ...(yield* KeyRoutes.make),
    ...(yield* TokenRoutes.make(reach)),
    ...(yield* GroupRoutes.make),
    ...(yield* ServerRoutes.make(reach, door)),
    ...SettingsRoutes.make(door),
    ...(yield* AdminRoutes.make),
    ...notKept
  ]
  return {
    serves: (path) => paths.test(path),
    routes: Layer.effectDiscard(
      Effect.gen(function* () {
        const router = yield* HttpRouter.HttpRouter
        yield* auth.addLogin(router)
        yield* addTo(router, serving, all)
      })
    )
  } satisfies RoomRoutes
})
