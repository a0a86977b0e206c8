/** The bodies of the old hub's interface: `success` with a message or data, and errors with a message alone. */
import { Data } from "effect"
import { HttpServerResponse } from "effect/http"
import { isProblem } from "../rest/api/Problems.ts"

type Response = HttpServerResponse.HttpServerResponse

export class LegacyError extends Data.TaggedError("LegacyError")<{
  readonly status: number
  readonly message: string
  readonly retryAfterSeconds?: number | undefined
}> {}

export const refused = (status: number, message: string): LegacyError => new LegacyError({ status, message })

const json = (body: unknown, status: number): Response => HttpServerResponse.jsonUnsafe(body, { status })

export const said = (message: string): Response => json({ success: true, message }, 200)
export const data = (value: unknown, status = 200): Response => json({ success: true, data: value }, status)
export const saidWith = (message: string, value: unknown, status = 200): Response =>
  json({ success: true, message, data: value }, status)
export const whole = (body: object): Response => json({ success: true, ...body }, 200)

/** `group`: the routes of user groups left `success` out, but for the guard in front of all routes. */
export type ErrorShape = "usual" | "group"

export const errorAnswer = ({ message, retryAfterSeconds, status }: LegacyError, shape: ErrorShape): Response =>
  HttpServerResponse.setHeaders(
    json(shape === "group" && status !== 401 ? { error: message } : { success: false, message }, status),
    {
      ...(retryAfterSeconds === undefined ? {} : { "retry-after": String(retryAfterSeconds) }),
      ...(status === 401 ? { "www-authenticate": 'Bearer realm="mcphub"' } : {}),
      ...(status === 408 || status === 413 ? { connection: "close" } : {})
    }
  )

/** One answer for what is not there and what belongs to somebody else. */
const absent: Readonly<Record<string, string>> = {
  KeyNotFound: "Key not found",
  GroupNotFound: "Group not found",
  UserNotFound: "User not found"
}

const wrong: ReadonlySet<string> = new Set(["InvalidValue", "GroupNameTaken", "UsernameTaken", "KeyTaken"])

/** A failure as the old interface says it; undefined for what is none of those that are expected. */
export const legacyErrorOf = (error: unknown, absentStatus: number): LegacyError | undefined => {
  if (error instanceof LegacyError) return error
  if (isProblem(error)) {
    if (error.status === 401) return refused(401, "No valid authentication found")
    const retryAfterSeconds = "retryAfterSeconds" in error ? error.retryAfterSeconds : undefined
    return new LegacyError({ status: error.status, message: error.detail, retryAfterSeconds })
  }
  const { _tag: tag, message } = error as { readonly _tag?: string; readonly message?: string }
  if (tag === undefined || message === undefined) return undefined
  if (absent[tag] !== undefined) return refused(absentStatus, absent[tag])
  if (wrong.has(tag)) return refused(400, message)
  if (tag === "DatabaseUnavailable") {
    return new LegacyError({ status: 503, message: "The database does not answer; try again", retryAfterSeconds: 2 })
  }
  return undefined
}
