/**
 * The revisions with sessions (2025-03-26, 2025-06-18, 2025-11-25): `initialize` opens one, `Mcp-Session-Id` names it,
 * GET is its event stream or goes on with one that broke (`Last-Event-ID`), DELETE ends it. A client's disconnect is
 * not a cancel here.
 *
 * Source: MCP `basic/transports` and `basic/lifecycle` of those revisions.
 */
import { Effect, Exit, Scope } from "effect"
import { HubConfig } from "../../domain/config/HubConfig.ts"
import { isMinted, WireSessionId } from "../../domain/Ids.ts"
import { hubCodes, rpcCodes } from "../../domain/protocol/ErrorCodes.ts"
import { failure, type JsonRpcId, type JsonRpcRequest } from "../../domain/protocol/JsonRpc.ts"
import {
  assumedVersion,
  isStateful,
  negotiate,
  primesStreams,
  statefulVersions
} from "../../domain/protocol/Versions.ts"
import { AuditTrail } from "../../actors/observing/AuditTrail.ts"
import type { SessionActor } from "../../actors/session/SessionActor.ts"
import type { EventWriter } from "../../actors/calls/ClientExchange.ts"
import type { SessionClosed } from "../../actors/requests/RequestTracker.ts"
import type { Resumption } from "../../actors/streams/SessionReplay.ts"
import { Sessions } from "../../actors/registry/Sessions.ts"
import type { Admitted } from "../admission/Admitted.ts"
import { admits, type EventStream, EventStreams } from "../wire/EventStreams.ts"
import * as JsonRpcErrors from "../wire/JsonRpcErrors.ts"
import * as OpenSession from "./OpenSession.ts"
import { OpenRate } from "../admission/OpenRate.ts"
import * as PostExchange from "./PostExchange.ts"
import type * as PostBody from "../admission/PostBody.ts"
import { invalidRequest, noSession, refuse } from "../wire/Refusals.ts"
import * as SessionDelivery from "./SessionDelivery.ts"
import type { WireHeaders } from "../wire/Wire.ts"

const sessionHeader = "mcp-session-id"
/** Visible ASCII, as the spec wants session ids, and of a length that fits a header. */
const legalSessionId = /^[\x21-\x7e]{1,256}$/

/** What became of a request that was in flight when the hub was restarted. It is not sent again. */
const outcomeUnknown = JsonRpcErrors.refusal(
  hubCodes.outcomeUnknown,
  "outcome_unknown",
  "The hub was restarted while this request was in flight, and whether it was executed is unknown; repeat it only if it may be done twice"
)

export interface McpStateful {
  readonly post: (admitted: Admitted, messages: PostBody.Messages) => void
  readonly listen: (admitted: Admitted) => void
  readonly remove: (admitted: Admitted) => void
}

