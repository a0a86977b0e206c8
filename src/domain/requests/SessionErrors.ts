/** The errors of opening and finding a session. */
import { Schema } from "effect"

export class SessionNotFound extends Schema.TaggedError<SessionNotFound>()("SessionNotFound", {
  message: Schema.String
}) {}

const fields = { message: Schema.String, retryAfterSeconds: Schema.Number }

/** The user has as many sessions as allowed, or asks for too many that never were. */
export class SessionLimitReached extends Schema.TaggedError<SessionLimitReached>()("SessionLimitReached", fields) {}

export class HubDraining extends Schema.TaggedError<HubDraining>()("HubDraining", fields) {}

/** Something the process needs runs short. */
export class HubOverloaded extends Schema.TaggedError<HubOverloaded>()("HubOverloaded", fields) {}

/** Whether there is such a session cannot be said at the moment. */
export class SessionsUnavailable extends Schema.TaggedError<SessionsUnavailable>()("SessionsUnavailable", fields) {}

/** The key was revoked or has expired while its request waited. */
export class KeyEnded extends Schema.TaggedError<KeyEnded>()("KeyEnded", { message: Schema.String }) {}

/** No session is opened or found again now, for the `reason`; the client may try again after its seconds, if it has any. */
export class SessionRefused extends Schema.TaggedError<SessionRefused>()("SessionRefused", {
  reason: Schema.Union([SessionLimitReached, HubDraining, HubOverloaded, SessionsUnavailable, KeyEnded])
}) {
  override get message(): string {
    return this.reason.message
  }
}
