/**
 * The users of the hub.
 *
 * `UsersMemory` and the SQL layer (UsersSql.ts) behave alike. Deactivating or removing a user is announced through
 * `KeyEvents`, so that the user's sessions end.
 */
import { Context, type Effect, type Option, type Redacted } from "effect"
import type { UserId } from "../Ids.ts"
import type { DatabaseUnavailable, InvalidValue, UsernameTaken, UserNotFound } from "./IdentityErrors.ts"
import type { User } from "./User.ts"

export interface NewUser {
  readonly username: string
  /** A uuid to keep; minted when absent. */
  readonly id?: UserId | undefined
  readonly isAdmin?: boolean | undefined
  readonly displayName?: string | undefined
  readonly email?: string | undefined
}

/** The profile of a person who signs in with GitHub. */
export interface GithubProfile {
  readonly githubId: string
  readonly login: string
  readonly displayName?: string | undefined
  readonly email?: string | undefined
  readonly avatarUrl?: string | undefined
  readonly profileUrl?: string | undefined
}

export class Users extends Context.Service<
  Users,
  {
    /** A name is taken by one that looks like it, too. */
    readonly add: (user: NewUser) => Effect.Effect<User, UsernameTaken | InvalidValue | DatabaseUnavailable>
    readonly byId: (id: UserId) => Effect.Effect<User, UserNotFound | DatabaseUnavailable>
    readonly byName: (username: string) => Effect.Effect<User, UserNotFound | DatabaseUnavailable>
    /** The user whose GitHub id this is. */
    readonly byGithubId: (githubId: string) => Effect.Effect<User, UserNotFound | DatabaseUnavailable>
    /** All users, by name. */
    readonly list: Effect.Effect<ReadonlyArray<User>, DatabaseUnavailable>
    /** Removes the user with their keys, groups and tokens. */
    readonly remove: (id: UserId) => Effect.Effect<void, UserNotFound | DatabaseUnavailable>
    readonly setActive: (id: UserId, active: boolean) => Effect.Effect<User, UserNotFound | DatabaseUnavailable>
    /** Whoever becomes an admin or is one no more has no other role afterwards, until they are given one. */
    readonly setAdmin: (id: UserId, admin: boolean) => Effect.Effect<User, UserNotFound | DatabaseUnavailable>
    /** The stored password digest: the hub's own or the old hub's bcrypt; none for users who sign in elsewhere. */
    readonly passwordDigest: (
      id: UserId
    ) => Effect.Effect<Option.Option<Redacted.Redacted<string>>, UserNotFound | DatabaseUnavailable>
    /** At most 255 characters, the width of the legacy column. */
    readonly setPasswordDigest: (
      id: UserId,
      digest: Redacted.Redacted<string>
    ) => Effect.Effect<void, UserNotFound | DatabaseUnavailable>
    /** Notes that the user signed in now. */
    readonly recordLogin: (id: UserId) => Effect.Effect<void, DatabaseUnavailable>
    /** The user with this GitHub id: created (not admin) at the first sign-in, with the profile refreshed at each. */
    readonly fromGithub: (profile: GithubProfile) => Effect.Effect<User, InvalidValue | DatabaseUnavailable>
  }
>()("mcphub/domain/identity/Users") {}
