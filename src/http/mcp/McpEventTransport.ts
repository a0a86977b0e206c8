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
import {
  eventTransportVersion,
  isStateful,
  negotiateOverEvents,
  type SessionVersion
} from "../../domain/protocol/Versions.ts"
import { AuditTrail } from "../../actors/observing/AuditTrail.ts"
import { HubMetrics } from "../../actors/observing/HubMetrics.ts"
import type { EventWriter } from "../../actors/calls/ClientExchange.ts"
import type { SessionActor } from "../../actors/session/SessionActor.ts"
import { Sessions } from "../../actors/registry/Sessions.ts"
import type { Admitted } from "../admission/Admitted.ts"
import * as EventExchange from "./EventExchange.ts"
import { admits, type EventStream, EventStreams } from "../wire/EventStreams.ts"
import { anonymous, introduction, notTheirs, type OpenFailure, refuseFailed } from "./OpenSession.ts"
import { OpenRate } from "../admission/OpenRate.ts"
import type * as PostBody from "../admission/PostBody.ts"
import { invalidRequest, noSession } from "../wire/Refusals.ts"
import * as SessionDelivery from "./SessionDelivery.ts"
import type { WireHeaders } from "../wire/Wire.ts"
import type { SessionPlace } from "../../actors/session/Session.ts"
import { type Target, targetText } from "../../domain/access/Target.ts"

/** Since the day revision 2025-03-26 replaced the transport; on every answer of it. */
export const deprecation: WireHeaders = { deprecation: "@1742947200" }

export interface McpEventTransport {
  /** GET: opens the stream. `targetFor` is the target of its path, for whoever the user is by then. */
  readonly listen: (admitted: Admitted, targetFor: (principal: Principal) => Target | undefined) => void
  /** POST: the stream the request names, if its key has opened it. Otherwise answered here. */
  readonly find: (request: Omit<Admitted, "target">) => Found | undefined
}

export interface Found {
  readonly admitted: Admitted
  readonly take: (body: PostBody.Messages) => void
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
  readonly stream: () => EventStream
  session: Fiber.Fiber<SessionActor, OpenFailure> | undefined
}

const keyOf = ({ keyId, userId }: Pick<Connection, "keyId" | "userId">, id: string): string =>
  `${userId}\n${keyId}\n${id}`

