/** Password digests. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import * as Password from "../../../src/domain/identity/Password.ts"

const ada = Redacted.make("correct horse battery staple")

describe("Password", () => {
  it.effect("a digest opens with its own password only, and no two digests are alike", () =>
    Effect.gen(function* () {
      const digest = yield* Password.digest(ada)
      assert.match(Redacted.value(digest), /^pbkdf2-sha256\$600000\$[\w-]{22}\$[\w-]{43}$/)
      assert.notInclude(Redacted.value(digest), Redacted.value(ada))
      assert.isTrue(yield* Password.verify(ada, digest))
      assert.isFalse(yield* Password.verify(Redacted.make("correct horse battery stapl"), digest))
      assert.notStrictEqual(Redacted.value(yield* Password.digest(ada)), Redacted.value(digest))
    })
  )

  it.effect("a password is the same however its letters are composed", () =>
    Effect.gen(function* () {
      const digest = yield* Password.digest(Redacted.make("caf\u00e9-long-enough"))
      assert.isTrue(yield* Password.verify(Redacted.make("cafe\u0301-long-enough"), digest))
    })
  )

  it.effect("a digest of another scheme, and a damaged one, open with nothing", () =>
    Effect.gen(function* () {
      const good = Redacted.value(yield* Password.digest(ada))
      const others = [
        "",
        "$2b$10$abcdefghijklmnopqrstuv",
        good.slice(0, -1),
        good.replace("$600000$", "$0$"),
        good.replace("pbkdf2", "md5")
      ]
      for (const stored of others) assert.isFalse(yield* Password.verify(ada, Redacted.make(stored)), stored)
    })
  )

  it.effect(
    "the decoy belongs to no password and takes as long, and an old hub's digest is told from the hub's own",
    () =>
      Effect.gen(function* () {
        const good = yield* Password.digest(ada)
        assert.isFalse(yield* Password.verify(ada, Password.decoy))
        assert.strictEqual(Redacted.value(Password.decoy).split("$")[1], Redacted.value(good).split("$")[1])
        assert.isTrue(Password.isKnown(good))
        assert.isFalse(Password.isKnown(Redacted.make("$2b$10$abcdefghijklmnopqrstuv")))
      })
  )
})
