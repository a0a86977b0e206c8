/**
 * The way of changed groups and tokens into sessions that stand: the registry has a session renewed as soon as it hears
 * of the change, and its watch takes up whatever could not be read then. Keys are read once for all their sessions.
 */
import { Effect, Option, type Scope } from "effect"
import type { Principal } from "../../domain/identity/Principal.ts"
import { type IdentityUnavailable, Principals } from "../../domain/identity/Principals.ts"
import * as SingleFlight from "../../domain/SingleFlight.ts"
import type { SessionActor } from "../session/SessionActor.ts"

export type Renew = (actor: SessionActor) => Effect.Effect<void>

export const make: Effect.Effect<Renew, never, Principals | Scope.Scope> = Effect.gen(function* () {
  const principals = yield* Principals
  const reading = SingleFlight.make<string, Option.Option<Principal>, IdentityUnavailable>(yield* Effect.scope)

  return (actor) =>
    Effect.suspend(() => {
      const stale = actor.principal()
      // A message may have brought the news of the user already, but not to the session's connections.
      if (stale.standing.isCurrent) return actor.renew(stale)
      const read = reading.run(stale.keyId, () => principals.renewed(stale))
      return Effect.flatMap(read, (found) => (Option.isSome(found) ? actor.renew(found.value) : Effect.void))
    }).pipe(Effect.ignore)
})
