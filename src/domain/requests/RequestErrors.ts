/** Every error a client's request can fail with. Wire-free: `JsonRpcErrors` (http) is the total mapping onto codes. */
import { Schema } from "effect"
import type { RequestCancelled, RequestTimeout, SessionClosed } from "./RequestRecord.ts"
import type { UpstreamError } from "./UpstreamErrors.ts"

/** The request's params do not name anything this user has, or lack what the method needs. */
export class InvalidParams extends Schema.TaggedError<InvalidParams>()("InvalidParams", {
  message: Schema.String
}) {}

/** A resource no admitted server offers; `resourceNotFound` on the wire of the stateful revisions. */
export class ResourceUnknown extends Schema.TaggedError<ResourceUnknown>()("ResourceUnknown", {
  uri: Schema.String,
  message: Schema.String
}) {}

export class MethodNotSupported extends Schema.TaggedError<MethodNotSupported>()("MethodNotSupported", {
  message: Schema.String
}) {}

/** A message that is well-formed but out of place, such as a second initialize. */
export class OutOfPlace extends Schema.TaggedError<OutOfPlace>()("OutOfPlace", {
  message: Schema.String
}) {}

/** The client wants to hear of more resources, or of longer names, than a session may. */
export class SubscriptionRefused extends Schema.TaggedError<SubscriptionRefused>()("SubscriptionRefused", {
  message: Schema.String
}) {}

/** The user has reached the limit of requests in flight. */
export class UserOverloaded extends Schema.TaggedError<UserOverloaded>()("UserOverloaded", {
  message: Schema.String,
  retryAfterSeconds: Schema.Number
}) {}

/** The request was executed and its answer was not kept: it was too large for where it had to wait. */
export class AnswerLost extends Schema.TaggedError<AnswerLost>()("AnswerLost", {
  server: Schema.String,
  message: Schema.String
}) {}

/** Of all servers that a list would be of, none could be asked. */
export class NothingReachable extends Schema.TaggedError<NothingReachable>()("NothingReachable", {
  message: Schema.String,
  missing: Schema.Array(
    Schema.Struct({ server: Schema.String, why: Schema.String, reason: Schema.String, since: Schema.String })
  )
}) {}

/** A group of the user requires the audit trail, which has no place for this request now. */
export class AuditUnavailable extends Schema.TaggedError<AuditUnavailable>()("AuditUnavailable", {
  message: Schema.String
}) {}

/** A header of a stateless request differs from the body (`Mcp-Param-*`, checked once the tool is known). */
export class HeaderMismatch extends Schema.TaggedError<HeaderMismatch>()("HeaderMismatch", {
  header: Schema.String,
  message: Schema.String
}) {}

/** A server needs a capability that the client did not declare, so the hub never asks the client. */
export class ClientCapabilityMissing extends Schema.TaggedError<ClientCapabilityMissing>()("ClientCapabilityMissing", {
  server: Schema.String,
  /** The missing ones, in the shape of `ClientCapabilities`. */
  requiredCapabilities: Schema.Record(Schema.String, Schema.Unknown),
  message: Schema.String
}) {}

export type RoutingError = InvalidParams | ResourceUnknown | MethodNotSupported | OutOfPlace | HeaderMismatch

export type RequestError =
  | RoutingError
  | SubscriptionRefused
  | UserOverloaded
  | AnswerLost
  | AuditUnavailable
  | NothingReachable
  | ClientCapabilityMissing
  | UpstreamError
  | RequestTimeout
  | RequestCancelled
  | SessionClosed
