/**
 * The MCP endpoint: `POST|GET|DELETE /mcp`, `/mcp/:target` and `/:user/mcp/:target?`; of the deprecated HTTP+SSE
 * transport `GET /sse`, `/sse/:target` and `POST /messages`.
 *
 * The order is fixed: Host and Origin, the key, the target, then headers and body. What cannot be served at all answers
 * 4xx; once a request belongs to a session its failures are JSON-RPC errors under 200, because clients drop a session
 * over a 4xx. From a parsed POST to its upstream there is one fiber and no queue.
 */
import { Cause, Context, Effect, Exit, Layer, Redacted } from "effect"
import { resolveTarget } from "../../domain/access/Access.ts"
import { auditRequired } from "../../domain/access/AuditPolicy.ts"
import { HubConfig } from "../../domain/config/HubConfig.ts"
import type { UserId } from "../../domain/Ids.ts"
import type { Principal } from "../../domain/identity/Principal.ts"
import { Principals } from "../../domain/identity/Principals.ts"
import { Settings } from "../../domain/servers/Settings.ts"
import { rpcCodes } from "../../domain/protocol/ErrorCodes.ts"
import { messageEra } from "../../domain/protocol/eras/Admission.ts"
import { assumedVersion, eraOf } from "../../domain/protocol/Versions.ts"
import { AnswerBytes } from "../../actors/limits/AnswerBytes.ts"
import { AuditTrail } from "../../actors/observing/AuditTrail.ts"
import { FairShare } from "../../actors/limits/FairShare.ts"
import { HubMetrics } from "../../actors/observing/HubMetrics.ts"
import type { Admitted } from "../admission/Admitted.ts"
import { isForeignSite, presentedKey } from "../admission/Authentication.ts"
import * as JsonGuard from "../admission/JsonGuard.ts"
import { matchPath, type McpPath } from "../admission/McpPaths.ts"
import * as McpEventTransport from "./McpEventTransport.ts"
import * as McpStateful from "./McpStateful.ts"
import * as McpStateless from "./McpStateless.ts"
import { OpenRate } from "../admission/OpenRate.ts"
import * as PostBody from "../admission/PostBody.ts"
import {
  conflictingKeys,
  foreignSite,
  invalidRequest,
  methodNotAllowed,
  noEventTransport,
  noSession,
  noTarget,
  refuse,
  tooManyWaiting,
  tooManyWrongKeys,
  unaudited,
  unauthorized,
  unavailable
} from "../wire/Refusals.ts"
import { maxBodyPieces, type WireBody, type WireHeaders, type WireReply, type WireRequest } from "../wire/Wire.ts"
import * as WrongKeys from "../admission/WrongKeys.ts"
import type { Target } from "../../domain/access/Target.ts"

export class McpEndpoint extends Context.Service<
  McpEndpoint,
  {
    /** Serves the request if its path is the endpoint's; false leaves it to others. */
    readonly handle: (request: WireRequest, reply: WireReply) => boolean
  }
>()("mcphub/http/mcp/McpEndpoint") {
  static readonly layer = Layer.effect(
    McpEndpoint,
    Effect.suspend(() => make)
  ).pipe(Layer.provide(OpenRate.layer))
}

/** How long a request that is one too many stays without an answer, in milliseconds; half of it more or less. */
const refusalMs = 1_000

