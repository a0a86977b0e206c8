/**
 * How a call to an upstream can fail. Wire-free: `JsonRpcErrors` decides codes. `message` may be shown to the user and
 * never holds a token, an argument or a result.
 */
import { Schema } from "effect"

/** Nothing was sent, or provably nothing was executed: safe to try again. */
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
    "disabled"
  ]),
  message: Schema.String,
  retryAfterMs: Schema.optional(Schema.Number)
}) {}

/** The request left the hub and no valid answer came back. */
export class UpstreamFailed extends Schema.TaggedError<UpstreamFailed>()("UpstreamFailed", {
  server: Schema.String,
  reason: Schema.Literals([
    "closed",
    "protocol",
    "too-large",
    "redirect",
    "status",
    "session",
    "bad-header",
    "blocked"
  ]),
  /** How far the exchange had come. */
  phase: Schema.Literals(["send", "headers", "body", "stream"]),
  message: Schema.String
}) {}

/** Failures that only the operator can mend: trying again changes nothing. */
export const isForOperator = ({ reason }: UpstreamFailed): boolean =>
  reason === "redirect" || reason === "bad-header" || reason === "blocked"

/** The upstream answered with a JSON-RPC error, which passes through unchanged. */
export class UpstreamErrorResponse extends Schema.TaggedError<UpstreamErrorResponse>()("UpstreamErrorResponse", {
  server: Schema.String,
  code: Schema.Number,
  message: Schema.String,
  data: Schema.optional(Schema.Unknown)
}) {}

/** The server's configuration needs a service token this user has not set. */
export class CredentialMissing extends Schema.TaggedError<CredentialMissing>()("CredentialMissing", {
  server: Schema.String,
  /** The stored name, e.g. `GITHUB_TOKEN`. */
  token: Schema.String,
  message: Schema.String
}) {}

export type UpstreamError = UpstreamUnavailable | UpstreamFailed | UpstreamErrorResponse | CredentialMissing

/**
 * The server does not speak the era it was opened in. Seen only between a transport and `UpstreamEra`, which then tries
 * the other era or fails with the `refusal`.
 */
export class EraNotSpoken extends Schema.TaggedError<EraNotSpoken>()("EraNotSpoken", {
  era: Schema.Literals(["stateful", "stateless"]),
  refusal: UpstreamUnavailable,
  message: Schema.String
}) {}

export const eraNotSpoken = (era: "stateful" | "stateless", refusal: UpstreamUnavailable): EraNotSpoken =>
  new EraNotSpoken({ era, refusal, message: refusal.message })
