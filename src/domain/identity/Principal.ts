/**
 * The owner of a request: one user, seen through one MCPHub key.
 *
 * The hub derives a `Principal` from the key on every request (`Principals` caches it for at most 30 s). It is the only
 * source of identity: no path, query field or client header takes part. Service tokens belong to the user; a key may
 * carry others of its own, which go before.
 */
import type { Redacted } from "effect"
import type { GroupId, KeyId, UserId } from "../Ids.ts"
import type { Standing } from "./Standing.ts"

/** A group of the user, inactive ones included: whether *any* exists decides what "no active group" means. */
export interface GroupGrant {
  readonly id: GroupId
  readonly name: string
  readonly isActive: boolean
  /** Names of servers in the settings. */
  readonly servers: ReadonlyArray<string>
  /** When given, only these tools of those servers: `{server}-{tool}`, or a bare tool name. */
  readonly tools?: ReadonlyArray<string> | undefined
}

export interface Principal {
  readonly userId: UserId
  readonly username: string
  readonly isAdmin: boolean
  readonly keyId: KeyId
  readonly keyName: string
  /** Milliseconds since the epoch. */
  readonly expiresAt: number
  readonly groups: ReadonlyArray<GroupGrant>
  /** Service tokens that come with this key, by stored name, e.g. `GITHUB_TOKEN`. */
  readonly serviceTokens: ReadonlyMap<string, Redacted.Redacted<string>>
  /** Names of tokens that are stored and do not open with the hub's credential key. */
  readonly unreadableTokens?: ReadonlySet<string> | undefined
  /** Whether all this still holds; `Principals` alone gives it. */
  readonly standing: Standing
}

/** What the database says of a key that opens the hub. */
export type KeyOwner = Omit<Principal, "standing">
