/**
 * The rows behind the memory layers of users, keys, groups and sessions: for embedders and tests that want no database.
 *
 * Rows are immutable values in maps, replaced on change, so a snapshot is a copy of the maps.
 */
import { Context, Effect, Layer } from "effect"
import type { Group } from "../../identity/Group.ts"
import type { HubKey } from "../../identity/HubKey.ts"
import type { InFlightRequest } from "../../records/InFlightRequests.ts"
import type { GroupId, KeyId, UserId } from "../../Ids.ts"
import type { HubRole } from "../../identity/Roles.ts"
import type { NewCode } from "../../identity/SignInCodes.ts"
import type { SignIn } from "../../identity/SignIns.ts"
import type { StoredSession } from "../../records/SessionStore.ts"
import type { User } from "../../identity/User.ts"

export interface MemoryUser extends User {
  readonly passwordDigest?: string | undefined
  readonly githubId?: string | undefined
}

export interface MemoryKey extends Omit<HubKey, "tokenNames"> {
  readonly digest: string
  /** Stored forms by name. */
  readonly tokens: Readonly<Record<string, string>>
}

export interface MemorySession extends StoredSession {
  /** The hub that serves it. */
  readonly owner: string
  readonly endedAt?: number | undefined
}

export interface MemoryInFlight {
  readonly owner: string
  readonly request: InFlightRequest
  /** Milliseconds since the epoch. */
  readonly writtenAt: number
}

export interface MemorySignIn extends SignIn {
  readonly digest: string
}

export interface MemoryCode extends NewCode {
  readonly digest: string
  readonly expiresAt: number
}

export class MemoryStore extends Context.Service<
  MemoryStore,
  {
    readonly users: Map<UserId, MemoryUser>
    readonly keys: Map<KeyId, MemoryKey>
    readonly groups: Map<GroupId, Group>
    /** Stored forms of users' tokens by name. */
    readonly userTokens: Map<UserId, Readonly<Record<string, string>>>
    /** By digest. */
    readonly sessions: Map<string, MemorySession>
    /** By request id. */
    readonly inFlight: Map<string, MemoryInFlight>
    /** By digest. */
    readonly signIns: Map<string, MemorySignIn>
    /** By digest. */
    readonly codes: Map<string, MemoryCode>
    readonly roles: Map<UserId, HubRole>
    /** By issuer and subject. */
    readonly externalUsers: Map<string, UserId>
  }
>()("mcphub/domain/storage/memory/MemoryStore") {
  static readonly layer: Layer.Layer<MemoryStore> = Layer.effect(
    MemoryStore,
    Effect.sync(() =>
      MemoryStore.of({
        users: new Map(),
        keys: new Map(),
        groups: new Map(),
        userTokens: new Map(),
        sessions: new Map(),
        inFlight: new Map(),
        signIns: new Map(),
        codes: new Map(),
        roles: new Map(),
        externalUsers: new Map()
      })
    )
  )
}

export const toUser = ({ githubId: _githubId, passwordDigest: _digest, ...user }: MemoryUser): User => user

/** Ends sign-ins and one-time codes of a user who may not come in any more. */
export const shutOut = ({ codes, signIns }: MemoryStore["Service"], userId: UserId): void => {
  for (const rows of [signIns, codes]) {
    for (const row of rows.values()) if (row.userId === userId) rows.delete(row.digest)
  }
}

/** Adds and replaces tokens of a user, and takes those of these names from the user's keys, where they would go before. */
export const mergeUserTokens = (
  { keys, userTokens }: Pick<MemoryStore["Service"], "keys" | "userTokens">,
  userId: UserId,
  tokens: Readonly<Record<string, string>>
): void => {
  userTokens.set(userId, { ...userTokens.get(userId), ...tokens })
  takeFromKeys({ keys }, userId, Object.keys(tokens))
}

export const takeFromKeys = (
  { keys }: Pick<MemoryStore["Service"], "keys">,
  userId: UserId,
  names: ReadonlyArray<string>
): void => {
  for (const key of keys.values()) {
    if (key.userId !== userId) continue
    const own = Object.fromEntries(Object.entries(key.tokens).filter(([name]) => !names.includes(name)))
    keys.set(key.id, { ...key, tokens: own })
  }
}

export const byText =
  <A>(text: (row: A) => string) =>
  (a: A, b: A): number =>
    text(a) < text(b) ? -1 : text(a) > text(b) ? 1 : 0
