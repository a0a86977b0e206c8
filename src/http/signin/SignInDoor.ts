/**
 * The common part of all ways to sign in: the cookie of whoever came in, the row in the audit trail of whoever did or did not, and
 * who it is that comes with a cookie. A hub has one, so that attempts count together by whichever route they come.
 */
import { timingSafeEqual } from "node:crypto"
import { Context, Effect, Layer, Option } from "effect"
import { type HttpServerRequest, HttpServerResponse } from "effect/http"
import { AuditTrail, type SignInEvent } from "../../actors/observing/AuditTrail.ts"
import { HubConfig } from "../../domain/config/HubConfig.ts"
import { csrfHeader, type SignedIn, SignIns, type SignInWay } from "../../domain/identity/SignIns.ts"
import type { User } from "../../domain/identity/User.ts"
import { Users } from "../../domain/identity/Users.ts"
import { siteOf } from "../admission/WrongKeys.ts"
import * as Attempts from "./Attempts.ts"
import { databaseSilent, foreignPage, notSignedIn, Refused } from "./Problems.ts"
import * as SessionCookie from "./SessionCookie.ts"

type Request = HttpServerRequest.HttpServerRequest
type Response = HttpServerResponse.HttpServerResponse
type Person = SignInEvent["user"]

const sameText = (one: string, other: string): boolean => {
  const [a, b] = [Buffer.from(one), Buffer.from(other)]
  return a.length === b.length && timingSafeEqual(a, b)
}

const noCsrf = new Refused({
  status: 403,
  kind: "CsrfMissing",
  detail: `A change by cookie needs the header ${csrfHeader} with the csrf of GET /api/me`
})

export const personOf = ({ id, username }: User) => ({ userId: id, username })

/** Where a request came from, as far as its connection says. */
export const addressOf = (request: Request): string => siteOf(Option.getOrElse(request.remoteAddress, () => ""))

const make = Effect.gen(function* () {
  const hub = yield* HubConfig
  const signIns = yield* SignIns
  const users = yield* Users
  const trail = yield* AuditTrail
  const attempts = yield* Attempts.make

  const write = (kind: SignInEvent["kind"], request: Request, user: Person, way: string): void =>
    trail.signIn({ kind, user, way, from: addressOf(request) })

  /** Says of a failure what the audit trail has to know of it. */
  const refused = (request: Request, way: string, user: Person, problem: Refused): Refused => {
    if (problem.status !== 429) write("sign_in_refused", request, user, way)
    else if (attempts.mayTell(addressOf(request))) write("sign_in_throttled", request, user, way)
    return problem
  }

  const viewer = (request: Request): Effect.Effect<Option.Option<SignedIn>, Refused> =>
    Option.match(SessionCookie.read(request), {
      onNone: () => Effect.succeed(Option.none()),
      onSome: (cookie) => Effect.mapError(signIns.viewer(cookie), () => databaseSilent)
    })

  return {
    hub,
    attempts,
    refused,
    write,
    viewer,

    /** Whoever changes something: signed in, and by a page of the hub's own. */
    changing: Effect.fnUntraced(function* (request: Request) {
      const found = yield* viewer(request)
      if (Option.isNone(found)) return yield* notSignedIn
      if (!sameText(request.headers[csrfHeader] ?? "", found.value.csrf)) return yield* noCsrf
      return found.value
    }),

    /**
     * Refuses what a page of another site makes a browser send, also one on another port of this machine. Programs that
     * are no browser send none of these headers. (A browser says where from by `Sec-Fetch-Site` only over https and to
     * this machine.)
     */
    ownPage: (request: Request): Effect.Effect<void, Refused> => {
      const site = request.headers["sec-fetch-site"]
      if (site !== undefined) return site === "same-origin" || site === "none" ? Effect.void : Effect.fail(foreignPage)
      const origin = request.headers["origin"]
      if (origin === undefined || origin === hub.publicUrl) return Effect.void
      return URL.parse(origin)?.host === request.headers["host"] ? Effect.void : Effect.fail(foreignPage)
    },

    /** Signs a user in, with the cookie on the response. A sign-in that the browser had before ends. */
    enter: Effect.fnUntraced(
      function* (request: Request, user: User, way: SignInWay, response: Response) {
        const before = yield* viewer(request)
        const { cookie, signIn } = yield* signIns.open({
          userId: user.id,
          way,
          userAgent: request.headers["user-agent"]
        })
        if (Option.isSome(before)) {
          const { signInId, userId } = before.value
          yield* Effect.ignore(signIns.revoke(userId, signInId))
        }
        yield* users.recordLogin(user.id)
        write("signed_in", request, personOf(user), way)
        return { signIn, response: SessionCookie.set(response, request, hub, cookie) }
      },
      (effect, request, user, way) =>
        Effect.catchTags(effect, {
          DatabaseUnavailable: () => Effect.fail(databaseSilent),
          // Deactivated a moment ago.
          UserNotFound: () => Effect.fail(refused(request, way, personOf(user), notSignedIn))
        })
    ),

    leave: Effect.fnUntraced(
      function* (request: Request) {
        const found = yield* viewer(request)
        if (Option.isSome(found)) {
          const { csrf, signInId, userId, username } = found.value
          if (!sameText(request.headers[csrfHeader] ?? "", csrf)) return yield* noCsrf
          yield* Effect.catchTag(signIns.revoke(userId, signInId), "SignInNotFound", () => Effect.void)
          write("signed_out", request, { userId, username }, "cookie")
        }
        return SessionCookie.clear(HttpServerResponse.empty({ status: 204 }), request, hub)
      },
      Effect.catchTag("DatabaseUnavailable", () => Effect.fail(databaseSilent))
    )
  }
})

export class SignInDoor extends Context.Service<SignInDoor, Effect.Success<typeof make>>()(
  "mcphub/http/signin/SignInDoor"
) {
  static readonly layer = Layer.effect(SignInDoor, make)
}
