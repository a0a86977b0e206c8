/**
 * Revision 2026-07-28: every POST stands for itself, carries who asks in its `_meta`, and closing its response stream is
 * the cancel. No session id is minted, read or echoed.
 *
 * The actor behind it is the user's default for this key, target, client name and capability class, or the one named by
 * `X-MCPHub-State-Id`. The client's name is unverified and only partitions inside one user; the capabilities belong to
 * the key because a stateful upstream hears them once and shows its tools accordingly.
 *
 * Source: MCP 2026-07-28 `basic/transports`, `basic/utilities/subscriptions`.
 */
import { createHash } from "node:crypto"
import { Effect, Exit, Result, Scope } from "effect"
import { HubConfig } from "../../domain/config/HubConfig.ts"
import { WireSessionId } from "../../domain/Ids.ts"
import { admitRequest } from "../../domain/protocol/eras/Admission.ts"
import {
  failure,
  type JsonObject,
  type JsonRpcErrorObject,
  type JsonRpcId,
  type JsonRpcMessage,
  type JsonRpcRequest
} from "../../domain/protocol/JsonRpc.ts"
import { errorToStateless, resultToStateless } from "../../domain/protocol/eras/ToStateless.ts"
import { upstreamErrorToStateless } from "../../domain/protocol/eras/ToStateful.ts"
import { isJsonObject } from "../../domain/protocol/JsonObjects.ts"
import { capabilityClass, metaKeys, type RequestMeta } from "../../domain/protocol/eras/RequestMeta.ts"
import { httpStatus, invalidParams, statelessCodes } from "../../domain/protocol/eras/StatelessErrors.ts"
import { statelessVersion } from "../../domain/protocol/Versions.ts"
import type { EventSink } from "../../actors/calls/ClientExchange.ts"
import type { SessionActor } from "../../actors/session/SessionActor.ts"
import type { ListenFilter } from "../../actors/streams/SessionEvents.ts"
import { maxSubscriptions } from "../../actors/session/SessionMemory.ts"
import { hubInfo } from "../../actors/session/Handshake.ts"
import { Sessions } from "../../actors/registry/Sessions.ts"
import type { Admitted } from "../admission/Admitted.ts"
import { type EventStream, EventStreams } from "../wire/EventStreams.ts"
import type { OpenSession } from "./OpenSession.ts"
import { OpenRate } from "../admission/OpenRate.ts"
import { type AnswerShape, PostExchange } from "./PostExchange.ts"
import type * as PostBody from "../admission/PostBody.ts"
import type { Way } from "../wire/Guard.ts"
import { invalidRequest, stopping } from "../wire/Refusals.ts"
import { jsonType } from "../wire/Wire.ts"

/** A state a client keeps apart on purpose. */
const stateHeader = "x-mcphub-state-id"
const legalState = /^[0-9A-Za-z-]{1,64}$/
/** No header can hold this, so no stateful client can name a stateless client's actor. */
const unspeakable = "\u0000"

export interface McpStateless {
  readonly post: (admitted: Admitted, messages: PostBody.Messages) => Way
}

const actorLabel = (meta: RequestMeta, state: string | undefined): WireSessionId => {
  const own = state ?? String(meta.clientInfo?.["name"] ?? "")
  const traits = JSON.stringify([
    state === undefined ? "client" : "state",
    own,
    capabilityClass(meta.clientCapabilities)
  ])
  return WireSessionId.make(unspeakable + createHash("sha256").update(traits).digest("hex"))
}

const listenFilter = (value: unknown): ListenFilter | undefined => {
  if (!isJsonObject(value)) return undefined
  const uris = value["resourceSubscriptions"]
  if (uris !== undefined && !(Array.isArray(uris) && uris.every((uri) => typeof uri === "string"))) return undefined
  const flag = (name: string): JsonObject => (value[name] === true ? { [name]: true } : {})
  return {
    ...flag("toolsListChanged"),
    ...flag("promptsListChanged"),
    ...flag("resourcesListChanged"),
    ...(uris === undefined || uris.length === 0 ? {} : { resourceSubscriptions: uris })
  }
}

