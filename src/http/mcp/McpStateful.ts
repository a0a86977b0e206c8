/**
 * The revisions with sessions (2025-03-26, 2025-06-18, 2025-11-25): `initialize` opens one, `Mcp-Session-Id` names it,
 * GET is its event stream or goes on with one that broke (`Last-Event-ID`), DELETE ends it. A client's disconnect is
 * not a cancel here.
 *
 * Source: MCP `basic/transports` and `basic/lifecycle` of those revisions.
 */
import { Effect, Exit, Result, Scope } from "effect"
import { HubConfig } from "../../domain/config/HubConfig.ts"
import { isMinted, WireSessionId } from "../../domain/Ids.ts"
import { hubCodes, rpcCodes } from "../../domain/protocol/ErrorCodes.ts"
import { failure, type JsonRpcId, type JsonRpcRequest } from "../../domain/protocol/JsonRpc.ts"
import {
  assumedVersion,
  isStateful,
  negotiate,
  statefulRevisions,
  statefulVersions
} from "../../domain/protocol/Versions.ts"
import { BodyBytes } from "../../actors/limits/BodyBytes.ts"
import { FairShare } from "../../actors/limits/FairShare.ts"
import { Retained } from "../../actors/limits/Retained.ts"
import type { SessionActor } from "../../actors/session/SessionActor.ts"
import type { EventWriter } from "../../actors/calls/ClientExchange.ts"
import type { SessionClosed } from "../../actors/requests/RequestTracker.ts"
import type { Resumption } from "../../actors/streams/SessionReplay.ts"
import { type Recovered, Sessions } from "../../actors/registry/Sessions.ts"
import type { Admitted } from "../admission/Admitted.ts"
import * as Cost from "../admission/Cost.ts"
import { acceptsEvents, EventStreams } from "../wire/EventStreams.ts"
import * as JsonRpcErrors from "../wire/JsonRpcErrors.ts"
import type { OpenSession } from "./OpenSession.ts"
import { OpenRate } from "../admission/OpenRate.ts"
import { type AnswerStream, PostExchange } from "./PostExchange.ts"
import type * as PostBody from "../admission/PostBody.ts"
import type { Way } from "../wire/Guard.ts"
import { invalidRequest, noSession, refuse, stopping } from "../wire/Refusals.ts"
import * as SessionDelivery from "./SessionDelivery.ts"
import type { WireHeaders, WireReply } from "../wire/Wire.ts"

const sessionHeader = "mcp-session-id"
/** Visible ASCII, as the spec wants session ids, and of a length that fits a header. */
const legalSessionId = /^[\x21-\x7e]{1,256}$/

/** For a request that was in flight when the hub was restarted. It is not sent again. */
const outcomeUnknown = JsonRpcErrors.refusal(
  hubCodes.outcomeUnknown,
  "outcome_unknown",
  "The hub was restarted while this request was in flight, and whether it was executed is unknown; repeat it only if it may be done twice"
)

export interface McpStateful {
  readonly post: (admitted: Admitted, messages: PostBody.Messages) => Way
  readonly listen: (admitted: Admitted) => Way
  readonly remove: (admitted: Admitted) => Way
}

