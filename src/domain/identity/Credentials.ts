/**
 * Sealing of service tokens at rest: `enc:v1:` and the base64url of nonce, AES-256-GCM ciphertext and tag.
 *
 * The user's id and the token's name are authenticated with the value, so a row copied to another user, or a value
 * copied to another name, does not open. An old hub wrote values without the prefix; they are read as they are.
 */
import { Context, Effect, Layer, Redacted, Schema } from "effect"
import { Aead, Kdf, SecureRandom } from "effect/crypto"
import type { UserId } from "../Ids.ts"

export class CredentialKeyInvalid extends Schema.TaggedError<CredentialKeyInvalid>()("CredentialKeyInvalid", {
  message: Schema.String
}) {}

/** A stored token does not open: sealed with another key, for another user or name, or damaged. */
export class SealBroken extends Schema.TaggedError<SealBroken>()("SealBroken", {
  message: Schema.String
}) {}

const prefix = "enc:v1:"
const nonceLength = 12

export const isSealed = (stored: string): boolean => stored.startsWith(prefix)

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text)

/** 64 hex digits or the base64 of 32 bytes are the key itself; any other text of 16 characters or more is derived. */
const keyBytes = Effect.fnUntraced(function* (text: string) {
  if (/^[0-9a-f]{64}$/i.test(text)) return new Uint8Array(Buffer.from(text, "hex"))
  if (/^[A-Za-z0-9+/_-]{43}=?$/.test(text)) return new Uint8Array(Buffer.from(text, "base64url"))
  if (text.length < 16) {
    return yield* new CredentialKeyInvalid({
      message: `CREDENTIAL_KEY has ${text.length} characters; give at least 16, or 32 bytes as hex or base64`
    })
  }
  const kdf = yield* Kdf.Kdf
  return yield* kdf
    .derive(Kdf.hkdfSha256, bytesOf(text), {
      salt: bytesOf("mcphub"),
      info: bytesOf("service tokens v1"),
      length: 32
    })
    .pipe(Effect.orDie)
})

export class Credentials extends Context.Service<
  Credentials,
  {
    readonly seal: (userId: UserId, name: string, value: Redacted.Redacted<string>) => Effect.Effect<string>
    /** The value of a stored token, sealed or plaintext. */
    readonly open: (
      userId: UserId,
      name: string,
      stored: string
    ) => Effect.Effect<Redacted.Redacted<string>, SealBroken>
  }
>()("mcphub/domain/identity/Credentials") {
  static readonly layer = (key: Redacted.Redacted<string>): Layer.Layer<Credentials, CredentialKeyInvalid> =>
    Layer.effect(
      Credentials,
      Effect.gen(function* () {
        const aead = yield* Aead.Aead
        const random = yield* SecureRandom.SecureRandom
        const secret = yield* Effect.orDie(Aead.key(Aead.aes256Gcm, yield* keyBytes(Redacted.value(key))))
        const aad = (userId: string, name: string) => bytesOf(JSON.stringify([userId, name]))

        return Credentials.of({
          seal: Effect.fnUntraced(function* (userId, name, value) {
            const nonce = yield* random.randomBytes(nonceLength)
            const sealed = yield* aead
              .encrypt(secret, bytesOf(Redacted.value(value)), { nonce, aad: aad(userId, name) })
              .pipe(Effect.orDie)
            return prefix + Buffer.concat([nonce, sealed]).toString("base64url")
          }),
          open: (userId, name, stored) => {
            const label = `${name} of ${userId}`
            if (!isSealed(stored)) return Effect.succeed(Redacted.make(stored, { label }))
            const bytes = new Uint8Array(Buffer.from(stored.slice(prefix.length), "base64url"))
            return aead
              .decrypt(secret, bytes.subarray(nonceLength), {
                nonce: bytes.subarray(0, nonceLength),
                aad: aad(userId, name)
              })
              .pipe(
                Effect.map((plain) => Redacted.make(new TextDecoder().decode(plain), { label })),
                Effect.mapError(
                  () =>
                    new SealBroken({
                      message: `The stored ${name} does not open; start with the CREDENTIAL_KEY it was sealed with, or set the token again`
                    })
                )
              )
          }
        })
      })
    ).pipe(Layer.provide([Aead.layerWebCrypto, Kdf.layerWebCrypto]), Layer.provide(SecureRandom.layerWebCrypto))
}
