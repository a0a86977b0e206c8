/**
 * The way of a large body from the last of its bytes to its messages: paid for, checked step by step, and parsed but for
 * what it carries. It counts for its user until that has been written to its server, or its request has ended; what
 * carries nothing, or what nobody waits for, until it is answered.
 */
import type { BodyBytes } from "../../actors/limits/BodyBytes.ts"
import type { FairShare } from "../../actors/limits/FairShare.ts"
import type { UserId } from "../../domain/Ids.ts"
import { rpcCodes } from "../../domain/protocol/ErrorCodes.ts"
import type { BodyScanner } from "../../domain/protocol/json/BodyScanner.ts"
import { CarriedJson } from "../../domain/protocol/json/CarriedJson.ts"
import type { Way } from "../wire/Guard.ts"
import { invalidRequest, refuse, tooManyBodies } from "../wire/Refusals.ts"
import type { LargeBody, WireReply } from "../wire/Wire.ts"
import * as BodyChecks from "./BodyChecks.ts"
import * as Cost from "./Cost.ts"
import * as PostBody from "./PostBody.ts"

export interface LargeBodies {
  /** Undefined: there are no messages to take, and that is answered. */
  readonly messagesOf: (body: LargeBody, userId: UserId, reply: WireReply) => Way<PostBody.Messages | undefined>
}

export const make = (share: FairShare["Service"], bodies: BodyBytes["Service"]): LargeBodies => {
  const checks = BodyChecks.make()

  function* messagesOf(
    { pieces, room }: LargeBody,
    userId: UserId,
    reply: WireReply
  ): Way<PostBody.Messages | undefined> {
    let carried: CarriedJson | undefined
    // A call can go on when its client has left.
    reply.onEnd(() => {
      if (carried === undefined) room.end()
      else if (!carried.isTaken) carried.release()
    })
    yield Cost.turn(share, userId, "body", Cost.unitsOfBody(pieces.byteLength), reply)
    const scanner = (yield checks.check(userId, pieces, reply)) as BodyScanner
    const read = scanner.end((bytes) => (carried = new CarriedJson(bytes, room.end)))
    const cost = carried === undefined ? Cost.unitsOfMembers : Cost.unitsOfCheckedMembers
    share.charge(userId, "body", cost(scanner.weight))
    if (!read.ok) return void refuse(reply, 400, rpcCodes.parse, "parse_error", `The body ${read.reason}`)
    const messages = PostBody.read(read.value)
    if (messages.kind === "invalid") return void invalidRequest(reply, messages.id, messages.reason)
    // It was taken for an answer.
    if (room.isBeside() && !isAnswer(messages)) return void tooManyBodies(reply, bodies.max)
    return messages
  }

  return { messagesOf }
}

const isAnswer = (messages: PostBody.Messages): boolean => messages.kind === "one" && messages.item.kind === "response"
