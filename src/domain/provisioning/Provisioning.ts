/**
 * Users as code: a file of users with their groups, keys and service tokens, applied idempotently, all or nothing.
 *
 * What the file names is created or brought to the file's values; everything else stays. A key given as text
 * keeps that text (a digest is stored); a key given by name only is minted once. A key somebody revoked stays revoked.
 * Service tokens go onto all keys of the user.
 */
import { Context, type Effect, type Redacted, Schema } from "effect"
import type { KeyId, UserId } from "../Ids.ts"
import type { DatabaseUnavailable } from "../identity/IdentityErrors.ts"

/** The file, or what it asks for, cannot be applied; nothing was changed. Each problem names its place in the file. */
export class ProvisioningRefused extends Schema.TaggedError<ProvisioningRefused>()("ProvisioningRefused", {
  message: Schema.String,
  problems: Schema.Array(Schema.Struct({ path: Schema.String, reason: Schema.String }))
}) {}

export interface ProvisioningSummary {
  readonly users: { readonly created: number; readonly updated: number; readonly unchanged: number }
  readonly groups: { readonly created: number; readonly updated: number; readonly unchanged: number }
  readonly keys: { readonly created: number; readonly updated: number; readonly unchanged: number }
  /** Tokens written, counted once per user. */
  readonly serviceTokens: number
  /** Keys the hub had to mint, with their texts: to be shown once. */
  readonly minted: ReadonlyArray<{
    readonly username: string
    readonly userId: UserId
    readonly keyId: KeyId
    readonly name: string
    readonly key: Redacted.Redacted<string>
    /** Milliseconds since the epoch. */
    readonly expiresAt: number
  }>
}

export class Provisioning extends Context.Service<
  Provisioning,
  {
    /** Applies the parsed JSON of a file; `file` is its name for messages. */
    readonly apply: (
      input: unknown,
      file?: string
    ) => Effect.Effect<ProvisioningSummary, ProvisioningRefused | DatabaseUnavailable>
  }
>()("mcphub/domain/provisioning/Provisioning") {}
