/**
 * A user's group: the servers, and where given the tools, that the user's clients see and may call through it.
 */
import { Schema } from "effect"
import { GroupId, UserId } from "../Ids.ts"

export const Group = Schema.Struct({
  id: GroupId,
  userId: UserId,
  name: Schema.String,
  description: Schema.NullOr(Schema.String),
  isActive: Schema.Boolean,
  /** Names of servers in the settings. */
  servers: Schema.Array(Schema.String),
  /** When given, only these tools: `{server}-{tool}` or a bare name. */
  tools: Schema.optional(Schema.Array(Schema.String)),
  /** Milliseconds since the epoch. */
  createdAt: Schema.Number
})
export type Group = typeof Group.Type
