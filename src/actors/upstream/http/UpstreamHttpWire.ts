/**
 * HTTP toward one upstream on behalf of one connection: address, headers, session id, cookies.
 *
 * The user's context headers are built anew for every request, whatever its method. The session id and cookies the
 * upstream gave live and die with the connection; they are never seen by a client, nor by another connection.
 *
 * Source: MCP `basic/transports` (streamable HTTP), revisions 2025-03-26 to 2026-07-28.
 */
import { Clock, Effect, type Scope } from "effect"
import * as Cookies from "effect/http/Cookies"
import { HubConfig } from "../../../domain/config/HubConfig.ts"
import { AnswerBytes } from "../../limits/AnswerBytes.ts"
import { FairShare } from "../../limits/FairShare.ts"
import * as Payer from "../../limits/Payer.ts"
import { connectionHeaders } from "../connection/ServerPlan.ts"
import type { CallContext, ConnectOptions } from "../connection/UpstreamConnection.ts"
import {
  type CredentialMissing,
  type CredentialUnreadable,
  type UpstreamFailed,
  UpstreamUnavailable
} from "../../../domain/requests/UpstreamErrors.ts"
import { scrubberOf } from "../connection/UpstreamSecrets.ts"
import type { Principal } from "../../../domain/identity/Principal.ts"
import type { Scrubber } from "../../../domain/Scrubber.ts"
import { UpstreamHeaders } from "../connection/UpstreamHeaders.ts"
import { sessionLost } from "./UpstreamHttpErrors.ts"
import type { ExchangeEnd, ExchangeRequest, RunningExchange } from "./ExchangeRequest.ts"
import { exchange } from "./UpstreamHttpExchange.ts"
import type { ResponseHead } from "./ResponseHead.ts"
import type { OutgoingMessage } from "../../../domain/protocol/json/CarriedJson.ts"
import { UserPools } from "./UserPools.ts"

export type WireError = UpstreamUnavailable | UpstreamFailed | CredentialMissing | CredentialUnreadable

export interface WireRequest extends Pick<ExchangeRequest, "method" | "onMessage" | "wasAwaited" | "onLate"> {
  readonly context: CallContext
  readonly body?: OutgoingMessage
  readonly lastEventId?: string | undefined
  readonly endless?: boolean
  readonly abrupt?: boolean
  /** Headers of this request alone. */
  readonly headers?: Readonly<Record<string, string>>
  readonly headOnly?: boolean
  readonly raw?: boolean
  /** Bytes of the answer, where that is less than any answer may have. */
  readonly maxBytes?: number | undefined
  /** Opens a session: goes out without one, and the one in the response counts from then on. */
  readonly initialize?: boolean
  readonly onHead?: (head: ResponseHead) => void
  /** Called when the request is about to leave. */
  readonly onSend?: () => void
}

export interface UpstreamHttpWire {
  readonly send: (request: WireRequest) => Effect.Effect<ExchangeEnd, WireError>
  /** Takes out what a request with this context gave the server to keep. */
  readonly scrubber: (context: CallContext) => Effect.Effect<Scrubber>
  /** Exchanges under way, for closing. */
  readonly running: Set<RunningExchange>
  /** The session the upstream issued, if any. */
  sessionId: string | undefined
  /** The revision in use; what the client wants until the upstream has answered. */
  protocolVersion: string
  /** The latest request had a header that looks like a credential, or a user's own value in its address. */
  sentCredentials: boolean
  /** `initialize` has been answered: requests carry the revision. */
  initialized: boolean
}

interface Address {
  readonly url: string
  readonly origin: string
  readonly path: string
}

/** What the transport itself writes; configured headers of these names are left out. */
const reserved = new Set([...connectionHeaders, "accept", "accept-encoding", "content-type", "cookie"])

/** Whether a configured header is sent as it is, and what it stands for otherwise; worked out once a name. */
type HeaderRole = "sent" | "agent" | "cookie" | "left-out"

const roleOf = (name: string): HeaderRole => {
  const lower = name.toLowerCase()
  if (lower === "cookie") return "cookie"
  if (lower === "user-agent") return "agent"
  return reserved.has(lower) || lower.startsWith("mcp-param-") ? "left-out" : "sent"
}

/** By the name: what a header's value is for, the hub cannot know. */
const credential = /authorization|token|key|secret|cookie|password/i

/** More than any server needs; a server that keeps inventing names does not grow the jar. */
const maxCookies = 50

