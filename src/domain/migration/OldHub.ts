/** The rows of an old hub's database as the findings look at them. No key's text leaves the statement that reads it. */
import type { GroupId, KeyId, UserId } from "../Ids.ts"

export interface OldUser {
  readonly id: UserId
  readonly username: string | null
  readonly githubUsername: string | null
  readonly displayName: string | null
  /** The first characters of the password's digest, which name its scheme. */
  readonly passwordScheme: string | null
  readonly isAdmin: boolean
  readonly isActive: boolean
}

export interface OldKey {
  readonly id: KeyId
  readonly userId: UserId
  readonly name: string
  readonly isActive: boolean
  /** Milliseconds since the epoch. */
  readonly expiresAt: number
  /** `digest` as this hub stores it, the `text` of a key, or something that opens neither hub. */
  readonly form: "digest" | "text" | "malformed"
  /** Whatever stands in the column. */
  readonly tokens: unknown
}

export interface OldGroup {
  readonly id: GroupId
  readonly userId: UserId
  readonly name: string | null
  readonly isActive: boolean
  readonly servers: ReadonlyArray<string>
}

export interface OldHub {
  readonly users: ReadonlyArray<OldUser>
  readonly keys: ReadonlyArray<OldKey>
  readonly groups: ReadonlyArray<OldGroup>
  /** Of a database that this hub has used before: tokens of users. */
  readonly userTokens: ReadonlyArray<{ readonly userId: UserId; readonly tokens: unknown }>
  /** Migrations that have not run; all of them on one that only the old hub has used. */
  readonly pending: ReadonlyArray<string>
  /** The server's version as a number, e.g. 150004. */
  readonly version: number
  /** Whether the connection's user may make the hub's schema, or it is there. */
  readonly mayCreate: boolean
}

/** The name a user goes by. */
export const nameOf = (user: OldUser): string =>
  user.username ?? user.githubUsername ?? user.displayName ?? (user.id as string)

/** Names of users by id. */
export const namesIn = ({ users }: Pick<OldHub, "users">): ((id: UserId) => string) => {
  const names = new Map(users.map((user) => [user.id, nameOf(user)]))
  return (id) => names.get(id) ?? id
}

export const keyPlace = (key: OldKey, owner: string): string => `key "${key.name}" of ${owner} (${key.id})`
