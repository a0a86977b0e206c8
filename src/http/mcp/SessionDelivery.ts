/**
 * Delivery of a POST to a session that is there: its messages, one or a batch (2025-03-26), for either transport that
 * carries the answers.
 *
 * Source: MCP `basic/transports`, "Sending Messages to the Server".
 */
import { hubCodes, rpcCodes } from "../../domain/protocol/ErrorCodes.ts"
import type { JsonRpcId, JsonRpcNotification } from "../../domain/protocol/JsonRpc.ts"
import type { Principal } from "../../domain/identity/Principal.ts"
import { allowsBatch } from "../../domain/protocol/Versions.ts"
import type { ClientExchange } from "../../actors/calls/ClientExchange.ts"
import type { SessionActor } from "../../actors/session/SessionActor.ts"
import type { Sessions } from "../../actors/registry/Sessions.ts"
import type { Admitted } from "../admission/Admitted.ts"
import type { Item, Messages } from "../admission/PostBody.ts"
import { refuse, stopping } from "../wire/Refusals.ts"

/** The ids of the requests among them: what has to be answered. */
export const requestIdsOf = (body: Messages): ReadonlyArray<JsonRpcId> => {
  if (body.kind === "batch") return body.items.flatMap(idOf)
  return idOf(body.item)
}

const idOf = (item: Item): ReadonlyArray<JsonRpcId> => (item.kind === "request" ? [item.message.id] : [])

const notificationsIn = (body: Messages): ReadonlyArray<JsonRpcNotification> =>
  (body.kind === "one" ? [body.item] : body.items).flatMap((item) =>
    item.kind === "notification" ? [item.message] : []
  )

/** Whether the session can take the messages now; when it cannot, that is answered here. */
export const mayDeliver = (
  sessions: Sessions["Service"],
  actor: SessionActor,
  { reply }: Admitted,
  body: Messages
): boolean => {
  const { protocolVersion } = actor
  if (body.kind === "batch" && !allowsBatch(protocolVersion)) {
    const message = `Revision ${protocolVersion} has no batches; send one message per POST`
    refuse(reply, 400, rpcCodes.invalidRequest, "batch_not_allowed", message)
    return false
  }
  // Answers and cancellations still get through: requests in flight may be waiting for them.
  if (sessions.draining() && requestIdsOf(body).length > 0) {
    stopping(reply)
    return false
  }
  if (body.kind === "one" && body.item.kind === "request") return true
  const refused = actor.notificationsRefused(notificationsIn(body))
  if (refused !== undefined) {
    refuse(reply, 429, hubCodes.overloaded, "too_many_notifications", refused, { "retry-after": "1" })
    return false
  }
  return true
}

/** Where the answers go, each to its request. */
export interface Answers {
  readonly exchange: (id: JsonRpcId) => ClientExchange
}

export const deliver = (
  actor: SessionActor,
  { principal, reply }: Admitted,
  body: Messages,
  answers: Answers
): void => {
  reply.guard.subject.sessionId = actor.sessionId
  if (body.kind === "one") return deliverOne(actor, principal, body.item, answers)
  for (const item of body.items) deliverOne(actor, principal, item, answers)
}

const deliverOne = (actor: SessionActor, principal: Principal, item: Item, answers: Answers): void => {
  if (item.kind === "request") actor.request(item.message, principal, answers.exchange(item.message.id))
  else if (item.kind === "notification") actor.notify(item.message, principal)
  else actor.answer(item.message, principal)
}
