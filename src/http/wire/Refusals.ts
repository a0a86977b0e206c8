/**
 * Answers to requests that no session takes: one function a case, so that the same case always answers the same bytes.
 */
import { rpcCodes } from "../../domain/protocol/ErrorCodes.ts"
import { failure, type JsonRpcFailure, type JsonRpcId } from "../../domain/protocol/JsonRpc.ts"
import type { SessionRefused } from "../../domain/requests/SessionErrors.ts"
import { excerpt } from "../../domain/Redaction.ts"
import * as JsonRpcErrors from "./JsonRpcErrors.ts"
import { jsonType, type WireHeaders, type WireReply } from "./Wire.ts"

export const refuse = (
  reply: WireReply,
  status: number,
  code: number,
  kind: string,
  message: string,
  headers?: WireHeaders
): void =>
  reply.send(
    status,
    JSON.stringify(failure(null, JsonRpcErrors.refusal(code, kind, message, status === 429 || status === 503))),
    {
      ...jsonType,
      ...headers
    }
  )

/** For a request that has met a defect. */
export const broken = (reply: WireReply): void =>
  refuse(reply, 500, rpcCodes.internal, "internal", "Internal error; the hub's log has the details")

/** Too many requests of this user are in flight: the one error of a call that HTTP has a status for. */
export const overloaded = (
  reply: WireReply,
  response: JsonRpcFailure,
  retryAfterSeconds: number,
  headers: WireHeaders = jsonType
): void => reply.send(429, JSON.stringify(response), { ...headers, "retry-after": String(retryAfterSeconds) })

/** 400 for one message of which the id is known. */
export const invalidRequest = (reply: WireReply, id: JsonRpcId | null, message: string): void => {
  const error = JsonRpcErrors.refusal(rpcCodes.invalidRequest, "invalid_request", message)
  reply.send(400, JSON.stringify(failure(id, error)), jsonType)
}

const challenge = 'Bearer realm="mcphub"'
const wrongKey = 'error="invalid_token", error_description="The MCPHub key is unknown, has ended or was revoked"'

/**
 * `key`: whether one was sent, which RFC 6750 §3.1 lets the header alone say: some clients print nothing else. For a
 * wrong, an ended and a revoked one it is the same.
 */
export const unauthorized = (reply: WireReply, key: "sent" | "none"): void =>
  refuse(reply, 401, 1401, "unauthorized", "A valid MCPHub key is needed: send it as Authorization: Bearer mcphub_…", {
    "www-authenticate": key === "none" ? challenge : `${challenge}, ${wrongKey}`,
    // Whether the body had arrived before the key was known to be wrong would show on the connection.
    connection: "close"
  })

/** Instead of `unauthorized`, for an address from which too many wrong keys have come. */
export const tooManyWrongKeys = (reply: WireReply, retryAfterSeconds: number): void =>
  refuse(reply, 429, 1429, "too_many_wrong_keys", "Too many wrong MCPHub keys came from this address; check the key", {
    "retry-after": String(retryAfterSeconds),
    connection: "close"
  })

/** For a user of whom as many requests wait as may. */
export const tooManyWaiting = (reply: WireReply): void =>
  refuse(
    reply,
    429,
    1429,
    "too_many_waiting",
    "Too many requests of this user wait for their turn; send fewer at once",
    {
      "retry-after": "5",
      connection: "close"
    }
  )

/** For a body that does not come to its end. */
export const bodyTooSlow = (reply: WireReply): void =>
  refuse(
    reply,
    408,
    rpcCodes.invalidRequest,
    "body_too_slow",
    "The body did not arrive in time; send it again without a pause"
  )

/** For a user who has begun more bodies at once than the hub holds for them. */
export const tooManyBodies = (reply: WireReply, max: number): void =>
  refuse(
    reply,
    429,
    1429,
    "too_many_bodies",
    `Bodies of this user that are still arriving have more than ${max} bytes; send fewer large ones at once`,
    { "retry-after": "5" }
  )

