/**
 * The library for authors of MCP servers behind the hub: it reads the context headers of a request and verifies that
 * the hub sent them. Published as `mcphub/upstream`; needs nothing but `node:crypto`, and no Effect.
 *
 * Reading alone proves nothing: anybody who reaches the server can write these headers. Verify, or make sure that only
 * the hub reaches the server.
 *
 * @example
 * ```ts
 * import { verifyContext } from "mcphub/upstream"
 *
 * const result = verifyContext(request.headers, { secret, audience: "github", body })
 * if (!result.ok) return new Response(result.reason, { status: 401 })
 * result.context.userId
 * ```
 */
import { sameSignature, sign, signatureHeader } from "./ContextSignature.ts"

/** A fetch `Headers`, or the record that `node:http` gives. */
export type HeadersInput =
  | {
      readonly get: (name: string) => string | null
      readonly forEach: (f: (value: string, name: string) => void) => void
    }
  | Readonly<Record<string, string | ReadonlyArray<string> | undefined>>

export interface ReceivedContext {
  readonly userId: string
  readonly userSessionId: string
  readonly sessionId: string
  readonly requestId: string
  /** Milliseconds since the epoch, when the hub sent the request. */
  readonly timestamp: number
  readonly protocolVersion: string
  /** The server's name in the hub's settings. */
  readonly sourceServer: string
  readonly userGroups: ReadonlyArray<string>
  /** The user's service tokens for this server, by the lower-case name in the header: `github`, `jira`, … */
  readonly tokens: Readonly<Record<string, string>>
}

export type VerifyFailure = "missing" | "malformed" | "unsigned" | "expired" | "audience" | "signature"

export interface VerifyOptions {
  /** The hub's `CONTEXT_SIGNING_KEY`. */
  readonly secret: string
  /** This server's name in the hub's settings. */
  readonly audience: string
  /** The request's body exactly as received. */
  readonly body?: string | Uint8Array | undefined
  /** Milliseconds since the epoch; the system's clock when absent. */
  readonly now?: number | undefined
}

/** The difference allowed between the hub's clock and this one. */
const toleranceMs = 60_000

/**
 * Header values by lower-case name. A header that is present twice is dropped, because either value could be the forged
 * one.
 */
const collect = (headers: HeadersInput): Map<string, string> => {
  const result = new Map<string, string>()
  const repeated = new Set<string>()
  const add = (name: string, value: string): void => {
    const key = name.toLowerCase()
    if (result.has(key)) repeated.add(key)
    result.set(key, value)
  }
  if (typeof headers["forEach"] === "function") {
    ;(headers as { forEach: (f: (value: string, name: string) => void) => void }).forEach((value, name) =>
      add(name, value)
    )
  } else {
    for (const [name, value] of Object.entries(headers as Record<string, string | ReadonlyArray<string> | undefined>)) {
      if (typeof value === "string") add(name, value)
      else for (const one of value ?? []) add(name, one)
    }
  }
  for (const name of repeated) result.delete(name)
  return result
}

const decode = (text: string): string => {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

const contextOf = (headers: ReadonlyMap<string, string>): ReceivedContext | undefined => {
  const get = (name: string): string => headers.get(`x-mcphub-${name}`) ?? ""
  const userId = get("user-id")
  const timestamp = get("timestamp")
  if (userId === "" || !/^\d{13}$/.test(timestamp)) return undefined
  const tokens: Record<string, string> = Object.create(null)
  for (const [name, value] of headers) {
    const match = /^x-mcphub-(.+)-token$/.exec(name)
    if (match !== null) tokens[match[1]!] = value
  }
  return {
    userId,
    userSessionId: get("user-session-id"),
    sessionId: get("session-id"),
    requestId: decode(get("request-id")),
    timestamp: Number(timestamp),
    protocolVersion: get("protocol-version"),
    sourceServer: decode(get("source-server")),
    userGroups: get("user-groups")
      .split(",")
      .filter((name) => name !== "")
      .map(decode),
    tokens
  }
}

/** The context in a request's headers, unverified; undefined when there is none or it is malformed. */
export const readContext = (headers: HeadersInput): ReceivedContext | undefined => contextOf(collect(headers))

/** The context, once signature, age (± 60 s) and audience hold. Replays within a minute show the same `requestId`. */
export const verifyContext = (
  headers: HeadersInput,
  options: VerifyOptions
):
  | { readonly ok: true; readonly context: ReceivedContext }
  | { readonly ok: false; readonly reason: VerifyFailure } => {
  const collected = collect(headers)
  const found = collected.get(signatureHeader.toLowerCase())
  if (!collected.has("x-mcphub-user-id")) return { ok: false, reason: "missing" }
  if (found === undefined) return { ok: false, reason: "unsigned" }
  const context = contextOf(collected)
  if (context === undefined) return { ok: false, reason: "malformed" }
  const expected = sign(options.secret, (name) => collected.get(name.toLowerCase()), options.body)
  if (!sameSignature(expected, found)) return { ok: false, reason: "signature" }
  if (context.sourceServer !== options.audience) return { ok: false, reason: "audience" }
  const now = options.now ?? Date.now()
  if (Math.abs(now - context.timestamp) > toleranceMs) return { ok: false, reason: "expired" }
  return { ok: true, context }
}