export const make = Effect.fnUntraced(function* (
  options: ConnectOptions,
  protocolVersion: string
): Effect.fn.Return<UpstreamHttpWire, WireError, UpstreamHeaders | UserPools | AnswerBytes | FairShare | Scope.Scope> {
  const { name: server, config } = options
  const upstreamHeaders = yield* UpstreamHeaders
  const pools = yield* UserPools
  const answers = yield* AnswerBytes
  const share = yield* FairShare
  const clock = yield* Clock.Clock
  const fork = Effect.runForkWith(yield* Effect.context<never>())
  const { maxUpstreamBytes, version } = yield* HubConfig
  const onNoise = options.onNoise ?? (() => {})
  const spend: ExchangeRequest["spend"] = (payer, units, goOn) => share.spend(payer, "answer", units, goOn)
  const templated = config.url?.includes("${") === true
  const hasOwnAddress = config.url?.includes("${USER_") === true

  const locate = (context: CallContext) =>
    Effect.flatMap(upstreamHeaders.url({ server, config, context, protocolVersion: wire.protocolVersion }), (url) =>
      parse(server, url)
    )

  let cookies: ReadonlyArray<Cookies.Cookie> = []
  /** By name as configured; names come from the server's entry and the hub, so there are few. */
  const roles = new Map<string, HeaderRole>()

  const headerList = (
    request: WireRequest,
    configured: Readonly<Record<string, string>>,
    url: string
  ): Array<string> => {
    const list: Array<string> = []
    let cookie = ""
    let agent = false
    wire.sentCredentials = hasOwnAddress
    for (const name in configured) {
      if (credential.test(name)) wire.sentCredentials = true
      let role = roles.get(name)
      if (role === undefined) roles.set(name, (role = roleOf(name)))
      if (role === "left-out") continue
      if (role === "cookie") {
        cookie = configured[name]!
        continue
      }
      if (role === "agent") agent = true
      list.push(name, configured[name]!)
    }
    if (!agent) list.push("user-agent", `mcphub/${version}`)
    list.push("accept-encoding", "identity")
    if (request.method !== "DELETE") {
      list.push("accept", request.method === "POST" ? "application/json, text/event-stream" : "text/event-stream")
    }
    if (request.body !== undefined) list.push("content-type", "application/json")
    if (request.initialize !== true) {
      if (wire.sessionId !== undefined) list.push("mcp-session-id", wire.sessionId)
      if (wire.initialized) list.push("mcp-protocol-version", wire.protocolVersion)
    }
    for (const name in request.headers) list.push(name, request.headers[name]!)
    if (request.lastEventId !== undefined) list.push("last-event-id", request.lastEventId)
    if (cookies.length > 0) {
      const own = Cookies.toRequestCookieHeader(cookies, url, clock.currentTimeMillisUnsafe())
      if (own !== undefined) cookie = cookie === "" ? own : `${cookie}; ${own}`
    }
    if (cookie !== "") list.push("cookie", cookie)
    return list
  }

  const onHead = (request: WireRequest, url: string, head: ResponseHead) => {
    if (head.setCookie.length > 0) {
      const set = Cookies.fromSetCookie(head.setCookie)
      cookies = Cookies.mergeIntoArray(cookies, url, set, clock.currentTimeMillisUnsafe()).slice(-maxCookies)
    }
    if (request.initialize === true && head.status < 300) wire.sessionId = head.sessionId
    request.onHead?.(head)
  }

  const send = (request: WireRequest): Effect.Effect<ExchangeEnd, WireError> =>
    templated
      ? Effect.flatMap(locate(request.context), (address) => sendTo(address, request))
      : Effect.suspend(() => sendTo(home, request))

  const sendTo = (address: Address, request: WireRequest): Effect.Effect<ExchangeEnd, WireError> => {
    // The session belongs to the host that issued it.
    if (address.origin !== home.origin) return Effect.fail(sessionLost(server))
    const { body, context, endless = false } = request
    const { userId } = context.principal
    const payer = endless ? Payer.ofConnection(server, config.isolation, userId) : userId
    const wanted = upstreamHeaders.headers({ server, config, context, protocolVersion: wire.protocolVersion, body })
    return Effect.flatMap(wanted, (configured) => {
      request.onSend?.()
      return exchange({
        server,
        pool,
        method: request.method,
        path: address.path,
        headers: headerList(request, configured, address.url),
        body: body ?? null,
        maxBytes: Math.min(request.maxBytes ?? maxUpstreamBytes, maxUpstreamBytes),
        endless,
        abrupt: request.abrupt ?? false,
        headOnly: request.headOnly ?? false,
        raw: request.raw ?? false,
        room: answers.arriving,
        spend,
        payer,
        context,
        fork,
        running: wire.running,
        onHead: (head) => onHead(request, address.url, head),
        onMessage: request.onMessage,
        ...(request.wasAwaited === undefined ? {} : { wasAwaited: request.wasAwaited }),
        onNoise,
        onLate: request.onLate
      })
    })
  }

  /** A principal lasts as long as what is known of its key. */
  const scrubbers = new WeakMap<Principal, Scrubber>()

  const scrubber = (context: CallContext): Effect.Effect<Scrubber> => {
    const known = scrubbers.get(context.principal)
    if (known !== undefined) return Effect.succeed(known)
    const options = { server, config, context, protocolVersion: wire.protocolVersion }
    const expanded = Effect.all({ headers: upstreamHeaders.headers(options), url: upstreamHeaders.url(options) })
    return expanded.pipe(
      // Then nothing of the settings was sent.
      Effect.orElseSucceed(() => ({})),
      Effect.map((settings) => {
        const made = scrubberOf(config, context.principal, settings)
        scrubbers.set(context.principal, made)
        return made
      })
    )
  }

  const wire: UpstreamHttpWire = {
    send,
    scrubber,
    running: new Set(),
    sessionId: undefined,
    protocolVersion,
    sentCredentials: false,
    initialized: false
  }
  const home = yield* locate(options.context)
  const pool = yield* pools.acquire(options.context.principal.userId, home.origin)
  return wire
})

const parse = (server: string, text: string): Effect.Effect<Address, UpstreamUnavailable> => {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined || (url.protocol !== "http:" && url.protocol !== "https:") || url.username !== "") {
    return Effect.fail(
      new UpstreamUnavailable({
        server,
        reason: "initialize",
        message: `The url of server ${server} is not a usable http or https address; credentials go into its headers`
      })
    )
  }
  return Effect.succeed({ url: url.href, origin: url.origin, path: url.pathname + url.search })
}
