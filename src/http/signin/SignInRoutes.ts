/**
 * The door for people: routes by which they sign in and out, beside the API that they use then. Paths are below the base
 * path; whatever fails is a problem, and no answer is kept by a cache.
 */
import { Cause, Effect, Layer, Schedule } from "effect"
import { HttpRouter, type HttpServerRequest, HttpServerResponse } from "effect/http"
import { SignIns } from "../../domain/identity/SignIns.ts"
import type { RoomRoutes } from "../runtime/HubRoutes.ts"
import * as ExternalSignIn from "./ExternalSignIn.ts"
import * as GithubSignIn from "./GithubSignIn.ts"
import * as OneTimeSignIn from "./OneTimeSignIn.ts"
import * as OpenIdSignIn from "./OpenIdSignIn.ts"
import * as PasswordSignIn from "./PasswordSignIn.ts"
import { always, answerOf, Refused } from "./Problems.ts"
import { SignInDoor } from "./SignInDoor.ts"
import * as SignInFlow from "./SignInFlow.ts"
import * as SignInPages from "./SignInPages.ts"

type Request = HttpServerRequest.HttpServerRequest

type Handler = (request: Request) => Effect.Effect<HttpServerResponse.HttpServerResponse, Refused>

const broken = new Refused({ status: 500, kind: "Internal", detail: "Internal error; the hub's log has the details" })

/** Makes an answer of a problem. */
type Said = (refused: Refused, request: HttpServerRequest.HttpServerRequest) => HttpServerResponse.HttpServerResponse

/** For whoever comes with a browser: a page with a way back, by the dashboard's address from there. */
const paged =
  (dashboard: string): Said =>
  (refused, request) =>
    SignInPages.failed(request, refused, dashboard)

const answered =
  (handler: Handler, said: Said = answerOf) =>
  (request: HttpServerRequest.HttpServerRequest) =>
    handler(request).pipe(
      Effect.map(HttpServerResponse.setHeaders(always)),
      Effect.catchTag("Refused", (refused) => Effect.succeed(said(refused, request))),
      Effect.catchCause((cause) =>
        Cause.hasInterruptsOnly(cause)
          ? Effect.failCause(cause)
          : Effect.as(Effect.logError("A sign-in died of a defect", cause), said(broken, request))
      )
    )

const sweepEvery = "1 hour"

/** Rows of sign-ins and codes that have ended. */
const sweeping = Effect.gen(function* () {
  const signIns = yield* SignIns
  yield* signIns.sweep.pipe(
    Effect.catch(() => Effect.logWarning("Ended sign-ins could not be removed: the database is away")),
    Effect.catchDefect((defect) => Effect.logError("Ended sign-ins could not be removed", defect)),
    Effect.repeat(Schedule.spaced(sweepEvery)),
    Effect.forkScoped
  )
})

export const routes = Effect.gen(function* () {
  const door = yield* SignInDoor
  const passwords = yield* PasswordSignIn.make
  const once = yield* OneTimeSignIn.make(passwords)
  const flows = yield* SignInFlow.make
  const external = yield* ExternalSignIn.make
  const openId = yield* OpenIdSignIn.make(flows, external)
  const github = yield* GithubSignIn.make(flows, external)
  yield* sweeping

  const options: Handler = () =>
    Effect.sync(() =>
      HttpServerResponse.jsonUnsafe({ password: true, github: github.isSetUp, oidc: openId.providers() })
    )

  /** With the name of the provider in the path. */
  const atProvider =
    (handler: (request: Request, name: string) => ReturnType<Handler>): Handler =>
    (request) =>
      handler(request, /\/oidc\/([^/?]+)/.exec(request.url)?.[1] ?? "")

  return {
    serves: (path) => path.startsWith("/api/signin/") || path.startsWith("/signin/"),
    routes: Layer.effectDiscard(
      Effect.gen(function* () {
        const router = yield* HttpRouter.HttpRouter
        yield* router.add("GET", "/api/signin/options", answered(options))
        yield* router.add("POST", "/api/signin/password", answered(passwords.signIn))
        yield* router.add("PUT", "/api/signin/password", answered(passwords.change))
        yield* router.add("POST", "/api/signin/out", answered(door.leave))
        yield* router.add("GET", "/api/signin/github", answered(github.begin, paged("../../admin/")))
        yield* router.add("GET", "/api/signin/github/callback", answered(github.end, paged("../../../admin/")))
        yield* router.add("GET", "/api/signin/oidc/:name", answered(atProvider(openId.begin), paged("../../../admin/")))
        yield* router.add(
          "GET",
          "/api/signin/oidc/:name/callback",
          answered(atProvider(openId.end), paged("../../../../admin/"))
        )
        yield* router.add("GET", "/signin/once/:code", answered(once.page, paged("../../admin/")))
        yield* router.add("POST", "/signin/once", answered(once.signIn, paged("../admin/")))
      })
    )
  } satisfies RoomRoutes
})
