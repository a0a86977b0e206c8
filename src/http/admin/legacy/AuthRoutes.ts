/**
 * `/api/auth/login`, `/api/auth/me` and `/api/config/runtime`. A login is the sign-in of the dashboard, with its limits and
 * its row in the audit trail; the answer holds a token for `x-auth-token` in place of the cookie.
 */
import { Effect, Option, Redacted } from "effect"
import { Cookies, type HttpRouter, HttpServerRequest } from "effect/http"
import { HubConfig } from "../../../domain/config/HubConfig.ts"
import { signInCookie } from "../../../domain/identity/SignIns.ts"
import { Users } from "../../../domain/identity/Users.ts"
import * as PasswordSignIn from "../../signin/PasswordSignIn.ts"
import type { Refused } from "../../signin/Problems.ts"
import { data, LegacyError, refused, whole } from "./Answers.ts"
import { type LegacyRoute, orLegacy, type Serving } from "./Routes.ts"

const ofSignIn = ({ detail, retryAfterSeconds, status }: Refused): LegacyError =>
  new LegacyError({
    status: status === 415 ? 400 : status,
    message: status === 401 ? "Invalid credentials" : detail,
    retryAfterSeconds
  })

export const make = Effect.fnUntraced(function* ({ tokens }: Pick<Serving, "tokens">) {
  const users = yield* Users
  const { basePath, version } = yield* HubConfig
  const passwords = yield* PasswordSignIn.make

  const login = Effect.gen(function* () {
    const request = yield* HttpServerRequest.HttpServerRequest
    const entered = yield* Effect.mapError(passwords.signIn(request), ofSignIn)
    const secret = Cookies.getValue(entered.cookies, signInCookie)
    const person = entered.body._tag === "Uint8Array" ? new TextDecoder().decode(entered.body.body) : "{}"
    const { username } = JSON.parse(person) as { readonly username?: string }
    if (Option.isNone(secret) || username === undefined) return yield* refused(500, "Internal server error")
    const user = yield* users.byName(username)
    const token = yield* tokens.issue(user, Redacted.make(secret.value, { label: "sign-in" }))
    const { isAdmin } = user
    return whole({ message: "Login successful", token, user: { username, isAdmin } })
  }).pipe(orLegacy("POST /api/auth/login", 401, "usual"))

  const routes: ReadonlyArray<LegacyRoute> = [
    {
      call: "GET /api/auth/me",
      need: "own",
      handle: ({ viewer: { role, username } }) => Effect.succeed(data({ username, isAdmin: role === "admin" }))
    },
    {
      call: "GET /api/config/runtime",
      need: "own",
      handle: () => Effect.succeed(data({ basePath, version, name: "mcphub" }))
    }
  ]
  return { routes, addLogin: (router: HttpRouter.HttpRouter) => router.add("POST", "/api/auth/login", login) }
})
