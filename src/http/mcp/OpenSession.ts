/**
 * Opens a session for an admitted request, or finds one that an earlier run of the hub has left; or answers why not: the
 * user's cap is 429, a stopping hub and a database that does not answer 503.
 */
import { type Effect, Exit, type Fiber } from "effect"
import { rpcCodes } from "../../domain/protocol/ErrorCodes.ts"
import type { JsonObject } from "../../domain/protocol/JsonRpc.ts"
import type { AuditTrailShape } from "../../actors/observing/AuditTrail.ts"
import type { SessionActor } from "../../actors/session/SessionActor.ts"
import type { Recovered, Sessions } from "../../actors/registry/Sessions.ts"
import type { RecoveryError } from "../../actors/registry/SessionRecovery.ts"
import type { Admitted } from "../admission/Admitted.ts"
import { objectOrEmpty } from "../../domain/protocol/JsonObjects.ts"
import { noSession, refuse, unavailable } from "../wire/Refusals.ts"
import type { WireReply } from "../wire/Wire.ts"
import type { OpenOptions } from "../../actors/session/Session.ts"

export type RunFork = <A, E>(effect: Effect.Effect<A, E>) => Fiber.Fiber<A, E>

/** Upstreams insist on a name and version; a client that gave none is the hub to them. */
export const anonymous = (version: string): JsonObject => ({ name: "mcphub", version })

/** What the client says of itself in the params of `initialize`, as far as it does. */
export const introduction = (
  params: JsonObject | undefined,
  unnamed: JsonObject
): Pick<OpenOptions, "capabilities" | "clientInfo"> => ({
  capabilities: objectOrEmpty(params?.["capabilities"]),
  clientInfo: { ...unnamed, ...objectOrEmpty(params?.["clientInfo"]) }
})

/** The one 404; who presents another user's id is written down, and is not told. */
export const notTheirs = (
  sessions: Sessions["Service"],
  audit: AuditTrailShape,
  { principal, reply, request }: Omit<Admitted, "target">,
  id: string
): void => {
  const theirs = sessions.foreign(principal, id)
  if (theirs !== undefined) audit.refused("session_owner_mismatch", principal, theirs, request.method)
  noSession(reply)
}

export type ClientTraits = Omit<OpenOptions, "principal" | "target" | "recovered" | "streamed">

export const openSession = (
  sessions: Sessions["Service"],
  runFork: RunFork,
  { reply, principal, target }: Admitted,
  client: ClientTraits,
  then: (actor: SessionActor) => void
): void => {
  runFork(sessions.open({ principal, target, ...client })).addObserver((exit) =>
    Exit.isSuccess(exit) ? then(exit.value) : refuseFailed(reply, exit)
  )
}

export const recoverSession = (
  sessions: Sessions["Service"],
  runFork: RunFork,
  { reply, principal, target }: Admitted,
  wireId: string,
  then: (recovered: Recovered) => void
): void => {
  runFork(sessions.recover(principal, target, wireId)).addObserver((exit) =>
    Exit.isSuccess(exit) ? then(exit.value) : refuseFailed(reply, exit)
  )
}

/** Why no session could be opened. */
export type OpenFailure = Effect.Error<ReturnType<Sessions["Service"]["open"]>>

export const refuseFailed = (reply: WireReply, exit: Exit.Exit<unknown, RecoveryError>): void => {
  const error = Exit.findErrorOption(exit)
  if (error._tag === "None") return refuse(reply, 500, rpcCodes.internal, "internal", "The session could not be opened")
  const { value } = error
  if (value._tag === "SessionsUnavailable") return unavailable(reply, value.message, 2)
  if (value._tag !== "SessionLimitReached") return unavailable(reply, value.message, value.retryAfterSeconds)
  refuse(reply, 429, 1429, "session_limit", value.message, { "retry-after": String(value.retryAfterSeconds) })
}