export const unavailable = (reply: WireReply, message: string, retryAfterSeconds: number): void =>
  refuse(reply, 503, 1503, "unavailable", message, { "retry-after": String(retryAfterSeconds) })

const sessionRefusals: {
  readonly [Reason in Exclude<SessionRefused["reason"]["_tag"], "KeyEnded">]: readonly [
    status: number,
    code: number,
    kind: string
  ]
} = {
  SessionLimitReached: [429, 1429, "session_limit"],
  HubDraining: [503, 1503, "unavailable"],
  HubOverloaded: [503, 1503, "unavailable"],
  SessionsUnavailable: [503, 1503, "unavailable"]
}

/** For a request whose session is not opened or found again now. */
export const noSessionNow = (reply: WireReply, { message, reason }: SessionRefused): void => {
  if (reason._tag === "KeyEnded") return unauthorized(reply, "sent")
  const [status, code, kind] = sessionRefusals[reason._tag]
  refuse(reply, status, code, kind, message, { "retry-after": String(reason.retryAfterSeconds) })
}

export const stopping = (reply: WireReply): void =>
  unavailable(reply, "The hub is stopping; send this again in a moment", 5)

/** For a user who may do nothing that is not written down. */
export const unaudited = (reply: WireReply): void =>
  refuse(
    reply,
    503,
    1503,
    "audit_unavailable",
    "The audit trail cannot be written at the moment and a group of this user requires it; try again",
    { "retry-after": "2" }
  )

/** One answer for unknown, ended and other people's sessions. */
export const noSession = (reply: WireReply): void =>
  refuse(reply, 404, rpcCodes.invalidRequest, "session_not_found", "Session not found; initialize a new one")

/** A GET whose client takes no event stream. */
export const notAcceptable = (reply: WireReply): void =>
  refuse(reply, 406, rpcCodes.invalidRequest, "not_acceptable", "A GET is answered with text/event-stream only")

/** `GET /sse` where the operator has turned the HTTP+SSE transport off. */
export const noEventTransport = (reply: WireReply): void =>
  refuse(
    reply,
    410,
    rpcCodes.invalidRequest,
    "transport_gone",
    "The HTTP+SSE transport is turned off here (SSE_TRANSPORT); use streamable HTTP with POST to /mcp"
  )

/** One answer for targets that do not exist and targets this user may not address. */
export const noTarget = (reply: WireReply): void =>
  refuse(reply, 404, rpcCodes.invalidRequest, "target_not_found", "No group or server of this user has that name")

export const foreignHost = (reply: WireReply): void =>
  refuse(
    reply,
    403,
    rpcCodes.invalidRequest,
    "forbidden_host",
    "The host name in this address is not allowed; add it to the hub's ALLOWED_HOSTS"
  )

/** For a web page or a browser extension; the remedy is the text that the operator has to enter. */
export const foreignOrigin = (reply: WireReply, origin: string): void => {
  // What a browser writes for pages without an origin, such as files: they cannot be told apart.
  const isNone = origin === "null"
  const remedy = isNone ? "serve it from an address" : `add ${excerpt(origin, 200)} to the hub's ALLOWED_ORIGINS`
  refuse(reply, 403, rpcCodes.invalidRequest, "forbidden_origin", `This page or extension is not allowed; ${remedy}`)
}

/** Which of them is meant, only its sender knows. */
export const conflictingKeys = (reply: WireReply, [one, other]: readonly [string, string]): void => {
  const where = one === other ? `twice in ${one}` : `in ${one} and in ${other}`
  const message = `The request carries two different MCPHub keys, ${where}; remove one of them`
  refuse(reply, 400, rpcCodes.invalidRequest, "conflicting_keys", message)
}

export const severalHosts = (reply: WireReply): void =>
  refuse(
    reply,
    400,
    rpcCodes.invalidRequest,
    "conflicting_hosts",
    "The request has two different Host headers; send one"
  )

export const methodNotAllowed = (reply: WireReply, allow: string): void =>
  refuse(reply, 405, rpcCodes.invalidRequest, "method_not_allowed", `Use ${allow}`, { allow })
