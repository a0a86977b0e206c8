/** Why a session is not opened or not found. */
import { Schema } from "effect"

export class SessionNotFound extends Schema.TaggedError<SessionNotFound>()("SessionNotFound", {
  message: Schema.String
}) {}

/** The user's cap on sessions, or the drain of a stopping hub: 429/503 with Retry-After. */
export class SessionLimitReached extends Schema.TaggedError<SessionLimitReached>()("SessionLimitReached", {
  message: Schema.String,
  retryAfterSeconds: Schema.Number
}) {}

export class HubDraining extends Schema.TaggedError<HubDraining>()("HubDraining", {
  message: Schema.String,
  retryAfterSeconds: Schema.Number
}) {}

/** Whether there is such a session cannot be said at the moment: 503 with Retry-After. */
export class SessionsUnavailable extends Schema.TaggedError<SessionsUnavailable>()("SessionsUnavailable", {
  message: Schema.String
}) {}

/** Something the process needs runs short: 503 with Retry-After. */
export class HubOverloaded extends Schema.TaggedError<HubOverloaded>()("HubOverloaded", {
  message: Schema.String,
  retryAfterSeconds: Schema.Number
}) {}
