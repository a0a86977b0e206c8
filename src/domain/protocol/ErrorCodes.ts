/**
 * Error codes on the MCP wire. The spec reserves the negative range, so the hub's own codes are positive and resemble
 * the HTTP statuses operators know. Every error the hub itself makes carries `HubErrorData` in `error.data`.
 */

/** JSON-RPC 2.0 §5.1. */
export const rpcCodes = {
  parse: -32700,
  invalidRequest: -32600,
  methodNotFound: -32601,
  invalidParams: -32602,
  internal: -32603
} as const

export const hubCodes = {
  credentialMissing: 1401,
  notAllowed: 1403,
  timeout: 1408,
  outcomeUnknown: 1409,
  overloaded: 1429,
  sessionClosed: 1499,
  upstreamFailed: 1502,
  upstreamUnavailable: 1503
} as const

/** MCP resources: -32002 until 2025-11-25, -32602 from 2026-07-28 on. */
export const resourceNotFound = -32002

/**
 * `data.kind` where a server needs a capability that the client did not declare: -32021 from 2026-07-28 on, 1403
 * before.
 */
export const capabilityMissing = "client_capability_missing"

export interface HubErrorData {
  readonly kind: string
  readonly requestId: string | null
  readonly retryable: boolean
  readonly origin: "hub" | "upstream"
  readonly server?: string | undefined
  readonly retryAfterMs?: number | undefined
  /** Progress of an exchange with a server: sending, waiting for an answer, reading it whole or as a stream. */
  readonly phase?: "send" | "headers" | "body" | "stream" | undefined
  /** The servers that could not be reached, and why. */
  readonly missing?: ReadonlyArray<unknown> | undefined
  readonly requiredCapabilities?: { readonly [capability: string]: unknown } | undefined
}
