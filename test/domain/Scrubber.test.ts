import { Buffer } from "node:buffer"
import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import * as Scrubber from "../../src/domain/Scrubber.ts"

const token = "ghp_16/C7e+42F29 'c6912E7710c838347Ae178B4a\"\\"
const scrub = (text: string): string => Scrubber.make([token]).text(text)

/** The longest piece of `secret` that `text` still holds. */
const longestLeft = (text: string, secret: string): number => {
  let longest = 0
  for (let from = 0; from < secret.length; from++) {
    while (text.includes(secret.slice(from, from + longest + 1)) && from + longest < secret.length) longest++
  }
  return longest
}

describe("Scrubber", () => {
  const forms: ReadonlyArray<readonly [form: string, text: string]> = [
    ["plain", token],
    ["as a part of a URL", encodeURIComponent(token)],
    ["as a part of a URL in lower case", encodeURIComponent(token).replace(/%../g, (digits) => digits.toLowerCase())],
    ["as a whole URL", encodeURI(token)],
    ["as a field of a form", new URLSearchParams({ t: token }).toString().slice(2)],
    ["in JSON", JSON.stringify(token).slice(1, -1)],
    ["in JSON with escaped slashes", JSON.stringify(token).slice(1, -1).replaceAll("/", "\\/")],
    ["in base64", Buffer.from(token).toString("base64")],
    ["in base64 for URLs", Buffer.from(token).toString("base64url")]
  ]
  for (const [form, text] of forms) {
    it(`takes a token out ${form}, at the ends of a text and inside it`, () => {
      for (const [before, after] of [
        ["", ""],
        ["bad token: ", "; try again"],
        [`${token} `, ` ${token}`]
      ] as const) {
        const clean = scrub(`${before}${text}${after}`)
        assert.notInclude(clean, text)
        assert.match(clean, /<redacted>/)
        assert.isBelow(longestLeft(clean, token), 4, clean)
      }
    })
  }

  for (const user of ["a", "ab", "abc", "someone@example.org"]) {
    it(`takes a token out of Basic authentication as ${user}, before or after the colon`, () => {
      for (const text of [`${user}:${token}`, `${token}:${user}`, `${token}:x-oauth`]) {
        for (const encoding of ["base64", "base64url"] as const) {
          const clean = scrub(`Authorization: Basic ${Buffer.from(text).toString(encoding)} was refused`)
          assert.match(clean, /^Authorization: Basic .*<redacted>.* was refused$/)
          // What is left, read at any of the places where a byte can begin, holds no two characters of the token.
          for (const rest of clean.slice(21, -12).split("<redacted>")) {
            for (const before of ["", "A", "AA", "AAA"]) {
              const left = Buffer.from(before + rest, encoding).toString("latin1")
              assert.isBelow(longestLeft(left, token), 3, JSON.stringify([text, clean, left]))
            }
          }
        }
      }
    })
  }

  it("takes out the characters of base64 that hold bits of a secret beside others", () => {
    const digits = Buffer.from("a:secret-1;z").toString("base64")
    // Its eight bytes begin after two: the bits 16 to 79, of six a character.
    assert.strictEqual(Scrubber.make(["secret-1"]).text(digits), `${digits.slice(0, 2)}<redacted>${digits.slice(14)}`)
  })

  it("leaves what holds no secret as it is, and short values, which are words", () => {
    const text = "nothing of the kind: abc, QUJD, ghp_16"
    assert.strictEqual(scrub(text), text)
    assert.strictEqual(Scrubber.make(["", "abc", "short"]).text("abc short YWJj"), "abc short YWJj")
    assert.strictEqual(Scrubber.make([]).text(text), text)
  })

  it("leaves no remainder of a secret that contains another, whichever is named first", () => {
    for (const secrets of [
      ["canary", "canary-longer"],
      ["canary-longer", "canary"]
    ]) {
      assert.strictEqual(Scrubber.make(secrets).text("canary-longer, canary!"), "<redacted>, <redacted>!")
    }
  })

  it("takes out as much of a long secret as there is, from its first 64 characters on", () => {
    const long = Array.from({ length: 2_000 }, (_, i) => `${i}`).join(".")
    const { text } = Scrubber.make([long])
    assert.strictEqual(text(`<${long}>`), "<<redacted>>")
    assert.strictEqual(text(`<${long.slice(0, 70)}…`), "<<redacted>…")
  })

  it("scrubs names and texts of a JSON value, however deep", () => {
    const { json } = Scrubber.make(["canary-1"])
    assert.deepStrictEqual(json({ "canary-1": ["canary-1", { x: "y canary-1", n: 1, z: null }] }), {
      "<redacted>": ["<redacted>", { x: "y <redacted>", n: 1, z: null }]
    } as never)
    assert.isUndefined(json(undefined))
  })

  it("is not stopped by a secret that is no sound Unicode", () => {
    assert.strictEqual(Scrubber.make(["canary-\ud800"]).text("a canary-\ud800!"), "a <redacted>!")
  })

  it("takes time with the length of a text alone, also where secret and text repeat themselves", () => {
    const cases = [
      [`${"a".repeat(8_000)}b`, `b${"a".repeat(8_000)}`],
      Array.from({ length: 20 }, (_, i) => `${"a".repeat(62)}b${i}`)
    ]
    for (const secrets of cases) {
      const { text } = Scrubber.make(secrets)
      text("a".repeat(10_000))
      const started = performance.now()
      text("a".repeat(1_000_000))
      // Each position compared with each secret, these take a minute and more.
      assert.isBelow(performance.now() - started, 5_000)
    }
  })

  it.prop(
    "finds any secret in any text around it",
    { before: Schema.String, secret: Schema.String.check(Schema.isMinLength(6)), after: Schema.String },
    ({ after, before, secret }) => {
      const clean = Scrubber.make([secret]).text(before + secret + after)
      assert.include(clean, "<redacted>")
      assert.notInclude(clean.replaceAll("<redacted>", "\u0000"), secret)
    }
  )
})
