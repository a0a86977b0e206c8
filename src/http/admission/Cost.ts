/**
 * The cost of a request to its user beyond the one unit of `FairShare` that every request has: as much as the hub works
 * for it. A body is paid for before it is parsed, so that whoever is over their share waits with it unparsed; the
 * messages of a batch before they are delivered.
 */
import type { BodyBytes } from "../../actors/limits/BodyBytes.ts"
import type { FairShare, Work } from "../../actors/limits/FairShare.ts"
import type { UserId } from "../../domain/Ids.ts"
import type { Wait, Way } from "../wire/Guard.ts"
import type { WireReply } from "../wire/Wire.ts"

/** Bytes of a body whose parse takes as long as a small request. */
const bytesPerUnit = 64 * 1024

/** Events that are sent again in the time of a small request. */
const eventsPerUnit = 64

/** Of a body that is a large one. */
export const unitsOfBody = (bytes: number): number => bytes / bytesPerUnit

/** Members of JSON that are parsed in the time of a small request. */
export const membersPerUnit = 1_000
/** Members whose parse stops the thread so long that it costs twice its time. */
const membersOfStop = 10_000

/**
 * Beyond the first thousand, with the bytes of the body paid already. Nobody is served while a body is parsed, so many
 * members at once cost more than the same in many bodies.
 */
export const unitsOfMembers = (members: number): number =>
  members <= membersPerUnit ? 0 : (members / membersPerUnit) * (1 + members / membersOfStop)

/** Of a body that is checked step by step, and stops nobody. */
export const unitsOfCheckedMembers = (members: number): number => members / membersPerUnit

/** A stream that goes on is paid for with what may have to be sent again. */
export const unitsOfStream = (kept: { readonly events: number; readonly bytes: number }): number =>
  1 + kept.events / eventsPerUnit + kept.bytes / bytesPerUnit

/** Beyond the request that opens it: a session is written down, and opens connections of its own. */
export const unitsOfSession = 8

export interface Paying {
  readonly share: FairShare["Service"]
  readonly bodies: BodyBytes["Service"]
}

/** Waits until the user may go on. */
export const turn =
  (share: FairShare["Service"], userId: UserId, work: Work, units: number, reply: WireReply): Wait<undefined> =>
  (resume) => {
    const takeBack = share.spend(userId, work, units, () => resume(undefined))
    if (takeBack === undefined) resume(undefined)
    else reply.onAbort(takeBack)
  }

/** Pays for work; N bytes stay in the user's account for as long as that waits. False: there is no room for them. */
export function* pay(
  { bodies, share }: Paying,
  userId: UserId,
  work: Work,
  units: number,
  bytes: number,
  reply: WireReply
): Way<boolean> {
  const room = bodies.arriving(userId)
  if (!room.hold(bytes)) return false
  reply.onEnd(room.end)
  yield turn(share, userId, work, units, reply)
  room.end()
  return true
}
