/**
 * Finds out who asks: by an MCPHub key, or by the cookie of a sign-in. The admin API, the event stream and whatever else
 * people reach with a browser ask here, so that there is one answer to it.
 *
 * A key in the request decides alone: a wrong one is not made good by a cookie. An address (`?key=`) is no place for a
 * key here. A change by cookie proves with `x-mcphub-csrf` that the hub's own page has made it.
 */
import { timingSafeEqual } from "node:crypto"
import { Context, Effect, Layer, Option, Redacted } from "effect"
import type { HttpServerRequest } from "effect/http"
import type { Role, Viewer } from "../../../domain/access/Viewer.ts"
import type { DatabaseUnavailable } from "../../../domain/identity/IdentityErrors.ts"
import { Principals } from "../../../domain/identity/Principals.ts"
import { type HubRole, Roles } from "../../../domain/identity/Roles.ts"
import { csrfHeader, signInCookie, SignIns } from "../../../domain/identity/SignIns.ts"
import { type KeyPlaces, presentedKey } from "../../admission/Authentication.ts"
import * as WrongKeys from "../../admission/WrongKeys.ts"
import { BadRequest, Forbidden, TooMany, Unauthorized, Unavailable } from "./api/Problems.ts"

type Request = HttpServerRequest.HttpServerRequest

export class Viewers extends Context.Service<
  Viewers,
  {
    readonly of: (
      request: Request
    ) => Effect.Effect<Viewer, BadRequest | Unauthorized | Forbidden | TooMany | Unavailable>
  }
>()("mcphub/http/admin/rest/Viewers") {
  static readonly layer = Layer.effect(
    Viewers,
    Effect.suspend(() => make)
  )
}

/** Whether a request with this method changes something. */
export const isChange = (method: string): boolean => method !== "GET" && method !== "HEAD" && method !== "OPTIONS"

const notSignedIn = new Unauthorized({
  kind: "NotSignedIn",
  detail: "Sign in, or send an MCPHub key as Authorization: Bearer mcphub_…"
})

const wrongKey = new Unauthorized({
  kind: "KeyRejected",
  detail: "The MCPHub key is unknown, has ended or was revoked"
})

const signInOver = new Unauthorized({ kind: "SignInEnded", detail: "The sign-in has ended; sign in again" })

const databaseSilent = new Unavailable({
  kind: "DatabaseUnavailable",
  detail: "The hub cannot check who is asking because its database does not answer; try again",
  retryAfterSeconds: 2
})

const noCsrf = new Forbidden({
  kind: "CsrfMissing",
  detail: `A change by cookie needs the header ${csrfHeader} with the csrf of GET /api/me`
})

/** The headers as they were sent: the platform joins or drops those that came several times. */
const rawHeadersOf = ({ headers, source }: Request): ReadonlyArray<readonly [string, string]> => {
  if (!("rawHeaders" in source)) return Object.entries(headers)
  const raw = source.rawHeaders as ReadonlyArray<string>
  return raw.flatMap((name, at) => (at % 2 === 0 ? [[name.toLowerCase(), raw[at + 1]!] as const] : []))
}

const noQuery = new URLSearchParams()

const placesOf = (request: Request): KeyPlaces => {
  const raw = rawHeadersOf(request)
  const values = (name: string) => raw.flatMap(([one, value]) => (one === name ? [value] : []))
  return {
    headers: request.headers as KeyPlaces["headers"],
    query: noQuery,
    values,
    disagrees: (name) => new Set(values(name)).size > 1
  }
}

const sameText = (one: string, other: string): boolean => {
  const [a, b] = [Buffer.from(one), Buffer.from(other)]
  return a.length === b.length && timingSafeEqual(a, b)
}

const make = Effect.gen(function* () {
  const principals = yield* Principals
  const signIns = yield* SignIns
  const roles = yield* Roles
  const wrongKeys = yield* WrongKeys.make

  const roleOf = (isAdmin: boolean, role: HubRole): Role => (isAdmin ? "admin" : role)

  const byKey = Effect.fnUntraced(function* (key: string, address: string) {
    const { isAdmin, keyId, userId, username } = yield* principals.authenticate(Redacted.make(key)).pipe(
      Effect.catchTags({
        KeyRejected: () => {
          const wait = wrongKeys.count(address)
          return wait === undefined ? Effect.fail(wrongKey) : Effect.fail(tooManyWrong(wait))
        },
        IdentityUnavailable: () => Effect.fail(databaseSilent)
      })
    )
    return {
      userId,
      username,
      role: roleOf(isAdmin, isAdmin ? "user" : yield* roles.of(userId)),
      via: "key",
      keyId
    } satisfies Viewer
  })

  const byCookie = Effect.fnUntraced(function* (cookie: string, request: Request) {
    const found = yield* signIns.viewer(Redacted.make(cookie, { label: "sign-in" }))
    if (Option.isNone(found)) return yield* signInOver
    const { csrf, isAdmin, role, signInId, userId, username } = found.value
    if (isChange(request.method) && !sameText(request.headers[csrfHeader] ?? "", csrf)) return yield* noCsrf
    return { userId, username, role: roleOf(isAdmin, role), via: "cookie", signInId, csrf } satisfies Viewer
  })

  return Viewers.of({
    of: Effect.fnUntraced(
      function* (
        request
      ): Effect.fn.Return<Viewer, BadRequest | Unauthorized | Forbidden | TooMany | Unavailable | DatabaseUnavailable> {
        const presented = presentedKey(placesOf(request), false)
        if (presented.kind === "conflict") return yield* twoKeys(presented.places)
        if (presented.kind === "key") {
          return yield* byKey(
            presented.key,
            Option.getOrElse(request.remoteAddress, () => "")
          )
        }
        const cookie = request.cookies[signInCookie]
        return cookie === undefined ? yield* notSignedIn : yield* byCookie(cookie, request)
      },
      Effect.catchTag("DatabaseUnavailable", () => Effect.fail(databaseSilent))
    )
  })
})

const tooManyWrong = (retryAfterSeconds: number): TooMany =>
  new TooMany({
    kind: "TooManyWrongKeys",
    detail: "Too many wrong MCPHub keys came from this address; check the key",
    retryAfterSeconds
  })

const twoKeys = ([one, other]: readonly [string, string]): BadRequest =>
  new BadRequest({
    kind: "ConflictingKeys",
    detail: `The request carries two different MCPHub keys, ${one === other ? `twice in ${one}` : `in ${one} and in ${other}`}; remove one of them`
  })
