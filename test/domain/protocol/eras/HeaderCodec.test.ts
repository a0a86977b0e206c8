import { assert, describe, it } from "@effect/vitest"
import { Result, Schema } from "effect"
import { decode, encode, matches } from "../../../../src/domain/protocol/eras/HeaderCodec.ts"

const read = (value: string) => Result.getOrThrow(decode(value))
const problem = (value: string) =>
  Result.match(decode(value), { onFailure: (failure) => failure, onSuccess: () => "readable" })

/** Any UTF-16 text: code units one by one, so that pairs, halves of pairs, blanks and controls all come up. */
const Text = Schema.Array(
  Schema.Union([
    Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 0x7f })),
    Schema.Int.check(Schema.isBetween({ minimum: 0xd800, maximum: 0xdfff })),
    Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 0xffff }))
  ])
)
const textOf = (units: ReadonlyArray<number>) => String.fromCharCode(...units)

describe("HeaderCodec", () => {
  it.prop(
    "any text becomes a legal header value and is read back, half surrogates as U+FFFD",
    { units: Text },
    ({ units }) => {
      const text = textOf(units)
      const value = encode(text)
      assert.match(value, /^[\x21-\x7e](?:[\t\x20-\x7e]*[\x21-\x7e])?$/)
      assert.strictEqual(read(value), text.toWellFormed())
      assert.strictEqual(read(` \t${value}\t `), text.toWellFormed())
      assert.isTrue(matches(read(value), text))
      new Headers({ "Mcp-Name": value })
    }
  )

  it.prop("two texts share a header value only if they are the same text", { a: Text, b: Text }, ({ a, b }) => {
    assert.strictEqual(encode(textOf(a)) === encode(textOf(b)), textOf(a).toWellFormed() === textOf(b).toWellFormed())
  })

  it("visible ASCII stands as it is, blanks inside included", () => {
    for (const text of ["us-east1", "a b\tc", "=?base64?abc", "abc?=", "=?BASE64?YQ==?=", "test://x?y=1"]) {
      assert.strictEqual(encode(text), text)
    }
  })

  it("edge blanks, controls, nothing at all, other scripts and look-alikes are encoded", () => {
    assert.strictEqual(encode("Hello, 世界"), "=?base64?SGVsbG8sIOS4lueVjA==?=")
    assert.strictEqual(encode(""), "=?base64??=")
    for (const text of [
      " a",
      "a ",
      "\ta",
      "a\r\nX-Evil: 1",
      "a\0",
      "\x7f",
      "é",
      "=?base64?YQ==?=",
      "=?base64?=",
      "\ufeffa"
    ]) {
      assert.isTrue(encode(text).startsWith("=?base64?") && encode(text) !== text, JSON.stringify(text))
      assert.strictEqual(read(encode(text)), text)
    }
  })

  it("half an encoding is the text it looks like", () => {
    assert.strictEqual(read("=?base64?abc"), "=?base64?abc")
    assert.strictEqual(read("SGVsbG8=?="), "SGVsbG8=?=")
    assert.strictEqual(read("=?base64?="), "=?base64?=")
    assert.strictEqual(read("=?base64?SGVsbG8=?="), "Hello")
  })

  it("bad Base64, bad UTF-8 and bytes no header may hold are refused, each by its name", () => {
    for (const payload of [
      "SGVsbG8",
      "SGVs!!!bG8=",
      "SGVsbG9=",
      "S===",
      "SGVs bG8=",
      "SGVsbG8==",
      "SGVs\r\nbG8=",
      "_-8="
    ]) {
      assert.strictEqual(problem(`=?base64?${payload}?=`), "base64", payload)
    }
    for (const payload of ["/w==", "7aCA", "wIA="])
      assert.strictEqual(problem(`=?base64?${payload}?=`), "utf8", payload)
    for (const value of ["é", "a\0b", "a\x7f"]) assert.strictEqual(problem(value), "characters")
  })

  it("trims a long run of blanks in linear time", () => {
    const blanks = " ".repeat(200_000)
    assert.strictEqual(read(`${blanks}a${blanks}b${blanks}`), `a${blanks}b`)
    assert.strictEqual(problem(`a${blanks}é`), "characters")
  })
})
