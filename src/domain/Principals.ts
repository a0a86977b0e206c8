/**
 * From a presented MCPHub key to its `Principal`, at most one database read per request, cached ≤ 30 s.
 *
 * Used by everything that authenticates. Unknown, malformed, expired, revoked and deactivated keys are one error, so
 * that no caller can tell them apart. `invalidations` tells the session registry which keys or users have changed, so
 * that it ends their sessions (≤ 1 s after the commit).
 */
import { Context, Schema, type Effect, type Redacted, type Stream } from "effect"
import { KeyId, UserId } from "./Ids.ts"
import type { Principal } from "./Principal.ts"

/** The key does not open the hub: unknown, malformed, expired, revoked or its owner deactivated — deliberately one case. */
export class KeyRejected extends Schema.TaggedError<KeyRejected>()("KeyRejected", {
  message: Schema.String
}) {}

/** The database did not answer in time and the cache does not know the key. */
export class IdentityUnavailable extends Schema.TaggedError<IdentityUnavailable>()("IdentityUnavailable", {
  message: Schema.String
}) {}

/**
 * What changed. `keyId` absent: everything of the user. `revoked` true: the key or user no longer opens the hub and its
 * sessions end; false: tokens, groups or names changed and sessions go on with fresh values.
 */
export const KeyEvent = Schema.Struct({
  userId: UserId,
  keyId: Schema.optional(KeyId),
  revoked: Schema.Boolean
})
export type KeyEvent = typeof KeyEvent.Type

export class Principals extends Context.Service<
  Principals,
  {
    /** The principal of a key, from the cache or with one read. */
    readonly authenticate: (key: Redacted.Redacted<string>) => Effect.Effect<Principal, KeyRejected | IdentityUnavailable>
    /** The cached, still valid principal of a key, without an effect: the data path's fast way. */
    readonly peek: (key: string) => Principal | undefined
    /** Changes to keys and users, after the cache has dropped them. */
    readonly invalidations: Stream.Stream<KeyEvent>
  }
>()("mcphub/domain/Principals") {}
