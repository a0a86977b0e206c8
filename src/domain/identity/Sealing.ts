/**
 * Sealing of what an old hub wrote as text: keys become digests, service tokens are encrypted. And the way back, for a
 * hub that has to return to the old one or gets another credential key.
 *
 * A digest cannot be turned back, so the text of a key that was stored as text is kept beside it, sealed like a token,
 * until it is given up.
 */
import { Context, type Effect, Schema } from "effect"
import type { DatabaseUnavailable } from "./IdentityErrors.ts"

/** Stored tokens, or kept texts of keys, do not open: sealed with another credential key, or damaged. */
export class OtherCredentialKey extends Schema.TaggedError<OtherCredentialKey>()("OtherCredentialKey", {
  message: Schema.String
}) {}

export interface Resealed {
  /** Keys and service tokens that were changed. */
  readonly keys: number
  readonly tokens: number
  /** Keys whose text is kept sealed, for the way back. */
  readonly kept: number
  /** After the way back: keys that only this hub can check, because it made them and never stored their text. */
  readonly digests: number
  /** Keys left as text because the same key is stored as a digest in another row. */
  readonly twins: number
}

export class Sealing extends Context.Service<
  Sealing,
  {
    /**
     * Seals portion by portion; what is done stays done, and running it again does the rest. `final` gives up the way
     * back. Refused, before anything is changed, where something sealed does not open.
     */
    readonly seal: (options: {
      readonly final: boolean
    }) => Effect.Effect<Resealed, OtherCredentialKey | DatabaseUnavailable>
    /** Everything as text again, as the old hub reads it: a user's tokens on each of the user's keys. */
    readonly unseal: Effect.Effect<Resealed, OtherCredentialKey | DatabaseUnavailable>
  }
>()("mcphub/domain/identity/Sealing") {}
