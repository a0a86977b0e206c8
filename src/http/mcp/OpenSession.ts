/**
 * Opens a session for an admitted request, or finds one that an earlier run of the hub has left. Where that is refused,
 * the request is answered here: 429 at the user's cap, 503 by a stopping hub or one whose database does not answer.
 */
import { Effect, Result } from "effect"
import { HubConfig } from "../../domain/config/HubConfig.ts"
import type { JsonObject } from "../../domain/protocol/JsonRpc.ts"
import type { SessionRefused } from "../../domain/requests/SessionErrors.ts"
import { FairShare } from "../../actors/limits/FairShare.ts"
import { AuditTrail } from "../../actors/observing/AuditTrail.ts"
import type { SessionActor } from "../../actors/session/SessionActor.ts"
import { type Recovered, Sessions } from "../../actors/registry/Sessions.ts"
import type { Admitted } from "../admission/Admitted.ts"
import { unitsOfSession } from "../admission/Cost.ts"
import { objectOrEmpty } from "../../domain/protocol/JsonObjects.ts"
import type { Way } from "../wire/Guard.ts"
import { noSession, noSessionNow } from "../wire/Refusals.ts"
import type { WireReply } from "../wire/Wire.ts"
import type { OpenOptions } from "../../actors/session/Session.ts"

export type ClientTraits = Omit<OpenOptions, "principal" | "target" | "recovered" | "streamed">

export interface OpenSession {
  /** Servers insist on a name and version; a client that gave none is the hub to them. */
  readonly unnamed: JsonObject
  /** The client's own words in the params of `initialize`, as far as it has any. */
  readonly introduction: (params: JsonObject | undefined) => Pick<OpenOptions, "capabilities" | "clientInfo">
  /** Undefined: refused, and answered. */
  readonly open: (admitted: Admitted, client: ClientTraits) => Way<SessionActor | undefined>
  readonly recover: (admitted: Admitted, wireId: string) => Way<Recovered | undefined>
  /** The one 404; a user who presents another user's id is written down, and is not told. */
  readonly notTheirs: (request: Omit<Admitted, "target">, id: string) => void
}

export const make: Effect.Effect<OpenSession, never, Sessions | FairShare> = Effect.gen(function* () {
  const { version } = yield* HubConfig
  const sessions = yield* Sessions
  const share = yield* FairShare
  const audit = yield* AuditTrail
  const unnamed: JsonObject = { name: "mcphub", version }

  return {
    unnamed,
    introduction: (params) => ({
      capabilities: objectOrEmpty(params?.["capabilities"]),
      clientInfo: { ...unnamed, ...objectOrEmpty(params?.["clientInfo"]) }
    }),
    *open({ principal, reply, target }, client) {
      share.charge(principal.userId, "session", unitsOfSession)
      return orRefused(reply, yield* reply.guard.resultOf(sessions.open({ principal, target, ...client })))
    },
    *recover({ principal, reply, target }, wireId) {
      return orRefused(reply, yield* reply.guard.resultOf(sessions.recover(principal, target, wireId)))
    },
    notTheirs: ({ principal, reply, request }, id) => {
      const theirs = sessions.foreign(principal, id)
      if (theirs !== undefined) audit.refused("session_owner_mismatch", principal, theirs, request.method)
      noSession(reply)
    }
  }
})

/** Undefined: refused, and answered. */
export const orRefused = <A>(reply: WireReply, result: Result.Result<A, SessionRefused>): A | undefined => {
  if (Result.isSuccess(result)) return result.success
  noSessionNow(reply, result.failure)
  return undefined
}