export const make = Effect.fnUntraced(function* (openSession: OpenSession) {
  const hub = yield* HubConfig
  const sessions = yield* Sessions
  const streams = yield* EventStreams
  const rate = yield* OpenRate
  const serverInfo = hubInfo(hub.version)

  const refuse = ({ reply }: Admitted, id: JsonRpcId, error: JsonRpcErrorObject): void =>
    reply.send(httpStatus(error, "gate"), JSON.stringify(failure(id, error)), jsonType)

  function* post(admitted: Admitted, messages: PostBody.Messages): Way {
    const { principal, reply, request, target } = admitted
    if (messages.kind === "batch")
      return invalidRequest(reply, null, `Revision ${statelessVersion} has no batches; send one message per POST`)
    // Neither notifications nor responses of a client exist over HTTP in this revision; they are taken and mean nothing.
    if (messages.item.kind !== "request") return reply.send(202, undefined)
    const { message } = messages.item
    const admission = admitRequest(request.header, message)
    if (Result.isFailure(admission)) return refuse(admitted, message.id, admission.failure)
    if (sessions.draining()) return stopping(reply)
    const state = request.headers[stateHeader]
    if (state !== undefined && !legalState.test(state)) {
      return refuse(
        admitted,
        message.id,
        invalidParams("state_id", "X-MCPHub-State-Id must be a uuid of the client's own")
      )
    }
    const meta = admission.success
    const label = actorLabel(meta, state)
    const actor = sessions.find(principal, target, label) ?? (yield* opened(admitted, meta, label))
    if (actor === undefined) return
    reply.guard.subject.sessionId = actor.sessionId
    if (message.method === "subscriptions/listen") listen(admitted, actor, message)
    else call(admitted, actor, message, meta)
  }

  function* opened(admitted: Admitted, meta: RequestMeta, label: WireSessionId): Way<SessionActor | undefined> {
    if (!rate.mayOpen(admitted.principal.userId, admitted.reply)) return undefined
    return yield* openSession.open(admitted, {
      protocolVersion: statelessVersion,
      capabilities: meta.clientCapabilities,
      clientInfo: meta.clientInfo ?? openSession.unnamed,
      adopt: label
    })
  }

  const call = (
    { principal, reply, request }: Admitted,
    actor: SessionActor,
    message: JsonRpcRequest,
    meta: RequestMeta
  ): void => {
    const shape: AnswerShape = {
      result: (result) => resultToStateless(message.method, result, serverInfo),
      error: (error) => (isOwn(error) ? errorToStateless(error) : upstreamErrorToStateless(error, message.params)),
      status: (error) => httpStatus(error, error.code === statelessCodes.headerMismatch ? "gate" : "call")
    }
    const answer = new PostExchange(reply, { open: () => streams.open(reply, undefined, nothing), shape })
    const cancel = actor.request(message, principal, answer.exchange(message.id), {
      logLevel: meta.logLevel,
      header: request.header
    })
    reply.onAbort(cancel)
  }

  /** Acknowledges first, then tags every message with the request's id; ends with an empty result. */
  const listen = (admitted: Admitted, actor: SessionActor, { id, params }: JsonRpcRequest): void => {
    const { principal, reply } = admitted
    const { guard } = reply
    const filter = listenFilter(params?.["notifications"])
    if (filter === undefined) {
      return refuse(
        admitted,
        id,
        invalidParams("listen_filter", 'subscriptions/listen needs "params.notifications", the filter')
      )
    }
    if ((filter.resourceSubscriptions?.length ?? 0) > maxSubscriptions) {
      return refuse(
        admitted,
        id,
        invalidParams("subscription_limit", `A stream may listen to ${maxSubscriptions} resources`)
      )
    }
    if (!rate.mayOpen(principal.userId, reply)) return
    const lifetime = Scope.makeUnsafe()
    const close = (): void => guard.background(Scope.close(lifetime, Exit.void))
    const tag = { [metaKeys.subscriptionId]: id }
    let opened: EventStream | undefined
    reply.onAbort(close)
    const start = (honored: ListenFilter): EventSink => {
      const stream = streams.open(reply, undefined, close)
      opened = stream
      const send = (message: JsonRpcMessage): boolean => stream.send(tagged(message, tag))
      send({
        jsonrpc: "2.0",
        method: "notifications/subscriptions/acknowledged",
        params: { notifications: honored as JsonObject }
      })
      const end = (): void => {
        stream.send({
          jsonrpc: "2.0",
          id,
          result: { resultType: "complete", _meta: { ...tag, [metaKeys.serverInfo]: serverInfo } }
        })
        stream.end()
      }
      // Nothing to wait for.
      if (Object.keys(honored).length === 0) guard.soon(end)
      return { send, end }
    }
    guard.observe(guard.fork(Scope.provide(actor.listen(filter, principal, start), lifetime)), (result) => {
      if (Result.isSuccess(result)) return
      if (opened === undefined) stopping(reply)
      else opened.end()
    })
  }

  return { post } satisfies McpStateless
})

const nothing = (): void => {}

/** Made by the hub, and so of this revision already but for the one code the stateful ones have. */
const isOwn = ({ data }: JsonRpcErrorObject): boolean => isJsonObject(data) && data["origin"] === "hub"

const tagged = (message: JsonRpcMessage, tag: JsonObject): JsonRpcMessage =>
  "method" in message
    ? {
        ...message,
        params: { ...message.params, _meta: { ...(message.params?.["_meta"] as JsonObject | undefined), ...tag } }
      }
    : message
