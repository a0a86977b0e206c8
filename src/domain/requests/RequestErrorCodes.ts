/**
 * Code, kind and origin of every typed error a request can fail with: one table for the wire (`JsonRpcErrors`), the
 * request log and statistics. The type makes the table exhaustive: a new error does not compile without a row.
 */
import { capabilityMissing, hubCodes, resourceNotFound, rpcCodes } from "../protocol/ErrorCodes.ts"
import { statelessCodes } from "../protocol/eras/StatelessErrors.ts"
import type { RequestError } from "./RequestErrors.ts"
import type { UpstreamFailed } from "./UpstreamErrors.ts"

export interface ErrorRow {
  readonly code: number
  readonly kind: string
  readonly retryable: boolean
  readonly origin: "hub" | "upstream"
}

/** The origin of an error, by its kind: a server caused those named after the upstream, and a lost answer. */
export const originOf = (kind: string): "hub" | "upstream" =>
  kind.startsWith("upstream_") || kind === "outcome_unknown" ? "upstream" : "hub"

/** Nothing was executed, or it may be executed twice. Every other lost answer becomes `OutcomeUnknown`. */
const retryable: ReadonlySet<UpstreamFailed["reason"]> = new Set(["closed", "session"])

const row = (code: number, kind: string, retryable = false): ErrorRow => ({
  code,
  kind,
  retryable,
  origin: originOf(kind)
})

export const errorRow = (error: RequestError): ErrorRow => {
  switch (error._tag) {
    case "InvalidParams":
      return row(rpcCodes.invalidParams, "invalid_params")
    case "ResourceUnknown":
      return row(resourceNotFound, "resource_not_found")
    case "MethodNotSupported":
      return row(rpcCodes.methodNotFound, "method_not_found")
    case "HeaderMismatch":
      return row(statelessCodes.headerMismatch, "header_mismatch")
    case "OutOfPlace":
      return row(rpcCodes.invalidRequest, "invalid_request")
    case "SubscriptionRefused":
      return row(rpcCodes.invalidParams, "subscription_limit")
    case "UserOverloaded":
      return row(hubCodes.overloaded, "overloaded", true)
    case "AnswerLost":
      return row(hubCodes.outcomeUnknown, "answer_lost")
    case "AuditUnavailable":
      return row(hubCodes.upstreamUnavailable, "audit_unavailable", true)
    case "NothingReachable":
      return row(hubCodes.upstreamUnavailable, "nothing_reachable", true)
    case "ServerOverloaded":
      return row(hubCodes.overloaded, "server_overloaded", true)
    case "MemoryLimitReached":
      return row(hubCodes.overloaded, "memory_limit", true)
    case "RequestTimeout":
      return row(hubCodes.timeout, "timeout")
    case "RequestCancelled":
      return row(hubCodes.sessionClosed, "cancelled")
    case "SessionClosed":
      return row(hubCodes.sessionClosed, "session_closed")
    case "UpstreamUnavailable":
      return error.reason === "limit"
        ? row(hubCodes.upstreamUnavailable, "process_limit", true)
        : row(hubCodes.upstreamUnavailable, "upstream_unavailable", true)
    case "OutcomeUnknown":
      return row(hubCodes.outcomeUnknown, "outcome_unknown")
    case "UpstreamFailed":
      return error.reason === "bad-header"
        ? row(hubCodes.upstreamFailed, "bad_header_value")
        : row(hubCodes.upstreamFailed, `upstream_${error.reason.replaceAll("-", "_")}`, retryable.has(error.reason))
    case "UpstreamErrorResponse":
      return row(error.code, "upstream_error")
    case "ClientCapabilityMissing":
      return row(hubCodes.notAllowed, capabilityMissing)
    case "NotAllowed":
      return row(hubCodes.notAllowed, "not_allowed")
    case "CredentialMissing":
      return row(hubCodes.credentialMissing, "credential_missing")
    case "CredentialUnreadable":
      return row(hubCodes.credentialMissing, "credential_unreadable")
  }
}
