import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { Credentials } from "../../../src/domain/identity/Credentials.ts"
import { UserId } from "../../../src/domain/Ids.ts"

const ada = UserId.make("11111111-1111-4111-8111-111111111111")
const bo = UserId.make("22222222-2222-4222-8222-222222222222")

const withKey = (key: string) => Credentials.layer(Redacted.make(key))
const layer = withKey("sixteen letters!")

describe("Credentials", () => {
  it.effect("a sealed token opens for its user and name, and every sealing differs", () =>
    Effect.gen(function* () {
      const credentials = yield* Credentials
      const sealed = yield* credentials.seal(ada, "GITHUB_TOKEN", Redacted.make("ghp_canary"))
      assert.match(sealed, /^enc:v1:[A-Za-z0-9_-]+$/)
      assert.notInclude(Buffer.from(sealed.slice(7), "base64url").toString("latin1"), "canary")
      assert.strictEqual(Redacted.value(yield* credentials.open(ada, "GITHUB_TOKEN", sealed)), "ghp_canary")
      assert.notStrictEqual(yield* credentials.seal(ada, "GITHUB_TOKEN", Redacted.make("ghp_canary")), sealed)
    }).pipe(Effect.provide(layer))
  )

  it.effect("a sealed token copied to another user or name, or changed, does not open", () =>
    Effect.gen(function* () {
      const credentials = yield* Credentials
      const sealed = yield* credentials.seal(ada, "GITHUB_TOKEN", Redacted.make("ghp_canary"))
      const flipped = sealed.slice(0, -2) + (sealed.endsWith("AA") ? "BB" : "AA")
      for (const [user, name, stored] of [
        [bo, "GITHUB_TOKEN", sealed],
        [ada, "JIRA_TOKEN", sealed],
        [ada, "GITHUB_TOKEN", flipped],
        [ada, "GITHUB_TOKEN", "enc:v1:"],
        [ada, "GITHUB_TOKEN", "enc:v1:AAAA"]
      ] as const) {
        const error = yield* Effect.flip(credentials.open(user, name, stored))
        assert.strictEqual(error._tag, "SealBroken")
        assert.notInclude(error.message, "canary")
      }
    }).pipe(Effect.provide(layer))
  )

  it.effect("a plaintext value of an old hub is read as it is", () =>
    Effect.gen(function* () {
      const credentials = yield* Credentials
      assert.strictEqual(Redacted.value(yield* credentials.open(ada, "GITHUB_TOKEN", "ghp_plain")), "ghp_plain")
    }).pipe(Effect.provide(layer))
  )

  it.effect("hex, base64 and any text of sixteen characters serve as key, the same text always as the same key", () =>
    Effect.gen(function* () {
      const bytes = Buffer.alloc(32, 7)
      const [hex, base64] = [withKey(bytes.toString("hex")), withKey(bytes.toString("base64"))]
      const seal = Effect.flatMap(Credentials, (it) => it.seal(ada, "T", Redacted.make("v")))
      const open = (stored: string) => Effect.flatMap(Credentials, (it) => it.open(ada, "T", stored))
      const sealed = yield* Effect.provide(seal, hex)
      assert.strictEqual(Redacted.value(yield* Effect.provide(open(sealed), base64)), "v")
      assert.strictEqual((yield* Effect.flip(Effect.provide(open(sealed), layer)))._tag, "SealBroken")
      const derived = yield* Effect.provide(seal, layer)
      assert.strictEqual(Redacted.value(yield* Effect.provide(open(derived), withKey("sixteen letters!"))), "v")
      const short = yield* Effect.flip(Effect.provide(seal, withKey("fifteen letters")))
      assert.strictEqual(short._tag, "CredentialKeyInvalid")
      assert.notInclude(short.message, "fifteen letters")
    })
  )
})
