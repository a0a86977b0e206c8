/**
 * The MCP endpoint: `POST|GET|DELETE /mcp`, `/mcp/:target` and `/:user/mcp/:target?` for the stateful revisions.
 *
 * The order is fixed: Host and Origin, the key, the target, then headers and body. What cannot be served at all answers
 * 4xx; once a request belongs to a session its failures are JSON-RPC errors under 200, because clients drop a session
 * over a 4xx. From a parsed POST to its upstream there is one fiber and no queue.
 */
import { Context, Effect, Exit, Layer, Redacted, Scope } from "effect"
import { resolveTarget } from "../domain/Access.ts"
import { HubConfig } from "../domain/HubConfig.ts"
import { WireSessionId } from "../domain/Ids.ts"
import type { Principal } from "../domain/Principal.ts"
import { Principals } from "../domain/Principals.ts"
import { Settings } from "../domain/Settings.ts"
import { rpcCodes } from "../domain/protocol/ErrorCodes.ts"
import { type JsonObject, type JsonRpcRequest, failure } from "../domain/protocol/JsonRpc.ts"
import { allowsBatch, assumedVersion, isStateful, negotiate, statefulVersions } from "../domain/protocol/Versions.ts"
import type { SessionActor } from "../actors/SessionActor.ts"
import { Sessions, type Target } from "../actors/Sessions.ts"
import { isForeignSite, presentedKey } from "./Authentication.ts"
import { EventStreams } from "./EventStreams.ts"
import * as JsonGuard from "./JsonGuard.ts"
import * as JsonRpcErrors from "./JsonRpcErrors.ts"
import { matchPath } from "./McpPaths.ts"
import * as PostExchange from "./PostExchange.ts"
import * as PostBody from "./PostBody.ts"
import { jsonType, type WireHeaders, type WireReply, type WireRequest } from "./Wire.ts"

const sessionHeader = "mcp-session-id"
/** Visible ASCII, as the spec wants session ids, and of a length that fits a header. */
const legalSessionId = /^[\x21-\x7e]{1,256}$/
/** Ids this hub mints: an unknown one has ended, so its client must initialize again rather than be adopted. */
const minted = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/

interface Admitted {
  readonly request: WireRequest
  readonly reply: WireReply
  readonly principal: Principal
  readonly target: Target
}

export class McpEndpoint extends Context.Service<
  McpEndpoint,
  {
    /** Serves the request if its path is the endpoint's; false leaves it to others. */
    readonly handle: (request: WireRequest, reply: WireReply) => boolean
  }
>()("mcphub/http/McpEndpoint") {
  static readonly layer = Layer.effect(McpEndpoint, Effect.suspend(() => make))
}