export const make = Effect.gen(function* () {
  const hub = yield* HubConfig
  const sessions = yield* Sessions
  const streams = yield* EventStreams
  const audit = yield* AuditTrail
  const rate = yield* OpenRate
  const services = yield* Effect.context<never>()
  const runFork = Effect.runForkWith(services)

  const unnamed = OpenSession.anonymous(hub.version)

  const notTheirs = (admitted: Admitted, id: string): void => OpenSession.notTheirs(sessions, audit, admitted, id)

  const post: McpStateful["post"] = (admitted, messages) => {
    const { reply, request } = admitted
    const version = request.header("mcp-protocol-version")
    if (version !== undefined && !isStateful(version)) {
      const spoken = `Unsupported protocol version; with sessions this endpoint speaks ${statefulVersions.join(", ")}`
      return refuse(reply, 400, rpcCodes.invalidRequest, "unsupported_version", spoken)
    }
    const opening =
      messages.kind === "one" && messages.item.kind === "request" && messages.item.message.method === "initialize"
    if (opening) return initialize(admitted, messages.item.message as JsonRpcRequest)
    withSession(admitted, (actor) => deliver(admitted, actor, messages))
  }

  const initialize = (admitted: Admitted, message: JsonRpcRequest): void => {
    const { request, reply, principal, target } = admitted
    const existing = request.header(sessionHeader)
    const live = existing === undefined ? undefined : sessions.find(principal, target, existing)
    if (live !== undefined) {
      return invalidRequest(reply, message.id, "This session is initialized already")
    }
    if (!rate.admits(principal.userId, reply)) return
    const params = message.params ?? {}
    OpenSession.openSession(
      sessions,
      runFork,
      admitted,
      {
        protocolVersion: negotiate(params["protocolVersion"]),
        ...OpenSession.introduction(params, unnamed)
      },
      (actor) => {
        const headers = (): WireHeaders => ({ [sessionHeader]: actor.wireId })
        const open = (): EventStream => streams.open(reply, headers(), () => {})
        const answer = PostExchange.make({ reply, open, headers, logDefect: runFork }, 1, false)
        actor.request(message, principal, answer.exchange(message.id))
      }
    )
  }

  /** A session that is there: live, or left by an earlier run of the hub; otherwise what to do without. */
  const withExisting = (
    admitted: Admitted,
    id: string,
    then: (actor: SessionActor) => void,
    otherwise: (ended: boolean) => void
  ): void => {
    const { principal, reply, target } = admitted
    if (!legalSessionId.test(id)) return noSession(reply)
    const actor = sessions.find(principal, target, id)
    if (actor !== undefined) return then(actor)
    if (sessions.ended(principal, target, id)) return otherwise(true)
    OpenSession.recoverSession(sessions, runFork, admitted, id, (recovered) =>
      recovered.kind === "live" ? then(recovered.actor) : otherwise(recovered.kind === "ended")
    )
  }

  /** The session of the header: found, adopted where the id is a label of the client's own (R35), or 404. */
  const withSession = (admitted: Admitted, then: (actor: SessionActor) => void): void => {
    const { request, reply } = admitted
    const id = request.header(sessionHeader)
    if (id === undefined) {
      return refuse(
        reply,
        400,
        rpcCodes.invalidRequest,
        "session_required",
        "Mcp-Session-Id is needed; send initialize first"
      )
    }
    withExisting(admitted, id, then, (ended) => {
      if (ended || !hub.sessionAdopt || isMinted(id)) return notTheirs(admitted, id)
      if (!rate.admits(admitted.principal.userId, reply)) return
      const version = request.header("mcp-protocol-version")
      const client = {
        protocolVersion: isStateful(version) ? version : assumedVersion,
        capabilities: {},
        clientInfo: unnamed
      }
      OpenSession.openSession(sessions, runFork, admitted, { ...client, adopt: WireSessionId.make(id) }, then)
    })
  }

  const deliver = (admitted: Admitted, actor: SessionActor, body: PostBody.Messages): void => {
    const { reply } = admitted
    if (!SessionDelivery.admits(sessions, actor, admitted, body)) return
    const ids = SessionDelivery.requestIdsOf(body)
    const requests = ids.length
    const answer =
      requests === 0
        ? undefined
        : PostExchange.make(
            {
              reply,
              open: () => openAnswer(admitted, actor, ids),
              patience: mayTurnSlow(admitted, actor) ? streams : undefined,
              headers: () => undefined,
              logDefect: runFork
            },
            requests,
            body.kind === "batch"
          )
    SessionDelivery.deliver(actor, admitted, body, (id) => answer!.exchange(id))
    if (answer === undefined) reply.send(202, undefined)
  }

  /** Whether an answer that takes long may become a stream though no message precedes it. */
  const mayTurnSlow = ({ request }: Admitted, { protocolVersion }: SessionActor): boolean =>
    primesStreams(protocolVersion) && request.header("accept")?.includes("text/event-stream") === true

  /** The answer as a stream that the session keeps; this reply is its first reader. */
  const openAnswer = (
    { reply }: Admitted,
    actor: SessionActor,
    ids: ReadonlyArray<JsonRpcId>
  ): PostExchange.AnswerStream => {
    const answer = actor.openAnswer(ids)
    let leave = (): void => {}
    const stream = streams.open(reply, undefined, () => leave())
    leave = answer.begin(stream)
    return answer
  }

  /** The session's event stream, or the stream of the last event seen; the newest reader takes over from an older one. */
  const listen = (admitted: Admitted): void => {
    const { request, reply } = admitted
    if (!admits(request, reply)) return
    const id = request.header(sessionHeader)
    if (id === undefined) {
      return refuse(
        reply,
        405,
        rpcCodes.invalidRequest,
        "session_required",
        "There is no stream without a session; POST initialize first",
        {
          allow: "POST"
        }
      )
    }
    withExisting(
      admitted,
      id,
      (actor) => stream(admitted, actor),
      () => notTheirs(admitted, id)
    )
  }

  const stream = (admitted: Admitted, actor: SessionActor): void => {
    const { reply, request } = admitted
    if (!rate.admits(admitted.principal.userId, reply)) return
    const lastEventId = request.header("last-event-id")
    const from: Resumption = lastEventId ? actor.resumption(lastEventId) : { kind: "fresh" }
    switch (from.kind) {
      case "malformed":
        return refuse(reply, 400, rpcCodes.invalidRequest, "event_id", "Last-Event-ID is not an id that this hub sent")
      case "foreign":
        return noSession(reply)
      case "lost": {
        // A stream like any other, whose events have ids: a client that comes back after the last of them is done.
        const answer = openAnswer(admitted, actor, from.ids)
        for (const id of from.ids) answer.send(failure(id, outcomeUnknown))
        return answer.end()
      }
      case "over":
        // What tells a client of server-sent events to stop coming back (HTML Living Standard).
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
    const lifetime = Scope.makeUnsafe()
    const stream = streams.open(reply, undefined, () => {
      runFork(Scope.close(lifetime, Exit.void))
    })
    runFork(attach({ event: stream.event, end: stream[ending] }).pipe(Scope.provide(lifetime))).addObserver((exit) => {
      if (Exit.isFailure(exit)) stream.end()
    })
  }

  const remove = (admitted: Admitted): void => {
    const { request, reply } = admitted
    const id = request.header(sessionHeader)
    if (id === undefined) {
      return refuse(reply, 400, rpcCodes.invalidRequest, "session_required", "Mcp-Session-Id names the session to end")
    }
    const end = (actor: SessionActor): void => {
      runFork(sessions.close(actor.sessionId, "ended by the client")).addObserver((exit) =>
        Exit.isSuccess(exit) ? reply.send(204, undefined) : noSession(reply)
      )
    }
    withExisting(admitted, id, end, () => notTheirs(admitted, id))
  }

  return { post, listen, remove } satisfies McpStateful
})
