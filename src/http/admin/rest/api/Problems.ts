/**
 * The errors of the admin API, as problem details. `kind` says in one word what happened, for programs; `detail` says it
 * to people, with the remedy. Neither holds a secret, or a value that somebody else has set.
 *
 * Source: RFC 9457.
 */
import { Schema } from "effect"
import { HttpApiError } from "effect/http-api"

const declared = <const Status extends number>(status: Status, title: string) =>
  ({ type: "about:blank", status, title }) as const

const fields = { kind: Schema.String, detail: Schema.String }

export class BadRequest extends HttpApiError.Problem<BadRequest>()("BadRequest", declared(400, "Bad Request"), {
  ...fields,
  /** What of the request is wrong, by its place. */
  errors: Schema.optionalKey(Schema.Array(HttpApiError.ProblemIssue))
}) {}

export class Unauthorized extends HttpApiError.Problem<Unauthorized>()(
  "Unauthorized",
  declared(401, "Unauthorized"),
  fields
) {}

export class Forbidden extends HttpApiError.Problem<Forbidden>()("Forbidden", declared(403, "Forbidden"), fields) {}

/** One answer for what is not there and what belongs to somebody else. */
export class NotFound extends HttpApiError.Problem<NotFound>()("NotFound", declared(404, "Not Found"), fields) {}

export class TooSlow extends HttpApiError.Problem<TooSlow>()("TooSlow", declared(408, "Request Timeout"), fields) {}

export class Conflict extends HttpApiError.Problem<Conflict>()("Conflict", declared(409, "Conflict"), fields) {}

export class Stale extends HttpApiError.Problem<Stale>()("Stale", declared(412, "Precondition Failed"), fields) {}

export class TooLarge extends HttpApiError.Problem<TooLarge>()(
  "TooLarge",
  declared(413, "Content Too Large"),
  fields
) {}

export class UnsupportedMedia extends HttpApiError.Problem<UnsupportedMedia>()(
  "UnsupportedMedia",
  declared(415, "Unsupported Media Type"),
  fields
) {}

export class Unprocessable extends HttpApiError.Problem<Unprocessable>()(
  "Unprocessable",
  declared(422, "Unprocessable Content"),
  {
    ...fields,
    errors: Schema.optionalKey(Schema.Array(HttpApiError.ProblemIssue))
  }
) {}

export class PreconditionMissing extends HttpApiError.Problem<PreconditionMissing>()(
  "PreconditionMissing",
  declared(428, "Precondition Required"),
  fields
) {}

export class TooMany extends HttpApiError.Problem<TooMany>()("TooMany", declared(429, "Too Many Requests"), {
  ...fields,
  /** Also in `Retry-After`. */
  retryAfterSeconds: Schema.Number
}) {}

export class Broken extends HttpApiError.Problem<Broken>()("Broken", declared(500, "Internal Server Error"), fields) {}

export class Unavailable extends HttpApiError.Problem<Unavailable>()(
  "Unavailable",
  declared(503, "Service Unavailable"),
  { ...fields, retryAfterSeconds: Schema.Number }
) {}

/** Every operation can fail with each of them. */
export const problems = [
  BadRequest,
  Unauthorized,
  Forbidden,
  NotFound,
  TooSlow,
  Conflict,
  Stale,
  TooLarge,
  UnsupportedMedia,
  Unprocessable,
  PreconditionMissing,
  TooMany,
  Broken,
  Unavailable
] as const

export type Problem = InstanceType<(typeof problems)[number]>

export const isProblem = (error: unknown): error is Problem => problems.some((one) => error instanceof one)