const make = Effect.gen(function* () {
  const hub = yield* HubConfig
  const principals = yield* Principals
  const sessions = yield* Sessions
  const settings = yield* Settings
  const streams = yield* EventStreams
  const services = yield* Effect.context<never>()
  const runFork = Effect.runForkWith(services)

  /** Upstreams insist on a name and version; a client that gave none is the hub to them. */
  const anonymous: JsonObject = { name: "mcphub", version: hub.version }

  const refuse = (
    reply: WireReply,
    status: number,
    code: number,
    kind: string,
    message: string,
    headers?: WireHeaders
  ): void => reply.send(status, JSON.stringify(failure(null, JsonRpcErrors.refusal(code, kind, message))), { ...jsonType, ...headers })

  const unauthorized = (reply: WireReply): void =>
    refuse(reply, 401, 1401, "unauthorized", "A valid MCPHub key is needed: send it as Authorization: Bearer mcphub_…", {
      "www-authenticate": 'Bearer realm="mcphub"',
      // Whether the body had arrived before the key was known to be wrong would show on the connection.
      connection: "close"
    })

  const unavailable = (reply: WireReply, message: string, retryAfterSeconds: number): void =>
    refuse(reply, 503, 1503, "unavailable", message, { "retry-after": String(retryAfterSeconds) })

  /** One answer for unknown, ended and other people's sessions. */
  const noSession = (reply: WireReply): void =>
    refuse(reply, 404, rpcCodes.invalidRequest, "session_not_found", "Session not found; initialize a new one")

  const handle = (request: WireRequest, unguarded: WireReply): boolean => {
    const path = matchPath(request.path)
    if (path === undefined) return false
    const reply = request.query.has("key") ? withoutReferrer(unguarded) : unguarded
    if (isForeignSite(request, hub)) {
      refuse(reply, 403, rpcCodes.invalidRequest, "forbidden_origin", "This Host or Origin is not allowed; add it to ALLOWED_HOSTS")
      return true
    }
    const presented = presentedKey(request, hub.allowQueryKey)
    if (presented.kind === "none") {
      unauthorized(reply)
      return true
    }
    if (presented.kind === "conflict") {
      refuse(reply, 400, rpcCodes.invalidRequest, "conflicting_keys", "The request carries two different keys; send one")
      return true
    }
    const known = principals.peek(presented.key)
    if (known !== undefined) {
      admit(request, reply, known, path)
      return true
    }
    runFork(principals.authenticate(Redacted.make(presented.key))).addObserver((exit) => {
      if (Exit.isSuccess(exit)) return admit(request, reply, exit.value, path)
      const error = Exit.findErrorOption(exit)
      if (error._tag === "Some" && error.value._tag === "KeyRejected") return unauthorized(reply)
      unavailable(reply, "The hub cannot check keys at the moment; try again", 2)
    })
    return true
  }

  const admit = (request: WireRequest, reply: WireReply, principal: Principal, path: { user?: string; target?: string }): void => {
    const notFound = (): void => refuse(reply, 404, rpcCodes.invalidRequest, "target_not_found", "No group or server of this user has that name")
    if (path.user !== undefined && path.user !== principal.username && path.user !== principal.userId) return notFound()
    const target: Target | undefined =
      path.target === undefined ? { kind: "all" } : resolveTarget(path.target, principal.groups, settings.current())
    if (target === undefined) return notFound()
    const admitted: Admitted = { request, reply, principal, target }
    const version = request.header("mcp-protocol-version")
    if (version !== undefined && !isStateful(version)) {
      return refuse(
        reply,
        400,
        rpcCodes.invalidRequest,
        "unsupported_version",
        `Unsupported protocol version; this endpoint speaks ${statefulVersions.join(", ")}`
      )
    }
    switch (request.method) {
      case "POST":
        return post(admitted)
      case "GET":
        return listen(admitted)
      case "DELETE":
        return remove(admitted)
      default:
        refuse(reply, 405, rpcCodes.invalidRequest, "method_not_allowed", "Use POST, GET or DELETE", { allow: "POST, GET, DELETE" })
    }
  }

  const post = (admitted: Admitted): void => {
    const { request, reply } = admitted
    const rejected = PostBody.checkHeaders(request)
    if (rejected !== undefined) return refuse(reply, rejected.status, rpcCodes.invalidRequest, rejected.kind, rejected.message)
    request.body(hub.maxBodyBytes, (body) => {
      if (body === "aborted") return
      if (body === "too-large") {
        return refuse(reply, 413, rpcCodes.invalidRequest, "body_too_large", `The body is larger than ${hub.maxBodyBytes} bytes`)
      }
      const parsed = JsonGuard.parse(body)
      if (!parsed.ok) return refuse(reply, 400, rpcCodes.parse, "parse_error", parsed.reason)
      const messages = PostBody.read(parsed.value)
      if (messages.kind === "invalid") {
        const error = JsonRpcErrors.refusal(rpcCodes.invalidRequest, "invalid_request", messages.reason)
        return reply.send(400, JSON.stringify(failure(messages.id, error)), jsonType)
      }
      const opening = messages.kind === "one" && messages.item.kind === "request" && messages.item.message.method === "initialize"
      if (opening) return initialize(admitted, messages.item.message as JsonRpcRequest)
      withSession(admitted, (actor) => deliver(admitted, actor, messages))
    })
  }

  const initialize = (admitted: Admitted, message: JsonRpcRequest): void => {
    const { request, reply, principal, target } = admitted
    const existing = request.header(sessionHeader)
    const live = existing === undefined ? undefined : sessions.find(principal, target, existing)
    if (live !== undefined) {
      const error = JsonRpcErrors.refusal(rpcCodes.invalidRequest, "invalid_request", "This session is initialized already")
      return reply.send(400, JSON.stringify(failure(message.id, error)), jsonType)
    }
    const params = message.params ?? {}
    open(
      admitted,
      {
        protocolVersion: negotiate(params["protocolVersion"]),
        capabilities: objectOr(params["capabilities"]),
        clientInfo: { ...anonymous, ...objectOr(params["clientInfo"]) }
      },
      (actor) => {
        const answer = PostExchange.make(
          { reply, streams, headers: () => ({ [sessionHeader]: actor.wireId }), logDefect: runFork },
          1,
          false
        )
        actor.request(message, principal, answer.exchange(message.id))
      }
    )
  }

  const open = (
    { reply, principal, target }: Admitted,
    client: { readonly protocolVersion: (typeof statefulVersions)[number]; readonly capabilities: JsonObject; readonly clientInfo: JsonObject },
    then: (actor: SessionActor) => void,
    adopt?: WireSessionId
  ): void => {
    runFork(sessions.open({ principal, target, adopt, ...client })).addObserver((exit) => {
      if (Exit.isSuccess(exit)) return then(exit.value)
      const error = Exit.findErrorOption(exit)
      if (error._tag === "None") return refuse(reply, 500, rpcCodes.internal, "internal", "The session could not be opened")
      const { value } = error
      if (value._tag === "HubDraining") return unavailable(reply, value.message, value.retryAfterSeconds)
      refuse(reply, 429, 1429, "session_limit", value.message, { "retry-after": String(value.retryAfterSeconds) })
    })
  }

  /** The session of the header: found, adopted where the id is a label of the client's own (R35), or 404. */
  const withSession = (admitted: Admitted, then: (actor: SessionActor) => void): void => {
    const { request, reply, principal, target } = admitted
    const id = request.header(sessionHeader)
    if (id === undefined) {
      return refuse(reply, 400, rpcCodes.invalidRequest, "session_required", "Mcp-Session-Id is needed; send initialize first")
    }
    if (!legalSessionId.test(id)) return noSession(reply)
    const actor = sessions.find(principal, target, id)
    if (actor !== undefined) return then(actor)
    if (!hub.sessionAdopt || minted.test(id) || sessions.ended(principal, target, id)) return noSession(reply)
    const version = request.header("mcp-protocol-version")
    const client = { protocolVersion: isStateful(version) ? version : assumedVersion, capabilities: {}, clientInfo: anonymous }
    open(admitted, client, then, WireSessionId.make(id))
  }

  const deliver = (admitted: Admitted, actor: SessionActor, body: PostBody.Messages): void => {
    const { reply, principal } = admitted
    if (body.kind === "batch" && !allowsBatch(negotiate(actor.protocolVersion))) {
      return refuse(reply, 400, rpcCodes.invalidRequest, "batch_not_allowed", `Revision ${actor.protocolVersion} has no batches; send one message per POST`)
    }
    const items = body.kind === "batch" ? body.items : [body.item]
    const requests = items.filter((item) => item.kind === "request").length
    // Answers and cancellations still get through: requests in flight may be waiting for them.
    if (requests > 0 && sessions.draining()) return unavailable(reply, "The hub is stopping; send this again in a moment", 5)
    const answer =
      requests === 0
        ? undefined
        : PostExchange.make({ reply, streams, headers: () => undefined, logDefect: runFork }, requests, body.kind === "batch")
    for (const item of items) {
      if (item.kind === "request") actor.request(item.message, principal, answer!.exchange(item.message.id))
      else if (item.kind === "notification") actor.notify(item.message, principal)
      else actor.answer(item.message, principal)
    }
    if (answer === undefined) reply.send(202, undefined)
  }

  /** The session's event stream; the newest one takes over from an older one. */
  const listen = (admitted: Admitted): void => {
    const { request, reply } = admitted
    const accept = request.header("accept") ?? "*/*"
    if (!accept.includes("text/event-stream") && !accept.includes("*/*")) {
      return refuse(reply, 406, rpcCodes.invalidRequest, "not_acceptable", "A GET is answered with text/event-stream only")
    }
    if (request.header(sessionHeader) === undefined) {
      return refuse(reply, 405, rpcCodes.invalidRequest, "session_required", "There is no stream without a session; POST initialize first", {
        allow: "POST"
      })
    }
    const actor = sessions.find(admitted.principal, admitted.target, request.header(sessionHeader)!)
    if (actor === undefined) return noSession(reply)
    const lifetime = Scope.makeUnsafe()
    const stream = streams.open(reply, undefined, () => {
      runFork(Scope.close(lifetime, Exit.void))
    })
    runFork(actor.attach(stream).pipe(Scope.provide(lifetime))).addObserver((exit) => {
      if (Exit.isFailure(exit)) stream.end()
    })
  }

  const remove = ({ request, reply, principal, target }: Admitted): void => {
    const id = request.header(sessionHeader)
    if (id === undefined) {
      return refuse(reply, 400, rpcCodes.invalidRequest, "session_required", "Mcp-Session-Id names the session to end")
    }
    const actor = sessions.find(principal, target, id)
    if (actor === undefined) return noSession(reply)
    runFork(sessions.close(actor.sessionId, "ended by the client")).addObserver((exit) =>
      Exit.isSuccess(exit) ? reply.send(204, undefined) : noSession(reply)
    )
  }

  return McpEndpoint.of({ handle })
})

/** The address held a key: nothing that follows from this answer may pass the address on. */
const withoutReferrer = (reply: WireReply): WireReply => ({
  ...reply,
  send: (status, body, headers) => reply.send(status, body, { ...headers, "referrer-policy": "no-referrer" }),
  stream: (headers) => reply.stream({ ...headers, "referrer-policy": "no-referrer" })
})

const objectOr = (value: unknown): JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? (value as JsonObject) : {}