export const make = Effect.fnUntraced(function* (openSession: OpenSession) {
  const hub = yield* HubConfig
  const sessions = yield* Sessions
  const streams = yield* EventStreams
  const rate = yield* OpenRate
  const paying = { bodies: yield* BodyBytes, share: yield* FairShare }
  const retained = yield* Retained

  function* post(admitted: Admitted, messages: PostBody.Messages): Way {
    const { principal, reply, request, target } = admitted
    const id = request.headers[sessionHeader]
    const live = id === undefined ? undefined : sessions.find(principal, target, id)
    const version = request.headers["mcp-protocol-version"]
    if (version !== undefined && !statefulRevisions.has(version)) {
      const spoken = `Unsupported protocol version; with sessions this endpoint speaks ${statefulVersions.join(", ")}`
      return refuse(reply, 400, rpcCodes.invalidRequest, "unsupported_version", spoken)
    }
    if (messages.kind === "one" && messages.item.kind === "request" && messages.item.message.method === "initialize") {
      return yield* initialize(admitted, messages.item.message, live)
    }
    if (id === undefined) return sessionRequired(reply, 400, "Mcp-Session-Id is needed; send initialize first")
    const actor = live ?? (yield* recoveredOrAdopted(admitted, id))
    if (actor === undefined) return
    if (messages.kind === "one" && messages.item.kind === "request") ask(admitted, actor, messages.item.message)
    else deliver(admitted, actor, messages)
  }

  function* initialize(admitted: Admitted, message: JsonRpcRequest, live: SessionActor | undefined): Way {
    const { reply, principal } = admitted
    if (live !== undefined) return invalidRequest(reply, message.id, "This session is initialized already")
    if (!rate.mayOpen(principal.userId, reply)) return
    const params = message.params ?? {}
    const actor = yield* openSession.open(admitted, {
      protocolVersion: negotiate(params["protocolVersion"]),
      ...openSession.introduction(params)
    })
    if (actor === undefined) return
    const { guard } = reply
    guard.subject.sessionId = actor.sessionId
    const headers = { [sessionHeader]: actor.wireId }
    // A client that is not told the id cannot end the session.
    reply.onEnd(() => {
      if (guard.hasFailed) guard.background(Effect.ignore(sessions.close(actor.sessionId, "it could not be begun")))
    })
    const answer = new PostExchange(reply, { open: () => streams.open(reply, headers, () => {}), headers })
    actor.request(message, principal, answer.exchange(message.id))
  }

  /**
   * The session of an id that is not live here: left by an earlier run of the hub, or adopted where the id is a label of
   * the client's own (R35). Undefined: there is none, and that is answered.
   */
  function* recoveredOrAdopted(admitted: Admitted, id: string): Way<SessionActor | undefined> {
    const found = yield* recovered(admitted, id)
    if (found === undefined) return undefined
    if (found.kind === "live") return found.actor
    if (found.kind === "ended" || !hub.sessionAdopt || isMinted(id)) {
      openSession.notTheirs(admitted, id)
      return undefined
    }
    const { principal, reply, request } = admitted
    if (!rate.mayOpen(principal.userId, reply)) return undefined
    const version = request.headers["mcp-protocol-version"]
    return yield* openSession.open(admitted, {
      protocolVersion: isStateful(version) ? version : assumedVersion,
      capabilities: {},
      clientInfo: openSession.unnamed,
      adopt: WireSessionId.make(id)
    })
  }

  /** The session of an id, for all but a POST. Undefined: there is none, and that is answered. */
  function* existing(admitted: Admitted, id: string): Way<SessionActor | undefined> {
    const live = sessions.find(admitted.principal, admitted.target, id)
    if (live !== undefined) return live
    const found = yield* recovered(admitted, id)
    if (found === undefined || found.kind === "live") return found?.actor
    openSession.notTheirs(admitted, id)
    return undefined
  }

  function* recovered(admitted: Admitted, id: string): Way<Recovered | undefined> {
    const { principal, reply, target } = admitted
    if (!legalSessionId.test(id)) {
      noSession(reply)
      return undefined
    }
    if (sessions.ended(principal, target, id)) return { kind: "ended" }
    return yield* openSession.recover(admitted, id)
  }

  /** One request, as nearly every POST is. */
  const ask = (admitted: Admitted, actor: SessionActor, message: JsonRpcRequest): void => {
    const { principal, reply } = admitted
    if (sessions.draining()) return stopping(reply)
    reply.guard.subject.sessionId = actor.sessionId
    const answer = new PostExchange(reply, {
      open: () => openAnswer(admitted, actor, [message.id]),
      patience: mayTurnSlow(admitted, actor) ? streams : undefined
    })
    actor.request(message, principal, answer.exchange(message.id))
  }

  /** Anything else. */
  const deliver = (admitted: Admitted, actor: SessionActor, body: PostBody.Messages): void => {
    const { reply } = admitted
    if (!SessionDelivery.mayDeliver(sessions, actor, admitted, body)) return
    const ids = SessionDelivery.requestIdsOf(body)
    if (ids.length === 0) {
      SessionDelivery.deliver(actor, admitted, body, unanswered)
      return reply.send(202, undefined)
    }
    const answer = new PostExchange(
      reply,
      {
        open: () => openAnswer(admitted, actor, ids),
        patience: mayTurnSlow(admitted, actor) ? streams : undefined,
        room: retained.claim(admitted.principal.userId, "batches")
      },
      ids.length,
      true
    )
    SessionDelivery.deliver(actor, admitted, body, answer)
  }

  /** Whether an answer that takes long may become a stream though no message precedes it. */
  const mayTurnSlow = ({ request }: Admitted, { primes }: SessionActor): boolean =>
    primes && request.headers["accept"]?.includes("text/event-stream") === true

  /** The answer as a stream that the session keeps; this reply is its first reader. */
  const openAnswer = ({ reply }: Admitted, actor: SessionActor, ids: ReadonlyArray<JsonRpcId>): AnswerStream => {
    const answer = actor.openAnswer(ids)
    let leave = (): void => {}
    const stream = streams.open(reply, undefined, () => leave())
    leave = answer.begin(stream)
    return answer
  }

  /** The session's event stream, or the stream of the last event seen; the newest reader takes over from an older one. */
  function* listen(admitted: Admitted): Way {
    const { principal, request, reply } = admitted
    if (!acceptsEvents(request, reply)) return
    const id = request.headers[sessionHeader]
    if (id === undefined) {
      const message = "There is no stream without a session; POST initialize first"
      return sessionRequired(reply, 405, message, { allow: "POST" })
    }
    const actor = yield* existing(admitted, id)
    if (actor === undefined || !rate.mayOpen(principal.userId, reply)) return
    reply.guard.subject.sessionId = actor.sessionId
    const lastEventId = request.headers["last-event-id"]
    // A stream that begins anew waits for nothing: servers may be about to ask on it.
    if (lastEventId === undefined) paying.share.charge(principal.userId, "stream", 1)
    else {
      const units = Cost.unitsOfStream(actor.keptEvents())
      if (!(yield* Cost.pay(paying, principal.userId, "stream", units, 0, reply))) return
    }
    const from: Resumption = lastEventId ? actor.resumption(lastEventId) : { kind: "fresh" }
    switch (from.kind) {
      case "malformed":
        return refuse(reply, 400, rpcCodes.invalidRequest, "event_id", "Last-Event-ID is not an id that this hub sent")
      case "foreign":
        return noSession(reply)
      case "lost": {
        // A stream like any other, whose events have ids: a client that comes back after the last of them is done.
        const answer = openAnswer(admitted, actor, from.ids)
        for (const request of from.ids) answer.send(failure(request, outcomeUnknown))
        return answer.end()
      }
      case "over":
        // Tells a client of server-sent events to stop coming back (HTML Living Standard).
        return reply.send(204, undefined)
      case "fresh":
        return read(admitted, "pause", (writer) => actor.attach(writer))
      case "at":
        return read(admitted, from.of === "session" ? "pause" : "end", (writer) => actor.attach(writer, from))
    }
  }

  /** Makes the reply a reader of a stream for as long as both stand; a session's stream never comes to its end. */
  const read = (
    { reply }: Admitted,
    ending: "end" | "pause",
    attach: (writer: EventWriter) => Effect.Effect<void, SessionClosed, Scope.Scope>
  ): void => {
    const { guard } = reply
    const lifetime = Scope.makeUnsafe()
    const stream = streams.open(reply, undefined, () => guard.background(Scope.close(lifetime, Exit.void)))
    const attached = attach({ event: stream.event, end: stream[ending] }).pipe(Scope.provide(lifetime))
    guard.observe(guard.fork(attached), (result) => {
      if (Result.isFailure(result)) stream.end()
    })
  }

  function* remove(admitted: Admitted): Way {
    const { request, reply } = admitted
    const id = request.headers[sessionHeader]
    if (id === undefined) return sessionRequired(reply, 400, "Mcp-Session-Id names the session to end")
    const actor = yield* existing(admitted, id)
    if (actor === undefined) return
    reply.guard.subject.sessionId = actor.sessionId
    const closed = yield* reply.guard.resultOf(sessions.close(actor.sessionId, "ended by the client"))
    if (Result.isSuccess(closed)) reply.send(204, undefined)
    else noSession(reply)
  }

  return { post, listen, remove } satisfies McpStateful
})

/** No request, no answer. */
const unanswered: SessionDelivery.Answers = {
  exchange: () => {
    throw new Error("A message that is no request has no answer")
  }
}

const sessionRequired = (reply: WireReply, status: number, message: string, headers?: WireHeaders): void =>
  refuse(reply, status, rpcCodes.invalidRequest, "session_required", message, headers)
