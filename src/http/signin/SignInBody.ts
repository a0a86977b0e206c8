/** Bodies of sign-in requests: small, read in bounded time, and JSON or the fields of a form. */
import { ByteSize, Effect } from "effect"
import { HttpIncomingMessage, type HttpServerError, type HttpServerRequest } from "effect/http"
import { parseJson } from "../../domain/protocol/json/JsonText.ts"
import { malformed, Refused } from "./Problems.ts"

type Request = HttpServerRequest.HttpServerRequest

const mostBytes = 64 * 1024
const bodyMs = 15_000

const tooSlow = new Refused({ status: 408, kind: "BodyTooSlow", detail: "The body did not arrive in time" })

const unreadable = ({ reason }: HttpServerError.HttpServerError): Refused =>
  reason._tag === "RequestParseError" && reason.reason === "BodyTooLarge"
    ? new Refused({ status: 413, kind: "BodyTooLarge", detail: `The body is larger than ${mostBytes} bytes` })
    : malformed("The body could not be read to its end")

const textOf = (request: Request) =>
  request.text.pipe(
    Effect.provideService(HttpIncomingMessage.MaxBodySize, ByteSize.bytes(mostBytes)),
    Effect.mapError(unreadable),
    Effect.timeoutOrElse({ duration: bodyMs, orElse: () => Effect.fail(tooSlow) })
  )

const typeOf = (request: Request): string =>
  (request.headers["content-type"] ?? "").split(";", 1)[0]!.trim().toLowerCase()

const ofType = (request: Request, type: string): Effect.Effect<string, Refused> =>
  typeOf(request) === type
    ? textOf(request)
    : Effect.fail(new Refused({ status: 415, kind: "WrongType", detail: `The body must be ${type}` }))

/** The members of a JSON object. A page of another site cannot send this type without asking first (CORS). */
export const members = (request: Request): Effect.Effect<Readonly<Record<string, unknown>>, Refused> =>
  Effect.flatMap(ofType(request, "application/json"), (text) =>
    Effect.suspend(() => {
      try {
        const value = parseJson(text)
        if (typeof value === "object" && value !== null && !Array.isArray(value)) {
          return Effect.succeed(value as Readonly<Record<string, unknown>>)
        }
      } catch {
        // Answered below; the parser's own words may quote a password.
      }
      return Effect.fail(malformed("The body must be a JSON object"))
    })
  )

/** The fields of a form that a browser has sent. */
export const fields = (request: Request): Effect.Effect<URLSearchParams, Refused> =>
  Effect.map(ofType(request, "application/x-www-form-urlencoded"), (text) => new URLSearchParams(text))
