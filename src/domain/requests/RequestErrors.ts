/**
 * Everything a client's request can fail with. Wire-free: `JsonRpcErrors` (http) is the total mapping onto codes.
 */
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

/** The user has as many requests in flight as they may. */
export class UserOverloaded extends Schema.TaggedError<UserOverloaded>()("UserOverloaded", {
  message: Schema.String,
  retryAfterSeconds: Schema.Number
}) {}

/** A header of a stateless request does not repeat what the body says (`Mcp-Param-*`, known once the tool is). */
export class HeaderMismatch extends Schema.TaggedError<HeaderMismatch>()("HeaderMismatch", {
  header: Schema.String,
  message: Schema.String
}) {}

/** A server needs something of the client that the client did not declare: the client is never asked for it. */
export class ClientCapabilityMissing extends Schema.TaggedError<ClientCapabilityMissing>()("ClientCapabilityMissing", {
  server: Schema.String,
  /** What is missing, in the shape of `ClientCapabilities`. */
  requiredCapabilities: Schema.Record(Schema.String, Schema.Unknown),
  message: Schema.String
}) {}

export type RoutingError = InvalidParams | ResourceUnknown | MethodNotSupported | OutOfPlace | HeaderMismatch

export type RequestError =
  | RoutingError
  | UserOverloaded
  | ClientCapabilityMissing
  | UpstreamError
  | RequestTimeout
  | RequestCancelled
  | SessionClosed