export const make = Effect.gen(function* () {
  const hub = yield* HubConfig
  const sessions = yield* Sessions
  const streams = yield* EventStreams
  const principals = yield* Principals
  const audit = yield* AuditTrail
  const rate = yield* OpenRate
  const metrics = yield* HubMetrics
  const services = yield* Effect.context<never>()
  const runFork = Effect.runForkWith(services)
  const unnamed = anonymous(hub.version)
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
          if (keyId === undefined || waiting.keyId === keyId) waiting.stream().end()
        }
      })
    ),
    Effect.forkScoped
  )

  const listen: McpEventTransport["listen"] = (admitted, targetFor) => {
    const { principal, reply, request } = admitted
    if (!admits(request, reply) || !rate.admits(principal.userId, reply)) return
    const lifetime = Scope.makeUnsafe()
    let gone = false
    const end = (): void => {
      gone = true
      runFork(Scope.close(lifetime, Exit.void))
    }
    reply.onAbort(end)
    const place = Effect.acquireRelease(sessions.reserve(principal), ({ leave }) => Effect.sync(leave))
    runFork(Scope.provide(place, lifetime)).addObserver((exit) => {
      if (Exit.isFailure(exit)) return refuseFailed(reply, exit)
      if (!gone) begin(admitted, { place: exit.value, targetFor, lifetime }, end)
    })
  }

  const begin = (
    { principal: { keyId, userId }, reply, target }: Admitted,
    held: Pick<Connection, "place" | "targetFor" | "lifetime">,
    end: () => void
  ): void => {
    const wireId = WireSessionId.make(randomUUID())
    const connection: Connection = { ...held, wireId, userId, keyId, target, stream: () => stream, session: undefined }
    const key = keyOf(connection, wireId)
    connections.set(key, connection)
    const stream = streams.open(reply, undefined, () => {
      connections.delete(key)
      end()
    })
    stream.named("endpoint", `${hub.basePath}/messages?sessionId=${wireId}`)
  }

  const find: McpEventTransport["find"] = (unaimed) => {
    const { principal, request } = unaimed
    const id = request.query.get("sessionId") ?? ""
    const connection = connections.get(keyOf(principal, id))
    // What the user may reach can have changed since the stream was opened.
    const target = connection?.targetFor(principal)
    if (connection === undefined || target === undefined || targetText(target) !== targetText(connection.target)) {
      notTheirs(sessions, audit, unaimed, id)
      return undefined
    }
    const admitted: Admitted = { ...unaimed, target }
    return { admitted, take: (body) => take(connection, admitted, body) }
  }

  const take = (connection: Connection, admitted: Admitted, body: PostBody.Messages): void => {
    const { reply } = admitted
    const request = body.kind === "one" && body.item.kind === "request" ? body.item.message : undefined
    const opens = request?.method === "initialize"
    if (opens && connection.session !== undefined) {
      return invalidRequest(reply, request.id, "This session is initialized already")
    }
    if (connection.session === undefined && !opens) {
      if (SessionDelivery.requestIdsOf(body).length === 0) return EventExchange.accept(reply)
      if (request?.method === "ping") {
        connection.stream().send(success(request.id, {}))
        return EventExchange.accept(reply)
      }
      // A client whose stream broke opens another one and goes on, as servers without a hub let it.
      if (!hub.sessionAdopt) return invalidRequest(reply, request?.id ?? null, "Send initialize first")
    }
    withSession(connection, admitted, opens ? (request.params ?? {}) : undefined, (actor) => {
      if (!connections.has(keyOf(connection, connection.wireId))) return noSession(reply)
      if (!SessionDelivery.admits(sessions, actor, admitted, body)) return
      const { send } = connection.stream()
      const answer = EventExchange.make({ reply, send, batch: body.kind === "batch", logDefect: runFork })
      SessionDelivery.deliver(actor, admitted, body, answer.exchange)
      answer.accept()
    })
  }

  /** The session of the stream, opened by the first message that needs one. */
  const withSession = (
    connection: Connection,
    { principal, reply, request, target }: Admitted,
    params: JsonObject | undefined,
    then: (actor: SessionActor) => void
  ): void => {
    const { lifetime, place, wireId } = connection
    const stream = connection.stream()
    const opened = (): Effect.Effect<SessionActor, OpenFailure> =>
      Effect.acquireRelease(
        sessions.open({
          principal,
          target,
          protocolVersion: revisionOf(params, request.header("mcp-protocol-version")),
          ...introduction(params, unnamed),
          streamed: { wireId, place }
        }),
        ({ sessionId }) => Effect.ignore(sessions.close(sessionId, "its event stream has ended"))
      ).pipe(
        Effect.tap((actor) => Effect.catch(actor.attach(reader(stream)), () => Effect.sync(stream.end))),
        Scope.provide(lifetime)
      )
    connection.session ??= runFork(opened())
    connection.session.addObserver((exit) => {
      if (Exit.isSuccess(exit)) return then(exit.value)
      connection.session = undefined
      refuseFailed(reply, exit)
    })
  }

  return { listen, find } satisfies McpEventTransport
})

/** The one asked for at `initialize`; without that, the one that the client goes on in. */
const revisionOf = (params: JsonObject | undefined, header: string | undefined): SessionVersion => {
  if (params !== undefined) return negotiateOverEvents(params["protocolVersion"])
  return isStateful(header) ? header : eventTransportVersion
}

/** What belongs to no request. Events have no ids here, and those without data, which only carry one, are left out. */
const reader = (stream: EventStream): EventWriter => ({
  event: (_id, json) => json === "" || stream.named("message", json),
  end: stream.end
})
