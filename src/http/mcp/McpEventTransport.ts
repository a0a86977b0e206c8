/**
 * The transport of revision 2024-11-05, HTTP+SSE: a GET opens an event stream that says where to POST, and everything
 * the hub has to say travels on that stream. Deprecated since 2025-03-26, and here for clients that speak nothing newer.
 *
 * Stream and session are one: whichever ends takes the other along, and nothing is resumed. The session begins when the
 * client has said what it can do, so until `initialize` there is a stream that holds its user's place for it. The id in
 * the address to POST to opens nothing: every POST needs the key, and finds only streams that this key has opened.
 *
 * Source: MCP 2024-11-05 `basic/transports`, "HTTP with SSE"; RFC 9745 (Deprecation).
 */
import { randomUUID } from "node:crypto"
import { Effect, Exit, type Fiber, Scope, Stream } from "effect"
import { HubConfig } from "../../domain/config/HubConfig.ts"
import { type KeyId, type UserId, WireSessionId } from "../../domain/Ids.ts"
import type { Principal } from "../../domain/identity/Principal.ts"
import { Principals } from "../../domain/identity/Principals.ts"
import { type JsonObject, success } from "../../domain/protocol/JsonRpc.ts"
import type { SessionRefused } from "../../domain/requests/SessionErrors.ts"
import {
  eventTransportVersion,
  isStateful,
  negotiateOverEvents,
  type SessionVersion
} from "../../domain/protocol/Versions.ts"
import { FairShare } from "../../actors/limits/FairShare.ts"
import { HubMetrics } from "../../actors/observing/HubMetrics.ts"
import type { EventWriter } from "../../actors/calls/ClientExchange.ts"
import type { SessionActor } from "../../actors/session/SessionActor.ts"
import { Sessions } from "../../actors/registry/Sessions.ts"
import type { Admitted } from "../admission/Admitted.ts"
import * as EventExchange from "./EventExchange.ts"
import { acceptsEvents, type EventStream, EventStreams } from "../wire/EventStreams.ts"
import { type OpenSession, orRefused } from "./OpenSession.ts"
import { unitsOfSession } from "../admission/Cost.ts"
import { OpenRate } from "../admission/OpenRate.ts"
import type * as PostBody from "../admission/PostBody.ts"
import type { Guard, Way } from "../wire/Guard.ts"
import { invalidRequest, noSession, unauthorized } from "../wire/Refusals.ts"
import * as SessionDelivery from "./SessionDelivery.ts"
import type { WireHeaders } from "../wire/Wire.ts"
import type { SessionPlace } from "../../actors/session/Session.ts"
import type { Target } from "../../domain/access/Target.ts"

/** Since the day revision 2025-03-26 replaced the transport; on every answer of it. */
export const deprecation: WireHeaders = { deprecation: "@1742947200" }

export interface McpEventTransport {
  /** GET: opens the stream. `targetFor` is the target of its path, for whoever the user is by then. */
  readonly listen: (admitted: Admitted, targetFor: (principal: Principal) => Target | undefined) => Way
  /** POST: the stream the request names, if its key has opened it. Otherwise answered here. */
  readonly find: (request: Omit<Admitted, "target">) => Found | undefined
}

export interface Found {
  readonly admitted: Admitted
  readonly take: (body: PostBody.Messages) => Way
}

interface Connection {
  readonly wireId: WireSessionId
  readonly userId: UserId
  readonly keyId: KeyId
  readonly target: Target
  readonly targetFor: (principal: Principal) => Target | undefined
  readonly place: SessionPlace
  /** Ends with the stream, and ends the session. */
  readonly lifetime: Scope.Closeable
  /** The stream's. */
  readonly guard: Guard
  readonly stream: EventStream
  session: Fiber.Fiber<SessionActor, SessionRefused> | undefined
}

const keyOf = ({ keyId, userId }: Pick<Connection, "keyId" | "userId">, id: string): string =>
  `${userId}\n${keyId}\n${id}`