const make = Effect.gen(function* () {
  const hub = yield* HubConfig
  const principals = yield* Principals
  const settings = yield* Settings
  const audit = yield* AuditTrail
  const share = yield* FairShare
  const answers = yield* AnswerBytes
  const metrics = yield* HubMetrics
  const rejections = metrics.counter("mcphub_keys_rejected_total", "Requests without a key that opens the hub")
  const wrongKeys = yield* WrongKeys.make
  const stateful = yield* McpStateful.make
  const stateless = yield* McpStateless.make
  const events = yield* McpEventTransport.make
  const services = yield* Effect.context<never>()
  const runFork = Effect.runForkWith(services)

  /** Only counted: a row for every guess would let strangers fill the audit trail. */
  const rejectKey = (reply: WireReply, waitSeconds?: number): void => {
    rejections.increment()
    if (waitSeconds === undefined) unauthorized(reply)
    else tooManyWrongKeys(reply, waitSeconds)
  }

  const handle = (request: WireRequest, unguarded: WireReply): boolean => {
    const path = matchPath(request.path)
    if (path === undefined) return false
    const reply = request.query.has("key") ? withHeaders(unguarded, noReferrer) : unguarded
    if (isForeignSite(request, hub)) {
      foreignSite(reply)
      return true
    }
    const presented = presentedKey(request, hub.allowQueryKey)
    if (presented.kind === "none") {
      rejectKey(reply)
      return true
    }
    if (presented.kind === "conflict") {
      conflictingKeys(reply)
      return true
    }
    const known = principals.peek(presented.key)
    // An event stream is open for long and costs nothing; how often it may be opened is `OpenRate`'s.
    if (known === undefined || request.method === "GET") identify(request, reply, path, presented.key, known)
    else {
      inTurn(known.userId, path, reply, (hasWaited) => {
        const still = hasWaited ? principals.peek(presented.key, true) : known
        identify(request, reply, path, presented.key, still)
      })
    }
    return true
  }

  /** A user's requests beyond their share wait, unread; what their key opens is looked at when they go on. */
  const inTurn = (userId: UserId, { old }: McpPath, reply: WireReply, run: (hasWaited: boolean) => void): void => {
    let waits = false
    const admission = share.admit(userId, old === undefined, () => {
      reply.onEnd(() => share.ended(userId))
      run(waits)
    })
    waits = true
    if (admission === "refused") return refuseLater(reply)
    if (admission !== "runs") reply.onAbort(admission)
  }

  /** Who is refused comes again at once, and all of them together: each is told at a moment of its own. */
  const refuseLater = (reply: WireReply): void => {
    const pause = Effect.sleep(refusalMs * (0.5 + Math.random()))
    const refusal = runFork(
      Effect.andThen(
        pause,
        Effect.sync(() => tooManyWaiting(reply))
      )
    )
    reply.onAbort(() => refusal.interruptUnsafe())
  }

  const identify = (
    request: WireRequest,
    reply: WireReply,
    path: McpPath,
    key: string,
    known: Principal | undefined
  ): void => {
    if (known !== undefined) return guarded(reply, () => admit(request, reply, known, path))(undefined)
    runFork(principals.authenticate(Redacted.make(key))).addObserver((exit) => {
      if (Exit.isSuccess(exit)) return guarded(reply, () => admit(request, reply, exit.value, path))(undefined)
      const error = Exit.findErrorOption(exit)
      if (error._tag === "Some" && error.value._tag === "KeyRejected") {
        return rejectKey(reply, wrongKeys.count(request.address))
      }
      unavailable(reply, "The hub cannot check keys at the moment; try again", 2)
    })
  }

  /**
   * What runs in a callback of the platform has no fiber around it: a defect there would end the process, and with it
   * every user's sessions. It ends this one request instead.
   */
  const guarded =
    <A>(reply: WireReply, run: (value: A) => void) =>
    (value: A): void => {
      try {
        run(value)
      } catch (defect) {
        runFork(Effect.logError("A request died of a defect before any session took it", Cause.die(defect)))
        refuse(reply, 500, rpcCodes.internal, "internal", "Internal error; the hub's log has the details")
      }
    }

  const admit = (request: WireRequest, reply: WireReply, principal: Principal, path: McpPath): void => {
    reply.charge((bytes) => answers.leaving(principal.userId, bytes))
    if (path.old !== undefined)
      return admitOld(request, withHeaders(reply, McpEventTransport.deprecation), principal, path)
    if (path.user !== undefined && path.user !== principal.username && path.user !== principal.userId)
      return noTarget(reply)
    const target = targetOf(path, principal)
    if (target === undefined) return noTarget(reply)
    const admitted: Admitted = { request, reply, principal, target }
    switch (request.method) {
      case "POST":
        return post(admitted, PostBody.checkHeaders, (messages) => {
          const era =
            messages.kind === "one" && messages.item.kind !== "response"
              ? messageEra(request.header, messages.item.message)
              : "stateful"
          if (era === "stateless") return stateless.post(admitted, messages)
          stateful.post(admitted, messages)
        })
      case "GET":
        return namesStateless(request) ? methodNotAllowed(reply, "POST") : stateful.listen(admitted)
      case "DELETE":
        return namesStateless(request) ? methodNotAllowed(reply, "POST") : stateful.remove(admitted)
      default:
        methodNotAllowed(reply, "POST, GET, DELETE")
    }
  }

  /** What the path names, for this user and now. */
  const targetOf = (path: McpPath, principal: Principal): Target | undefined =>
    path.target === undefined ? { kind: "all" } : resolveTarget(path.target, principal.groups, settings.current())

  const admitOld = (request: WireRequest, reply: WireReply, principal: Principal, path: McpPath): void => {
    if (!hub.sseTransport) return path.old === "sse" ? noEventTransport(reply) : noSession(reply)
    if (path.old === "messages") {
      if (request.method !== "POST") return methodNotAllowed(reply, "POST")
      const found = events.find({ request, reply, principal })
      if (found !== undefined) post(found.admitted, PostBody.checkContent, found.take)
      return
    }
    const targetFor = (who: Principal) => targetOf(path, who)
    const target = targetFor(principal)
    if (target === undefined) return noTarget(reply)
    if (request.method !== "GET") return methodNotAllowed(reply, "GET")
    events.listen({ request, reply, principal, target }, targetFor)
  }

  const post = (
    admitted: Admitted,
    check: (request: WireRequest) => PostBody.Rejection | undefined,
    take: (messages: PostBody.Messages) => void
  ): void => {
    const { request, reply } = admitted
    if (!audit.writable() && auditRequired(admitted.target, admitted.principal.groups, settings.current()))
      return unaudited(reply)
    const rejected = check(request)
    if (rejected !== undefined)
      return refuse(reply, rejected.status, rpcCodes.invalidRequest, rejected.kind, rejected.message)
    request.body(
      hub.maxBodyBytes,
      guarded(reply, (body: WireBody) => {
        if (body === "aborted") return
        if (body === "too-large") {
          return refuse(
            reply,
            413,
            rpcCodes.invalidRequest,
            "body_too_large",
            `The body is larger than ${hub.maxBodyBytes} bytes`
          )
        }
        if (body === "too-many-pieces") {
          const message = `The body comes in more than ${maxBodyPieces} chunks; send it in larger ones`
          return refuse(reply, 400, rpcCodes.invalidRequest, "too_many_chunks", message)
        }
        const parsed = JsonGuard.parse(body)
        if (!parsed.ok) return refuse(reply, 400, rpcCodes.parse, "parse_error", parsed.reason)
        const messages = PostBody.read(parsed.value)
        if (messages.kind === "invalid") return invalidRequest(reply, messages.id, messages.reason)
        take(messages)
      })
    )
  }

  return McpEndpoint.of({ handle })
})

const namesStateless = (request: WireRequest): boolean =>
  eraOf(request.header("mcp-protocol-version") ?? assumedVersion) === "stateless"

/** The address held a key: nothing that follows from this answer may pass the address on. */
const noReferrer: WireHeaders = { "referrer-policy": "no-referrer" }

/** Every answer gets these headers, too. */
const withHeaders = (reply: WireReply, more: WireHeaders): WireReply => ({
  ...reply,
  send: (status, body, headers) => reply.send(status, body, { ...headers, ...more }),
  stream: (headers) => reply.stream({ ...headers, ...more })
})
