/**
 * Opens a session for an admitted request, or answers why not: the user's cap is 429, a stopping hub 503.
 */
import { type Effect, Exit, type Fiber } from "effect"
import { rpcCodes } from "../domain/protocol/ErrorCodes.ts"
import type { JsonObject } from "../domain/protocol/JsonRpc.ts"
import type { SessionActor } from "../actors/SessionActor.ts"
import type { OpenOptions, Sessions } from "../actors/Sessions.ts"
import type { Admitted } from "./Admitted.ts"
import { refuse, unavailable } from "./Refusals.ts"

export type RunFork = <A, E>(effect: Effect.Effect<A, E>) => Fiber.Fiber<A, E>

/** Upstreams insist on a name and version; a client that gave none is the hub to them. */
export const anonymous = (version: string): JsonObject => ({ name: "mcphub", version })

export type ClientTraits = Omit<OpenOptions, "principal" | "target">

export const openSession = (
  sessions: Sessions["Service"],
  runFork: RunFork,
  { reply, principal, target }: Admitted,
  client: ClientTraits,
  then: (actor: SessionActor) => void
): void => {
  runFork(sessions.open({ principal, target, ...client })).addObserver((exit) => {
    if (Exit.isSuccess(exit)) return then(exit.value)
    const error = Exit.findErrorOption(exit)
    if (error._tag === "None")
      return refuse(reply, 500, rpcCodes.internal, "internal", "The session could not be opened")
    const { value } = error
    if (value._tag === "HubDraining") return unavailable(reply, value.message, value.retryAfterSeconds)
    refuse(reply, 429, 1429, "session_limit", value.message, { "retry-after": String(value.retryAfterSeconds) })
  })
}