export const make = Effect.fnUntraced(function* (openSession: OpenSession) {
  const hub = yield* HubConfig
  const sessions = yield* Sessions
  const streams = yield* EventStreams
  const principals = yield* Principals
  const rate = yield* OpenRate
  const share = yield* FairShare
  const metrics = yield* HubMetrics
  /** Every stream that stands, under its user, key and id. */
  const connections = new Map<string, Connection>()

  yield* metrics.gauge(
    "mcphub_sse_transport_streams",
    "Clients on the deprecated HTTP+SSE transport",
    () => connections.size
  )

  // Those with a session end with it, after their requests have been answered.
  yield* principals.invalidations.pipe(
    Stream.runForEach(({ keyId, revoked, userId }) =>
      Effect.sync(() => {
        if (!revoked) return
        for (const waiting of connections.values()) {
          if (waiting.session !== undefined || waiting.userId !== userId) continue
          if (keyId === undefined || waiting.keyId === keyId) waiting.stream.end()
        }
      })
    ),
    Effect.forkScoped
  )

  function* listen(admitted: Admitted, targetFor: Connection["targetFor"]): Way {
    const { principal, reply, request, target } = admitted
    if (!acceptsEvents(request, reply) || !rate.mayOpen(principal.userId, reply)) return
    share.charge(principal.userId, "session", unitsOfSession)
    const { guard } = reply
    const lifetime = Scope.makeUnsafe()
    const end = (): void => guard.background(Scope.close(lifetime, Exit.void))
    reply.onAbort(end)
    const taken = Effect.acquireRelease(sessions.reserve(principal), ({ leave }) => Effect.sync(leave))
    const place = orRefused(reply, yield* guard.resultOf(Scope.provide(taken, lifetime)))
    if (place === undefined || reply.isGone()) return
    if (principal.standing.key.isRevoked) return unauthorized(reply, "sent")
    const wireId = WireSessionId.make(randomUUID())
    const { keyId, userId } = principal
    const key = keyOf(principal, wireId)
    const stream = streams.open(reply, undefined, () => {
      connections.delete(key)
      end()
    })
    connections.set(key, {
      wireId,
      userId,
      keyId,
      target,
      targetFor,
      place,
      lifetime,
      guard,
      stream,
      session: undefined
    })
    reply.onEnd(() => connections.delete(key))
    stream.named("endpoint", `${hub.basePath}/messages?sessionId=${wireId}`)
  }

  const find: McpEventTransport["find"] = (unaimed) => {
    const { principal, request } = unaimed
    const id = request.query.get("sessionId") ?? ""
    const connection = connections.get(keyOf(principal, id))
    // The user's access can have changed since the stream was opened.
    const target = connection?.targetFor(principal)
    if (connection === undefined || target === undefined || target.text !== connection.target.text) {
      openSession.notTheirs(unaimed, id)
      return undefined
    }
    const admitted: Admitted = { ...unaimed, target }
    return { admitted, take: (body) => take(connection, admitted, body) }
  }

  function* take(connection: Connection, admitted: Admitted, body: PostBody.Messages): Way {
    const { reply } = admitted
    const { guard, stream } = connection
    const request = body.kind === "one" && body.item.kind === "request" ? body.item.message : undefined
    const opens = request?.method === "initialize"
    if (opens && connection.session !== undefined) {
      return invalidRequest(reply, request.id, "This session is initialized already")
    }
    if (connection.session === undefined && !opens) {
      if (SessionDelivery.requestIdsOf(body).length === 0) return EventExchange.accept(reply)
      if (request?.method === "ping") {
        stream.send(success(request.id, {}))
        return EventExchange.accept(reply)
      }
      // A client whose stream broke opens another one and goes on, as servers without a hub let it.
      if (!hub.sessionAdopt) return invalidRequest(reply, request?.id ?? null, "Send initialize first")
    }
    const actor = yield* sessionOf(connection, admitted, opens ? (request.params ?? {}) : undefined)
    if (actor === undefined) return
    if (!connections.has(keyOf(connection, connection.wireId))) return noSession(reply)
    if (!SessionDelivery.mayDeliver(sessions, actor, admitted, body)) return
    guard.subject.sessionId = actor.sessionId
    const answer = EventExchange.make({ reply, guard, send: stream.send, isBatch: body.kind === "batch" })
    SessionDelivery.deliver(actor, admitted, body, answer)
    answer.accept()
  }

  /** The session of the stream, opened by the first message that needs one. Undefined: refused, and answered. */
  function* sessionOf(
    connection: Connection,
    { principal, reply, request, target }: Admitted,
    params: JsonObject | undefined
  ): Way<SessionActor | undefined> {
    const { lifetime, place, stream, wireId } = connection
    const opened = (): Effect.Effect<SessionActor, SessionRefused> =>
      Effect.acquireRelease(
        sessions.open({
          principal,
          target,
          protocolVersion: revisionOf(params, request.headers["mcp-protocol-version"]),
          ...openSession.introduction(params),
          streamed: { wireId, place }
        }),
        ({ sessionId }) => Effect.ignore(sessions.close(sessionId, "its event stream has ended"))
      ).pipe(
        Effect.tap((actor) => Effect.catch(actor.attach(reader(stream)), () => Effect.sync(stream.end))),
        Scope.provide(lifetime)
      )
    const opening = connection.session ?? reply.guard.fork(Effect.suspend(opened))
    connection.session = opening
    let actor: SessionActor | undefined
    try {
      actor = orRefused(reply, yield* reply.guard.resultOfFiber(opening))
    } finally {
      if (actor === undefined && connection.session === opening) connection.session = undefined
    }
    return actor
  }

  return { listen, find } satisfies McpEventTransport
})

/** The one asked for at `initialize`; without that, the one that the client goes on in. */
const revisionOf = (params: JsonObject | undefined, header: string | undefined): SessionVersion => {
  if (params !== undefined) return negotiateOverEvents(params["protocolVersion"])
  return isStateful(header) ? header : eventTransportVersion
}

/** Reads messages that belong to no request. Events have no ids here; those without data only carry one: left out. */
const reader = (stream: EventStream): EventWriter => ({
  event: (_id, json) => json === "" || stream.named("message", json),
  end: stream.end
})
