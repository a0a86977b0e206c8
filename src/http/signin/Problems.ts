/**
 * Refusals on the way in, as problem details. Whoever is not known yet learns nothing about users from them: a
 * wrong password, an unknown name and a deactivated user have one answer.
 *
 * Source: RFC 9457.
 */
import { Data } from "effect"
import { HttpServerResponse } from "effect/http"
import * as ProblemDetails from "effect/http/ProblemDetails"

export class Refused extends Data.TaggedError("Refused")<{
  readonly status: number
  /** One word, for programs. */
  readonly kind: string
  /** For people, with the remedy. */
  readonly detail: string
  readonly retryAfterSeconds?: number | undefined
}> {}

const titles: Readonly<Record<number, string>> = {
  400: "Bad Request",
  401: "Unauthorized",
  403: "Forbidden",
  404: "Not Found",
  408: "Request Timeout",
  413: "Content Too Large",
  415: "Unsupported Media Type",
  422: "Unprocessable Content",
  429: "Too Many Requests",
  500: "Internal Server Error",
  502: "Bad Gateway",
  503: "Service Unavailable"
}

/** Headers of every answer here: each is for one person, now. */
export const always = {
  "cache-control": "no-store",
  "x-content-type-options": "nosniff",
  "referrer-policy": "same-origin"
}

/** The rest of such a body is not taken in. */
const bodyless: ReadonlySet<number> = new Set([408, 413, 415])

export const headersOf = ({ retryAfterSeconds, status }: Refused): Readonly<Record<string, string>> => ({
  ...always,
  ...(retryAfterSeconds === undefined ? {} : { "retry-after": String(retryAfterSeconds) }),
  ...(bodyless.has(status) ? { connection: "close" } : {})
})

export const answerOf = (refused: Refused): HttpServerResponse.HttpServerResponse =>
  HttpServerResponse.setHeaders(
    ProblemDetails.toResponse({
      type: "about:blank",
      status: refused.status,
      title: titles[refused.status] ?? "Error",
      detail: refused.detail,
      kind: refused.kind
    }),
    headersOf(refused)
  )

export const malformed = (detail: string): Refused => new Refused({ status: 400, kind: "Malformed", detail })

export const wrongPassword = new Refused({
  status: 401,
  kind: "SignInRefused",
  detail:
    "User name and password do not belong together, or the user may not sign in. A password of an old hub (2.x) does not count here; an admin makes a sign-in link with `mcphub user signin-link NAME`"
})

export const notSignedIn = new Refused({ status: 401, kind: "NotSignedIn", detail: "Sign in first" })

export const tooManyAttempts = (retryAfterSeconds: number): Refused =>
  new Refused({ status: 429, kind: "TooManyAttempts", detail: "Too many attempts to sign in; wait", retryAfterSeconds })

export const busy = new Refused({
  status: 503,
  kind: "Busy",
  detail: "Too many people sign in at this moment; try again",
  retryAfterSeconds: 2
})

export const databaseSilent = new Refused({
  status: 503,
  kind: "DatabaseUnavailable",
  detail: "Nobody can sign in at the moment because the hub's database does not answer; try again",
  retryAfterSeconds: 2
})

export const foreignPage = new Refused({
  status: 403,
  kind: "ForeignPage",
  detail: "A page of another site may not do this; open the hub's own page"
})
