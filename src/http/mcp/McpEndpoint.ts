/**
 * The MCP endpoint: `POST|GET|DELETE /mcp`, `/mcp/:target` and `/:user/mcp/:target?`; of the deprecated HTTP+SSE
 * transport `GET /sse`, `/sse/:target` and `POST /messages`.
 *
 * The order is fixed: Host and Origin, the key, the target, then headers and body. A request that cannot be
 * served at all is answered 4xx; once it belongs to a session its failures are JSON-RPC errors under 200, because clients
 * drop a session over a 4xx. From a parsed POST to its upstream there is one fiber and no queue.
 *
 * `serve` is the way of a request, from top to bottom: each step decides, and answers or goes on. It runs through in one
 * turn where the key is remembered, the user has a share left, and nothing else has to be waited for.
 */
import { Context, Effect, Layer, Redacted, Result } from "effect"
import { resolveTarget } from "../../domain/access/Access.ts"
import { auditRequired } from "../../domain/access/AuditPolicy.ts"
import { HubConfig } from "../../domain/config/HubConfig.ts"
import type { UserId } from "../../domain/Ids.ts"
import type { Principal } from "../../domain/identity/Principal.ts"
import { Principals } from "../../domain/identity/Principals.ts"
import { Settings } from "../../domain/servers/Settings.ts"
import { rpcCodes } from "../../domain/protocol/ErrorCodes.ts"
import { clientLimits, readBytes } from "../../domain/protocol/json/JsonLimits.ts"
import { messageEra } from "../../domain/protocol/eras/Admission.ts"
import { assumedVersion, eraOf, statefulRevisions } from "../../domain/protocol/Versions.ts"
import { AnswerBytes } from "../../actors/limits/AnswerBytes.ts"
import { BodyBytes } from "../../actors/limits/BodyBytes.ts"
import { AuditTrail } from "../../actors/observing/AuditTrail.ts"
import { FairShare } from "../../actors/limits/FairShare.ts"
import { HubMetrics } from "../../actors/observing/HubMetrics.ts"
import type { Admitted } from "../admission/Admitted.ts"
import { presentedKey } from "../admission/Authentication.ts"
import { admitSite } from "../admission/Sites.ts"
import * as Cost from "../admission/Cost.ts"
import * as LargeBodies from "../admission/LargeBodies.ts"
import { matchPath, type McpPath } from "../admission/McpPaths.ts"
import * as McpEventTransport from "./McpEventTransport.ts"
import * as McpStateful from "./McpStateful.ts"
import * as McpStateless from "./McpStateless.ts"
import * as OpenSession from "./OpenSession.ts"
import { OpenRate } from "../admission/OpenRate.ts"
import * as PostBody from "../admission/PostBody.ts"
import * as Signposts from "../admission/Signposts.ts"
import type { Wait, Way } from "../wire/Guard.ts"
import {
  bodyTooSlow,
  conflictingKeys,
  invalidRequest,
  methodNotAllowed,
  noEventTransport,
  noSession,
  noTarget,
  refuse,
  tooManyBodies,
  tooManyWaiting,
  tooManyWrongKeys,
  unaudited,
  unauthorized,
  unavailable
} from "../wire/Refusals.ts"
import {
  type LargeBody,
  maxBodyPieces,
  type WireBody,
  type WireHeaders,
  type WireReply,
  type WireRequest
} from "../wire/Wire.ts"
import * as WrongKeys from "../admission/WrongKeys.ts"
import { everything, type Target } from "../../domain/access/Target.ts"

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

/** The path that most clients come by: `/mcp`. */
const wholeHub: McpPath = {}

type Turn = "waited" | "refused"

/** Milliseconds, half of them more or less, before a request that is one too many is told so. */
const refusalMs = 1_000

