/**
 * MCPHub keys and the service tokens they come with: the user's, and those of one key, which go before.
 *
 * Every method that names one key takes the owner's id where users act for themselves: the owner is part of the query,
 * so another user's key is simply not found. Leave it out only for an admin. `HubKeysMemory` and the SQL layer
 * (HubKeysSql.ts) behave alike; every change is announced through `KeyEvents`.
 */
import { Context, type Effect, type Option, type Redacted } from "effect"
import type { HubKey } from "./HubKey.ts"
import type { KeyId, UserId } from "../Ids.ts"
import type { DatabaseUnavailable, InvalidValue, KeyNotFound, KeyTaken, UserNotFound } from "./IdentityErrors.ts"
import type { KeyOwner } from "./Principal.ts"
import type { KeyEvent } from "./KeyEvents.ts"
import type { SealCheck } from "./ServiceTokens.ts"

export interface NewKey {
  readonly userId: UserId
  /** Up to 100 characters; default "MCPHub Key". */
  readonly name?: string | undefined
  readonly description?: string | undefined
  /** Days of validity, 1 to 90; default 90. */
  readonly days?: number | undefined
}

export interface GivenKey {
  readonly userId: UserId
  readonly name: string
  readonly key: Redacted.Redacted<string>
  /** Milliseconds since the epoch; default 90 days from now. */
  readonly expiresAt?: number | undefined
}

/** One key, or the user: whose token comes with each of their keys, also with one made later. */
export type TokenTarget = { readonly keyId: KeyId; readonly owner?: UserId | undefined } | { readonly userId: UserId }

/** The uses of a key since the last report. */
export interface KeyUse {
  readonly keyId: KeyId
  readonly count: number
  /** Milliseconds since the epoch. */
  readonly lastUsedAt: number
}

export class HubKeys extends Context.Service<
  HubKeys,
  {
    /** Mints a key. Its text is returned here and never again. */
    readonly create: (
      key: NewKey
    ) => Effect.Effect<
      { readonly key: Redacted.Redacted<string>; readonly row: HubKey },
      UserNotFound | InvalidValue | DatabaseUnavailable
    >
    /** Stores a key whose text is given; the same text of the same user again changes nothing. */
    readonly insert: (
      key: GivenKey
    ) => Effect.Effect<HubKey, UserNotFound | KeyTaken | InvalidValue | DatabaseUnavailable>
    readonly byId: (id: KeyId, owner?: UserId) => Effect.Effect<HubKey, KeyNotFound | DatabaseUnavailable>
    /** Revoked and expired keys too, newest first. */
    readonly listByUser: (userId: UserId) => Effect.Effect<ReadonlyArray<HubKey>, DatabaseUnavailable>
    readonly list: Effect.Effect<ReadonlyArray<HubKey>, DatabaseUnavailable>
    /** Validity becomes `days` (1 to 90, default 90) from now. */
    readonly extend: (
      id: KeyId,
      days?: number,
      owner?: UserId
    ) => Effect.Effect<HubKey, KeyNotFound | InvalidValue | DatabaseUnavailable>
    readonly rename: (
      id: KeyId,
      name: string,
      owner?: UserId
    ) => Effect.Effect<HubKey, KeyNotFound | InvalidValue | DatabaseUnavailable>
    /** Ends the key for good; its row stays for the record. */
    readonly revoke: (id: KeyId, owner?: UserId) => Effect.Effect<HubKey, KeyNotFound | DatabaseUnavailable>
    /** Merges into the tokens of the target. Rejects values that cannot stand in a header, without showing them. */
    readonly setTokens: (
      target: TokenTarget,
      tokens: Readonly<Record<string, Redacted.Redacted<string>>>
    ) => Effect.Effect<void, KeyNotFound | UserNotFound | InvalidValue | DatabaseUnavailable>
    /** Names of the target's own tokens, with a user those on each of their keys too; sorted, each once. */
    readonly tokenNames: (
      target: TokenTarget
    ) => Effect.Effect<ReadonlyArray<string>, KeyNotFound | DatabaseUnavailable>
    /** Those that come with every key of the user. */
    readonly userTokenNames: (userId: UserId) => Effect.Effect<ReadonlyArray<string>, DatabaseUnavailable>
    /** Whether the target had the token; with a user it is taken from their keys too. */
    readonly removeToken: (
      target: TokenTarget,
      name: string
    ) => Effect.Effect<boolean, KeyNotFound | DatabaseUnavailable>
    /** Whether the stored tokens open with the hub's credential key; some of many. */
    readonly checkSeals: Effect.Effect<SealCheck, DatabaseUnavailable>
    /** Adds counts and last-used times in one statement; times never go back. */
    readonly recordUse: (uses: ReadonlyArray<KeyUse>) => Effect.Effect<void, DatabaseUnavailable>
    /**
     * The owner of a presented key, in one read; none when the key is unknown, malformed, revoked or expired, or its
     * owner deactivated. Only `Principals` calls this; everything else asks `Principals`.
     */
    readonly principal: (key: Redacted.Redacted<string>) => Effect.Effect<Option.Option<KeyOwner>, DatabaseUnavailable>
    /** The same of a key that was presented before. Only `Principals` calls this. */
    readonly principalOf: (id: KeyId) => Effect.Effect<Option.Option<KeyOwner>, DatabaseUnavailable>
    /** Whether a row exists for each of the given keys, valid or not, in one read. Only `KeyGuard` calls this. */
    readonly exist: (
      keys: ReadonlyArray<Redacted.Redacted<string>>
    ) => Effect.Effect<ReadonlyArray<boolean>, DatabaseUnavailable>
    /** The given keys that no longer open the hub, as the events that say so. */
    readonly unusable: (
      keys: ReadonlyArray<{ readonly keyId: KeyId; readonly userId: UserId }>
    ) => Effect.Effect<ReadonlyArray<KeyEvent>, DatabaseUnavailable>
  }
>()("mcphub/domain/identity/HubKeys") {}
