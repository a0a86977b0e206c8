/**
 * The way of a request to a route of the old interface: who asks, whether they may, their turn, and a bounded body. Two
 * users' requests meet nowhere on it, and whatever goes wrong leaves as the old hub's scripts read it.
 */
import { Cause, Effect, Option } from "effect"
import { HttpMethod, HttpRouter, HttpServerRequest, HttpServerResponse } from "effect/http"
import { FairShare } from "../../../actors/limits/FairShare.ts"
import { AuditTrail } from "../../../actors/observing/AuditTrail.ts"
import { mayDo, type Need, type Viewer } from "../../../domain/access/Viewer.ts"
import { isJsonObject } from "../../../domain/protocol/JsonObjects.ts"
import { parseJson } from "../../../domain/protocol/json/JsonText.ts"
import { always, inTurn, readBody } from "../rest/Admitting.ts"
import { isChange, Viewers } from "../rest/Viewers.ts"
import { errorAnswer, type ErrorShape, legacyErrorOf, refused } from "./Answers.ts"
import * as LegacyTokens from "./LegacyTokens.ts"

type Answer = HttpServerResponse.HttpServerResponse

export interface LegacyCall {
  readonly viewer: Viewer
  /** A part of the path; empty where the route has none of that name. */
  readonly param: (name: string) => string
  /** The members of the body; none where it is no object. */
  readonly body: Readonly<Record<string, unknown>>
}

export interface LegacyRoute {
  /** `"GET /api/servers"`. */
  readonly call: string
  /** `own` for everybody's own things; the old hub's admin check, where it had one and where it lacked one, else. */
  readonly need: Need
  /** What whoever lacks it is told. */
  readonly denial?: string
  readonly handle: (call: LegacyCall) => Effect.Effect<Answer, unknown>
  /** The status for what is not there; 404 unless said otherwise. */
  readonly absent?: number
  readonly errors?: ErrorShape
  readonly mostBytes?: number
}

const usualBytes = 64 * 1024

const bodyIn = (text: string) =>
  Effect.try({
    try: () => (text.trim() === "" ? {} : parseJson(text)),
    catch: () => refused(400, "The body is not JSON")
  }).pipe(Effect.map((value) => (isJsonObject(value) ? value : {})))

const partsOf = (call: string) => call.split(" ") as ["GET" | "POST" | "PUT" | "PATCH" | "DELETE", `/${string}`]

export type Serving = Effect.Success<typeof make>

export const make = Effect.gen(function* () {
  const viewers = yield* Viewers
  const share = yield* FairShare
  const audit = yield* AuditTrail
  const tokens = yield* LegacyTokens.make

  const viewerOf = Effect.fnUntraced(function* (request: HttpServerRequest.HttpServerRequest) {
    const token = request.headers["x-auth-token"]
    if (token === undefined) return yield* viewers.of(request)
    const found = yield* tokens.viewer(token)
    return Option.isSome(found) ? found.value : yield* refused(401, "No valid authentication found")
  })

  const serve = (route: LegacyRoute) => {
    const { absent = 404, call, denial = "Admin access required", errors = "usual", handle, need } = route
    const { mostBytes = usualBytes } = route
    const [method] = partsOf(call)
    return Effect.gen(function* () {
      const request = yield* HttpServerRequest.HttpServerRequest
      const admitted = Effect.filterOrElse(
        viewerOf(request),
        (one) => mayDo(one, need),
        () => Effect.fail(refused(403, denial))
      )
      const first = yield* admitted
      const params = yield* HttpRouter.params
      const hasBody = HttpMethod.hasBody(method)
      const answer = yield* inTurn(share, first.userId, (hasWaited) =>
        Effect.gen(function* () {
          const body = hasBody ? yield* Effect.flatMap(readBody(request, mostBytes), bodyIn) : {}
          // Whoever was let in before the wait or the body may have lost their key, login or role since.
          const viewer = hasBody || hasWaited ? yield* admitted : first
          return yield* handle({ viewer, body, param: (name) => params[name] ?? "" })
        })
      )
      if (isChange(method)) {
        audit.administered(first, call, params["name"] ?? null, params["id"] ?? params["tool"] ?? null)
      }
      return answer
    }).pipe(orLegacy(call, absent, errors))
  }

  return { tokens, serve }
})

/** Any failure as an answer of the old interface; a defect is logged and says nothing. */
export const orLegacy =
  (call: string, absent: number, errors: ErrorShape) =>
  <E, R>(answer: Effect.Effect<Answer, E, R>): Effect.Effect<Answer, never, R> =>
    answer.pipe(
      Effect.catchCause((cause) => {
        if (Cause.hasInterruptsOnly(cause)) return Effect.failCause(cause as Cause.Cause<never>)
        const known = legacyErrorOf(Cause.squash(cause), absent)
        if (known !== undefined) return Effect.succeed(errorAnswer(known, errors))
        return Effect.as(
          Effect.annotateLogs(Effect.logError("A request died of a defect in the old interface", cause), { call }),
          errorAnswer(refused(500, "Internal server error"), errors)
        )
      }),
      Effect.map(HttpServerResponse.setHeaders(always))
    )

export const addTo = (router: HttpRouter.HttpRouter, { serve }: Serving, routes: ReadonlyArray<LegacyRoute>) =>
  Effect.forEach(
    routes,
    (route) => {
      const [method, path] = partsOf(route.call)
      return router.add(method, path, serve(route))
    },
    { discard: true }
  )
