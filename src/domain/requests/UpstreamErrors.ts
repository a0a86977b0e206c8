/**
 * The failures of a call to an upstream. Wire-free: `JsonRpcErrors` decides codes. `message` may be shown to the user
 * and never holds a token, an argument or a result.
 */
import { Schema } from "effect"
import { isRepeatable } from "../protocol/Methods.ts"

/** The hub sent nothing, or provably nothing was executed: safe to try again. */
export class UpstreamUnavailable extends Schema.TaggedError<UpstreamUnavailable>()("UpstreamUnavailable", {
  server: Schema.String,
  reason: Schema.Literals([
    "refused",
    "dns",
    "tls",
    "timeout",
    "spawn",
    "exited",
    "initialize",
    "backoff",
    "status",
    "unauthorized",
    "disabled",
    "limit"
  ]),
  /** The reason of the failure that is waited after, where the reason itself is only that. */
  because: Schema.optional(Schema.String),
  message: Schema.String,
  retryAfterMs: Schema.optional(Schema.Number)
}) {}

/**
 * The request left the hub and no valid answer came back. Only repeatable requests may be sent again: see
 * `OutcomeUnknown`.
 */
export class UpstreamFailed extends Schema.TaggedError<UpstreamFailed>()("UpstreamFailed", {
  server: Schema.String,
  reason: Schema.Literals([
    "closed",
    "protocol",
    "too-large",
    "redirect",
    "status",
    "unauthorized",
    "session",
    "bad-header",
    "blocked"
  ]),
  /** Progress of the exchange when it failed. */
  phase: Schema.Literals(["send", "headers", "body", "stream"]),
  message: Schema.String
}) {}

/** Failures that only the operator can repair: trying again changes nothing. */
export const isForOperator = ({ reason }: UpstreamFailed): boolean =>
  reason === "redirect" || reason === "bad-header" || reason === "blocked"

/**
 * The connection, process or session was gone before the answer to a request that changes something. The change may
 * have happened, so only whoever asked for it can decide whether to ask again.
 */
export class OutcomeUnknown extends Schema.TaggedError<OutcomeUnknown>()("OutcomeUnknown", {
  server: Schema.String,
  phase: UpstreamFailed.fields.phase,
  message: Schema.String
}) {}

/** The meaning of a failure for a request of this method. */
export const meaningFor = (method: string, error: UpstreamError): UpstreamError => {
  if (!(error instanceof UpstreamFailed) || error.reason !== "closed" || isRepeatable(method)) return error
  const { message, phase, server } = error
  return new OutcomeUnknown({
    server,
    phase,
    message: `${message}; whether the call was executed is unknown, so it is not sent again: look at the server, and repeat it only if it may be done twice`
  })
}

/** The upstream answered with a JSON-RPC error, which passes through as `ServerMessages` lets it. */
export class UpstreamErrorResponse extends Schema.TaggedError<UpstreamErrorResponse>()("UpstreamErrorResponse", {
  server: Schema.String,
  code: Schema.Number,
  message: Schema.String,
  data: Schema.optional(Schema.Unknown),
  /** Set when the answer was HTTP 429 or 503 with Retry-After. */
  retryAfterMs: Schema.optional(Schema.Number)
}) {}

/** The server's configuration needs a service token this user has not set. */
export class CredentialMissing extends Schema.TaggedError<CredentialMissing>()("CredentialMissing", {
  server: Schema.String,
  /** The stored name, e.g. `GITHUB_TOKEN`. */
  token: Schema.String,
  message: Schema.String
}) {}

/** A stored token that the server needs does not open: the hub's credential key is not the one it was sealed with. */
export class CredentialUnreadable extends Schema.TaggedError<CredentialUnreadable>()("CredentialUnreadable", {
  server: Schema.String,
  /** The stored name, e.g. `GITHUB_TOKEN`. */
  token: Schema.String,
  message: Schema.String
}) {}

/** The key or the groups of the user no longer allow what was about to be sent to the server; nothing was. */
export class NotAllowed extends Schema.TaggedError<NotAllowed>()("NotAllowed", {
  server: Schema.String,
  message: Schema.String
}) {}

/**
 * The user has reached the limit of requests at this server, so the hub sent nothing. It says nothing about the server.
 */
export class ServerOverloaded extends Schema.TaggedError<ServerOverloaded>()("ServerOverloaded", {
  server: Schema.String,
  message: Schema.String,
  retryAfterMs: Schema.Number
}) {}

/** What was asked for would take its user beyond a bound of memory, so it was not done. It says nothing about a server. */
export class MemoryLimitReached extends Schema.TaggedError<MemoryLimitReached>()("MemoryLimitReached", {
  message: Schema.String
}) {}

export type UpstreamError =
  | UpstreamUnavailable
  | UpstreamFailed
  | OutcomeUnknown
  | UpstreamErrorResponse
  | CredentialMissing
  | CredentialUnreadable
  | NotAllowed
  | ServerOverloaded
  | MemoryLimitReached

/** The hub has no credentials of the user's to send, and has sent nothing. */
export const lacksCredentials = (error: UpstreamError): boolean =>
  error instanceof CredentialMissing || error instanceof CredentialUnreadable

const awayReasons: ReadonlySet<string> = new Set(["refused", "dns", "tls"])

/** Nobody is there where the server was. */
export const isAway = (error: UpstreamError): boolean =>
  error._tag === "UpstreamUnavailable" && awayReasons.has(error.reason)

/** The user's credentials are missing, or the server does not take them. */
export const isUnauthorized = (error: UpstreamError): boolean =>
  lacksCredentials(error) || ("reason" in error && error.reason === "unauthorized")

/** Whether an attempt that failed so says something about the server, and not about whoever made it. */
export const isOfServer = (error: UpstreamError): boolean =>
  !lacksCredentials(error) &&
  error._tag !== "NotAllowed" &&
  !(error._tag === "UpstreamUnavailable" && error.reason === "limit")

/** The hub itself has not tried the server: by its settings, or because it has failed too often. */
export const isHeldBack = (error: UpstreamError): boolean =>
  error._tag === "UpstreamUnavailable" && (error.reason === "disabled" || error.reason === "backoff")

/** A failure to open a connection, in terms of what cannot be reached. */
export const reasonToOpen = ({ reason }: UpstreamFailed): UpstreamUnavailable["reason"] =>
  reason === "status" || reason === "unauthorized" ? reason : "initialize"

/** Milliseconds for which a busy server wants no requests (HTTP 429 and 503 with Retry-After). */
export const askedPause = (error: UpstreamError): number | undefined =>
  error._tag === "UpstreamErrorResponse" || (error._tag === "UpstreamUnavailable" && error.reason === "status")
    ? error.retryAfterMs
    : undefined

/**
 * The server does not speak the era that the hub tried. Seen only between a transport and `UpstreamEra`, which then
 * tries the other era or fails with the `refusal`.
 */
export class EraNotSpoken extends Schema.TaggedError<EraNotSpoken>()("EraNotSpoken", {
  era: Schema.Literals(["stateful", "stateless"]),
  refusal: UpstreamUnavailable,
  message: Schema.String
}) {}

export const eraNotSpoken = (era: "stateful" | "stateless", refusal: UpstreamUnavailable): EraNotSpoken =>
  new EraNotSpoken({ era, refusal, message: refusal.message })

export const protocolError = (server: string, phase: UpstreamFailed["phase"], what: string): UpstreamFailed =>
  new UpstreamFailed({ server, reason: "protocol", phase, message: `Server ${server} ${what}` })
