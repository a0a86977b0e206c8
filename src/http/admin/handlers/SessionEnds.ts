/**
 * The wait for the sessions of a user or key that has just been shut out, so that a command returns when they are gone.
 * Only where a hub runs in this process: hubs elsewhere hear of the change through the database.
 */
import { Effect, Option } from "effect"
import { Sessions } from "../../../actors/registry/Sessions.ts"
import type { KeyId, UserId } from "../../../domain/Ids.ts"

export interface SessionEnds {
  /** Usually within a second; the wait gives up on a session that exceeds its limit of five seconds. */
  readonly ofKey: (key: KeyId) => Effect.Effect<void>
  readonly ofUser: (user: UserId) => Effect.Effect<void>
}

const noHub: SessionEnds = { ofKey: () => Effect.void, ofUser: () => Effect.void }

export const sessionEnds: Effect.Effect<SessionEnds> = Effect.map(
  Effect.serviceOption(Sessions),
  Option.match({
    onNone: () => noHub,
    onSome: (sessions) => ({
      ofKey: (key) => Effect.asVoid(sessions.closeKey(key, "the key was revoked")),
      ofUser: (user) => Effect.asVoid(sessions.closeUser(user, "the user was disabled or removed"))
    })
  })
)
