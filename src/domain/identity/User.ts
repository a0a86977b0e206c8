/**
 * A user of the hub: a person or machine that owns keys, groups and service tokens.
 *
 * Times are milliseconds since the epoch, whatever the database's or the process's time zone.
 */
import { Schema } from "effect"
import { UserId } from "../Ids.ts"

/**
 * Names fit the legacy column, a header and a path segment: no control characters, no slash, at most 100 characters.
 * Format characters (Cf), which nobody sees or which turn the text around them, would make one name look like another.
 */
export const Username = Schema.String.check(
  Schema.isPattern(/^[^\s/\\\p{Cc}\p{Cf}\p{Cs}](?:[^/\\\p{Cc}\p{Cf}\p{Cs}]{0,98}[^\s/\\\p{Cc}\p{Cf}\p{Cs}])?$/u, {
    message:
      "a user name is 1 to 100 characters, without slashes, control or invisible characters, halves of surrogate pairs or outer spaces"
  })
)

/** Names of one look are not given to two users, whatever their case and the width or ligatures of their letters. */
export const lookOf = (username: string): string =>
  username.normalize("NFKC").toUpperCase().toLowerCase().normalize("NFKC")

export const User = Schema.Struct({
  id: UserId,
  username: Schema.String,
  displayName: Schema.NullOr(Schema.String),
  email: Schema.NullOr(Schema.String),
  isAdmin: Schema.Boolean,
  isActive: Schema.Boolean,
  /** Milliseconds since the epoch. */
  lastLoginAt: Schema.NullOr(Schema.Number),
  /** Milliseconds since the epoch. */
  createdAt: Schema.Number
})
export type User = typeof User.Type
