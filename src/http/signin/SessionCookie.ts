/**
 * The cookie of a sign-in. No script reads it (`HttpOnly`), no other site's page sends it along with a change
 * (`SameSite=Lax`), and where the hub is reached by https it never travels in clear (`Secure`).
 *
 * Source: RFC 6265bis.
 */
import { Option, Redacted } from "effect"
import { type Cookies, type HttpServerRequest, HttpServerResponse } from "effect/http"
import type { HubConfigShape } from "../../domain/config/HubConfig.ts"
import { longestMs, signInCookie } from "../../domain/identity/SignIns.ts"

type Request = HttpServerRequest.HttpServerRequest
type Place = Pick<HubConfigShape, "basePath" | "publicUrl">

/** A client may lie about https; then it cannot use its own cookie, and nobody else is concerned. */
const isSecure = (request: Request, { publicUrl }: Place): boolean =>
  publicUrl?.startsWith("https:") === true || request.headers["x-forwarded-proto"]?.split(",")[0]?.trim() === "https"

const optionsOf = (request: Request, place: Place): NonNullable<Cookies.Cookie["options"]> => ({
  httpOnly: true,
  sameSite: "lax",
  path: place.basePath === "" ? "/" : place.basePath,
  secure: isSecure(request, place)
})

export const read = (request: Request, name: string = signInCookie): Option.Option<Redacted.Redacted<string>> =>
  Option.map(Option.fromNullishOr(request.cookies[name]), (text) => Redacted.make(text, { label: name }))

/** The cookie may outlive the sign-in, which alone counts. */
export const set = (
  response: HttpServerResponse.HttpServerResponse,
  request: Request,
  place: Place,
  value: Redacted.Redacted<string>,
  name: string = signInCookie,
  maxAgeMs: number = longestMs
): HttpServerResponse.HttpServerResponse =>
  HttpServerResponse.setCookieUnsafe(response, name, Redacted.value(value), {
    ...optionsOf(request, place),
    maxAge: maxAgeMs
  })

export const clear = (
  response: HttpServerResponse.HttpServerResponse,
  request: Request,
  place: Place,
  name: string = signInCookie
): HttpServerResponse.HttpServerResponse =>
  HttpServerResponse.setCookieUnsafe(response, name, "", { ...optionsOf(request, place), maxAge: 0 })