const make = Effect.gen(function* () {
  const hub = yield* HubConfig
  const principals = yield* Principals
  const settings = yield* Settings
  const audit = yield* AuditTrail
  const share = yield* FairShare
  const answers = yield* AnswerBytes
  const bodies = yield* BodyBytes
  const paying = { bodies, share }
  const largeBodies = LargeBodies.make(share, bodies)
  const metrics = yield* HubMetrics
  const rejections = metrics.counter("mcphub_keys_rejected_total", "Requests without a key that opens the hub")
  const wrongKeys = yield* WrongKeys.make
  const openSession = yield* OpenSession.make
  const stateful = yield* McpStateful.make(openSession)
  const stateless = yield* McpStateless.make(openSession)
  const events = yield* McpEventTransport.make(openSession)

  /** Only counted: a row for every guess would let strangers fill the audit trail. */
  const rejectKey = (reply: WireReply, waitSeconds?: number): void => {
    rejections.increment()
    if (waitSeconds === undefined) unauthorized(reply, "sent")
    else tooManyWrongKeys(reply, waitSeconds)
  }

  /** A person who follows the address that the hub has printed meets a page. */
  const rejectNone = (request: WireRequest, reply: WireReply): void => {
    rejections.increment()
    if (!Signposts.wantsPage(request)) return unauthorized(reply, "none")
    Signposts.sendPage(reply, 401, hub.basePath)
  }

  const handle = (request: WireRequest, reply: WireReply): boolean => {
    const path = request.path === "/mcp" ? wholeHub : matchPath(request.path)
    if (path === undefined) return false
    if (request.query.has("key")) reply.always(noReferrer)
    reply.guard.go(serve(request, reply, path))
    return true
  }

  function* serve(request: WireRequest, reply: WireReply, path: McpPath): Way {
    const { headers, peer } = request
    // The same connection has been admitted under this Host, and no page asks.
    const isSameSite =
      headers["origin"] === undefined && headers["host"] !== undefined && headers["host"] === peer.admittedHost
    if (!isSameSite && !admitSite(request, reply, hub)) return
    const presented = presentedKey(request, hub.allowQueryKey)
    if (presented.kind === "none") return rejectNone(request, reply)
    if (presented.kind === "conflict") return conflictingKeys(reply, presented.places)
    const known = principals.peek(presented.key)
    let principal = known
    // An event stream is open for long and costs nothing; how often it may be opened is `OpenRate`'s.
    if (known !== undefined && request.method !== "GET") {
      const { userId } = known
      if (share.begin(userId, path.old === undefined)) reply.onEnd(() => share.ended(userId))
      else {
        const turn = (yield turnOf(userId, path, reply)) as Turn
        if (turn === "refused") return yield* refuseLater(reply)
        principal = principals.peek(presented.key, true)
      }
    }
    principal ??= yield* authenticated(request, reply, presented.key)
    if (principal === undefined) return
    const { userId } = principal
    reply.guard.subject.userId = userId
    if (peer.isStranger) reply.recognized()
    reply.charge((bytes) => answers.leaving(userId, bytes))

    if (path.old !== undefined) return yield* serveOld(request, reply, principal, path, presented.key)
    if (path.user !== undefined && path.user !== principal.username && path.user !== principal.userId)
      return noTarget(reply)
    const target = targetOf(path, principal)
    if (target === undefined) return noTarget(reply)
    let admitted: Admitted | undefined = { request, reply, principal, target }
    switch (request.method) {
      case "POST": {
        if (!mayPost(admitted, PostBody.checkHeaders)) return
        const inForce = settings.current()
        const messages = yield* messagesOf(request, principal, reply)
        if (messages === undefined) return
        if (!principal.standing.isCurrent || settings.current() !== inForce) {
          admitted = yield* admittedAnew(admitted, path, presented.key)
          if (admitted === undefined) return
        }
        return yield* (isStateless(request, messages) ? stateless : stateful).post(admitted, messages)
      }
      case "GET":
        return namesStateless(request) ? methodNotAllowed(reply, "POST") : yield* stateful.listen(admitted)
      case "DELETE":
        return namesStateless(request) ? methodNotAllowed(reply, "POST") : yield* stateful.remove(admitted)
      default:
        methodNotAllowed(reply, "POST, GET, DELETE")
    }
  }

  /** A user's requests beyond their share wait, unread; what their key opens is looked at when they go on. */
  const turnOf =
    (userId: UserId, { old }: McpPath, reply: WireReply): Wait<Turn> =>
    (resume) => {
      const admission = share.admit(userId, old === undefined, () => {
        reply.onEnd(() => share.ended(userId))
        resume("waited")
      })
      if (admission === "refused") resume("refused")
      else if (admission !== "runs") reply.onAbort(admission)
    }

  /** A refused client comes again at once, and all of them together: each is told at a moment of its own. */
  function* refuseLater(reply: WireReply): Way {
    const { guard } = reply
    const pause = guard.fork(Effect.sleep(refusalMs * (0.5 + Math.random())))
    reply.onAbort(() => pause.interruptUnsafe())
    yield* guard.passed(pause)
    tooManyWaiting(reply)
  }

  /** The user of a key that is not remembered. Undefined: rejected or not known now, and answered. */
  function* authenticated(request: WireRequest, reply: WireReply, key: string): Way<Principal | undefined> {
    const result = yield* reply.guard.resultOf(principals.authenticate(Redacted.make(key)))
    if (Result.isSuccess(result)) return result.success
    if (result.failure._tag === "KeyRejected") rejectKey(reply, wrongKeys.count(request.address))
    else unavailable(reply, "The hub cannot check keys at the moment; try again", 2)
    return undefined
  }

  /**
   * A request whose body was under way while its user's access changed, as it is admitted by now. Undefined: it is not,
   * and that is answered.
   */
  function* admittedAnew(
    { principal, reply, request }: Admitted,
    path: McpPath,
    key: string
  ): Way<Admitted | undefined> {
    const now = yield* inForce(principal, request, reply, key)
    if (now === undefined) return undefined
    const target = targetOf(path, now)
    if (target === undefined) return void noTarget(reply)
    const admitted: Admitted = { request, reply, principal: now, target }
    return mayPost(admitted, PostBody.checkHeaders) ? admitted : undefined
  }

  /** The principal as its key makes it now. Undefined: the key opens nothing any more, or not now, and that is answered. */
  function* inForce(
    principal: Principal,
    request: WireRequest,
    reply: WireReply,
    key: string
  ): Way<Principal | undefined> {
    if (principal.standing.isCurrent) return principal
    return principals.peek(key, true) ?? (yield* authenticated(request, reply, key))
  }

  /** The target in the path, for this user and now. */
  const targetOf = (path: McpPath, principal: Principal): Target | undefined =>
    path.target === undefined ? everything : resolveTarget(path.target, principal.groups, settings.current())

  function* serveOld(request: WireRequest, reply: WireReply, principal: Principal, path: McpPath, key: string): Way {
    reply.always(McpEventTransport.deprecation)
    if (!hub.sseTransport) return path.old === "sse" ? noEventTransport(reply) : noSession(reply)
    if (path.old === "messages") {
      if (request.method !== "POST") return methodNotAllowed(reply, "POST")
      if (foundFor(request, reply, principal) === undefined) return
      const messages = yield* messagesOf(request, principal, reply)
      const now = messages === undefined ? undefined : yield* inForce(principal, request, reply, key)
      // Looked for again: stream and access may have gone while the body came.
      const found = now === undefined ? undefined : foundFor(request, reply, now)
      return found === undefined || messages === undefined ? undefined : yield* found.take(messages)
    }
    const targetFor = (who: Principal) => targetOf(path, who)
    const target = targetFor(principal)
    if (target === undefined) return noTarget(reply)
    if (request.method !== "GET") return methodNotAllowed(reply, "GET")
    yield* events.listen({ request, reply, principal, target }, targetFor)
  }

  /** The stream that a POST of the old transport names, if it may post there; where not, that is answered. */
  const foundFor = (request: WireRequest, reply: WireReply, principal: Principal) => {
    const found = events.find({ request, reply, principal })
    return found !== undefined && mayPost(found.admitted, PostBody.checkContent) ? found : undefined
  }

  /** Whether the body of a POST is to be read; when not, that is answered. */
  const mayPost = (
    { principal, reply, request, target }: Admitted,
    check: (request: WireRequest) => PostBody.Rejection | undefined
  ): boolean => {
    if (!audit.writable(principal.userId) && auditRequired(target, principal.groups, settings.current())) {
      unaudited(reply)
      return false
    }
    const rejected = check(request)
    if (rejected === undefined) return true
    refuse(reply, rejected.status, rpcCodes.invalidRequest, rejected.kind, rejected.message)
    return false
  }

  /** The messages of a POST, once its user may have them parsed and delivered. Undefined: none, and that is answered. */
  function* messagesOf(
    request: WireRequest,
    principal: Principal,
    reply: WireReply
  ): Way<PostBody.Messages | undefined> {
    const { userId } = principal
    const takeIn = (resume: (body: WireBody) => void): void => {
      const room = () => bodies.arriving(userId)
      request.body({ bytes: hub.maxBodyBytes, milliseconds: hub.bodyTimeout, room }, resume)
    }
    const body = (yield takeIn as Wait<unknown>) as WireBody
    if (body instanceof Uint8Array || typeof body === "string") {
      const messages = messagesIn(body, userId, reply)
      return messages?.kind === "batch" ? yield* paidFor(messages, userId, body.length, reply) : messages
    }
    const messages = yield* largeBodies.messagesOf(body, userId, reply)
    return messages?.kind === "batch" ? yield* paidFor(messages, userId, body.pieces.byteLength, reply) : messages
  }

  /** A batch, once its user has paid for each of its messages. Undefined: there is no room to wait, and that is answered. */
  function* paidFor(
    messages: PostBody.Batch,
    userId: UserId,
    bytes: number,
    reply: WireReply
  ): Way<PostBody.Messages | undefined> {
    // The first message is paid for with the request.
    const others = messages.items.length - 1
    if (others === 0 || (yield* Cost.pay(paying, userId, "batch", others, bytes, reply))) return messages
    return void tooManyBodies(reply, bodies.max)
  }

  /** The messages in a body. Undefined: there are none to take, and that is answered. */
  const messagesIn = (
    body: Exclude<WireBody, LargeBody>,
    userId: UserId,
    reply: WireReply
  ): PostBody.Messages | undefined => {
    if (body === "aborted") return undefined
    if (body === "too-large") {
      const message = `The body is larger than ${hub.maxBodyBytes} bytes`
      return void refuse(reply, 413, rpcCodes.invalidRequest, "body_too_large", message)
    }
    if (body === "too-many-pieces") {
      const message = `The body comes in more than ${maxBodyPieces} chunks; send it in larger ones`
      return void refuse(reply, 400, rpcCodes.invalidRequest, "too_many_chunks", message)
    }
    if (body === "too-slow") return void bodyTooSlow(reply)
    if (body === "no-room") return void tooManyBodies(reply, bodies.max)
    // A member has two bytes at least: where there cannot be many, nothing is weighed.
    const weigh =
      body.byteLength <= 2 * Cost.membersPerUnit
        ? undefined
        : (members: number): void => {
            const units = Cost.unitsOfMembers(members)
            if (units > 0) share.charge(userId, "body", units)
          }
    const parsed = readBytes(body, clientLimits, weigh)
    if (!parsed.ok) return void refuse(reply, 400, rpcCodes.parse, "parse_error", `The body ${parsed.reason}`)
    const messages = PostBody.read(parsed.value)
    return messages.kind === "invalid" ? void invalidRequest(reply, messages.id, messages.reason) : messages
  }

  return McpEndpoint.of({ handle })
})

/** Where neither header nor `_meta` names a revision, or the header one with sessions, there is nothing to weigh. */
const isStateless = (request: WireRequest, messages: PostBody.Messages): boolean => {
  if (messages.kind === "batch" || messages.item.kind === "response") return false
  const { message } = messages.item
  const version = request.headers["mcp-protocol-version"]
  const isPlain = message.params?.["_meta"] === undefined && (version === undefined || statefulRevisions.has(version))
  return !isPlain && messageEra(request.header, message) === "stateless"
}

const namesStateless = (request: WireRequest): boolean =>
  eraOf(request.headers["mcp-protocol-version"] ?? assumedVersion) === "stateless"

/** The address held a key: nothing that follows from this answer may pass the address on. */
const noReferrer: WireHeaders = { "referrer-policy": "no-referrer" }
