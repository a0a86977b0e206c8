/**
 * An MCPHub key: the secret that a client presents, and the row that stands for it.
 *
 * A key's text is `mcphub_` and 64 hex digits, shown once. The database holds `sha256:<hex>` of it; rows of an old hub
 * that still hold the text open the hub as well. The digest never leaves the database layer: people tell keys apart by
 * name and id.
 */
import { hash } from "node:crypto"
import { Effect, Redacted, Schema } from "effect"
import { SecureRandom } from "effect/crypto"
import { KeyId, UserId } from "../Ids.ts"

export const HubKey = Schema.Struct({
  id: KeyId,
  userId: UserId,
  name: Schema.String,
  description: Schema.NullOr(Schema.String),
  isActive: Schema.Boolean,
  /** Milliseconds since the epoch, as all times here. */
  expiresAt: Schema.Number,
  lastUsedAt: Schema.NullOr(Schema.Number),
  usageCount: Schema.Number,
  /** Names of the service tokens that come with this key, sorted; the values are never listed. */
  tokenNames: Schema.Array(Schema.String),
  createdAt: Schema.Number
})
export type HubKey = typeof HubKey.Type

/** Days of validity that a key may get. */
export const keyDays = { least: 1, most: 90, usual: 90 } as const

export const millisPerDay = 86_400_000

/** Days before its end from which on a key is warned of, and after it for which it is still told of. */
export const keyNoticeDays = 14

export type KeyEnding = "ending" | "ended"

/** Whether a key ends soon or has lately ended; undefined for all others, and for those that were revoked. */
export const keyEnding = (
  { expiresAt, isActive }: Pick<HubKey, "expiresAt" | "isActive">,
  now: number
): KeyEnding | undefined => {
  const left = expiresAt - now
  if (!isActive || Math.abs(left) > keyNoticeDays * millisPerDay) return undefined
  return left > 0 ? "ending" : "ended"
}

const keyText = /^mcphub_[A-Za-z0-9_-]{16,200}$/

/** Whether a text is meant as a key of a hub, right or wrong. */
export const looksLikeKey = (text: string): boolean => text.startsWith("mcphub_")

/**
 * Whether a text has the form of a key. Checked before any look-up, so that a digest read from a stolen database, which
 * is a stored text too, never opens the hub.
 */
export const isKeyText = (text: string): boolean => keyText.test(text)

/** Digest of a key's text as stored in `keyValue`. Caches use it too, so that they hold no plaintext. */
export const keyDigest = (text: string): string => `sha256:${hash("sha256", text)}`

/** A new key's text from 32 random bytes. */
export const mintKey: Effect.Effect<Redacted.Redacted<string>, never, SecureRandom.SecureRandom> = Effect.gen(
  function* () {
    const random = yield* SecureRandom.SecureRandom
    const bytes = yield* random.randomBytes(32)
    return Redacted.make(`mcphub_${Buffer.from(bytes).toString("hex")}`, { label: "mcphub key" })
  }
)
