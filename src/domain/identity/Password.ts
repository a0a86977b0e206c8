/**
 * Password digests for people who sign in to the dashboard: PBKDF2-HMAC-SHA-256 with 600 000 iterations (OWASP 2023),
 * which WebCrypto has on every runtime.
 *
 * Stored as `pbkdf2-sha256$<iterations>$<salt>$<hash>` (base64url), which tells it from the old hub's bcrypt (`$2b$…`)
 * and fits the legacy column.
 */
import { timingSafeEqual } from "node:crypto"
import { Effect, Redacted, Result } from "effect"
import { Digest, Kdf, SecureRandom } from "effect/crypto"
import * as Base64Url from "effect/encoding/Base64Url"

const scheme = "pbkdf2-sha256"
const iterations = 600_000
const saltBytes = 16
const hashBytes = 32

const derive = (password: Redacted.Redacted<string>, salt: Uint8Array, rounds: number) =>
  Effect.flatMap(Kdf.Kdf, (kdf) =>
    kdf.derive(
      Kdf.pbkdf2({ hash: Digest.sha256, iterations: rounds }),
      new TextEncoder().encode(Redacted.value(password).normalize("NFKC")),
      { salt, length: hashBytes }
    )
  ).pipe(Effect.orDie, Effect.provide(Kdf.layerWebCrypto))

/** The digest to store for a password. */
export const digest = Effect.fnUntraced(function* (password: Redacted.Redacted<string>) {
  const salt = SecureRandom.randomBytesUnsafe(saltBytes)
  const hash = yield* derive(password, salt, iterations)
  return Redacted.make(`${scheme}$${iterations}$${Base64Url.encode(salt)}$${Base64Url.encode(hash)}`, {
    label: "password digest"
  })
})

const decoded = (text: string | undefined): Uint8Array | undefined =>
  text === undefined ? undefined : Result.getOrUndefined(Base64Url.decode(text))

/**
 * Whether the digest belongs to the password, in constant time. False for digests of another scheme, such as bcrypt.
 */
export const verify = Effect.fnUntraced(function* (
  password: Redacted.Redacted<string>,
  stored: Redacted.Redacted<string>
) {
  const [name, rounds, saltText, hashText] = Redacted.value(stored).split("$")
  const salt = decoded(saltText)
  const hash = decoded(hashText)
  const count = Number(rounds)
  if (name !== scheme || salt === undefined || hash?.length !== hashBytes) return false
  if (!Number.isSafeInteger(count) || count < 1 || count > 10_000_000) return false
  return timingSafeEqual(yield* derive(password, salt, count), hash)
})

/** Whether this is a digest of the hub's own, which `verify` can compare. An old hub's bcrypt is not. */
export const isKnown = (stored: Redacted.Redacted<string>): boolean => Redacted.value(stored).startsWith(`${scheme}$`)

/** A digest that belongs to no password and takes as long to verify: for users who are unknown or have none. */
export const decoy: Redacted.Redacted<string> = Redacted.make(
  `${scheme}$${iterations}$${Base64Url.encode(new Uint8Array(saltBytes))}$${Base64Url.encode(new Uint8Array(hashBytes))}`
)

/** Characters of a password that a person chooses. */
export const passwordLength = { least: 12, most: 1_000 } as const

export const passwordProblem = (password: string): string | undefined =>
  password.length >= passwordLength.least && password.length <= passwordLength.most
    ? undefined
    : `a password has ${passwordLength.least} to ${passwordLength.most} characters`
