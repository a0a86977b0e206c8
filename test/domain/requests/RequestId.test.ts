import { assert, describe, it } from "@effect/vitest"
import { Effect, Option, Schema } from "effect"
import { SessionId, UserId } from "../../../src/domain/Ids.ts"
import { makeMint, methodText, parse } from "../../../src/domain/requests/RequestId.ts"

const ada = UserId.make("9ccec009-1b5e-4c5a-9a3f-0d6a3f1f2c11")
const session = SessionId.make("fefedbdf-77aa-4e5b-8c44-5e0c1d2e3f40")

describe("RequestId", () => {
  it("has the form user-{userId}-{sessionId}-{method}-{timestamp}-{random} with 96 random bits", () => {
    const id = makeMint()(ada, session, "tools/list", 1_795_342_305_528)
    assert.match(id, new RegExp(`^user-${ada}-${session}-tools/list-1795342305528-[0-9a-f]{24}$`))
  })

  it.effect("never repeats: a million ids over 64 fibers", () =>
    Effect.gen(function* () {
      const mint = makeMint()
      const seen = new Set<string>()
      const perFiber = 15_625
      yield* Effect.forEach(
        Array.from({ length: 64 }),
        () =>
          Effect.gen(function* () {
            for (let i = 0; i < perFiber; i++) {
              seen.add(mint(ada, session, "tools/call", 1_795_342_305_528))
              if (i % 1024 === 0) yield* Effect.yieldNow
            }
          }),
        { concurrency: 64 }
      )
      assert.strictEqual(seen.size, 1_000_000)
    })
  )

  it.effect.prop(
    "is read back to its parts",
    {
      userId: Schema.String.check(Schema.isUUID()),
      sessionId: Schema.String.check(Schema.isUUID()),
      method: Schema.String.check(Schema.isPattern(/^[A-Za-z0-9/_$.-]{1,64}$/)),
      timestamp: Schema.Int.check(Schema.isBetween({ minimum: 1_000_000_000_000, maximum: 9_999_999_999_999 }))
    },
    ({ method, sessionId, timestamp, userId }) =>
      Effect.sync(() => {
        const id = makeMint()(UserId.make(userId), SessionId.make(sessionId), method, timestamp)
        const parts = Option.getOrThrow(parse(id))
        assert.deepStrictEqual(
          [parts.userId, parts.sessionId, parts.method, parts.timestamp],
          [userId, sessionId, method, timestamp]
        )
      })
  )

  it("is read back when the user's id is no uuid, and refused where the parts cannot be told apart", () => {
    const mint = makeMint()
    const named = Option.getOrThrow(parse(mint(UserId.make("ada-lovelace"), session, "tools/call", 1)))
    assert.strictEqual(named.userId, "ada-lovelace")
    assert.strictEqual(named.sessionId, session)
    const short = Option.getOrThrow(parse(mint(UserId.make("ada"), SessionId.make("s1"), "ping", 1)))
    assert.deepStrictEqual([short.userId, short.sessionId, short.method], ["ada", "s1", "ping"])
    assert.isTrue(Option.isNone(parse(mint(UserId.make("a-b"), SessionId.make("c-d"), "e-f", 1))))
    assert.isTrue(Option.isNone(parse("user-x")))
    assert.isTrue(Option.isNone(parse(`user-${ada}-${session}-tools/list-1795342305528-abc`)))
  })

  it("can stand in a header whatever method the client sends", () => {
    assert.strictEqual(methodText("tools/call"), "tools/call")
    assert.strictEqual(methodText("a\r\nX-Evil: 1\u001b[31m é"), "a__X-Evil__1__31m__")
    assert.strictEqual(methodText(""), "_")
    assert.strictEqual(methodText("x".repeat(1_000_000)).length, 64)
    assert.strictEqual(methodText(`tools/mcphub_${"0123456789abcdef".repeat(4)}`), "tools/mcphub__redacted_")
    assert.match(makeMint()(ada, session, "évil\n", 1), /^[\x21-\x7e]+$/)
  })
})
