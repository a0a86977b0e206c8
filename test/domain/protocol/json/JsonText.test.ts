import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { mapTexts, parseJson } from "../../../../src/domain/protocol/json/JsonText.ts"

const names = (text: string) => Object.keys(parseJson(text) as object)

describe("JsonText", () => {
  it("A21: a name that somebody has sent is not taken for another one that is written with an escape", () => {
    // Twice, because the engine learns names as it reads.
    for (const round of [1, 2]) {
      assert.deepStrictEqual(names('{"a":1,"\\\\":2}'), ["a", "\\"], `${round}`)
      assert.deepStrictEqual(names('{"a":1,"\\n":2}'), ["a", "\n"], `${round}`)
      assert.deepStrictEqual(names('{"a":1,"\\ud800":2}'), ["a", "\ud800"], `${round}`)
      assert.deepStrictEqual(names('{"a":1,"\\"" : 2}'), ["a", '"'], `${round}`)
      assert.deepStrictEqual(names('{"long\\\\":1}'), ["long\\"], `${round}`)
      assert.deepStrictEqual(names('{"long\\t":1}'), ["long\t"], `${round}`)
    }
  })

  it("escapes in names stand for what RFC 8259 says, wherever they are", () => {
    assert.deepStrictEqual(parseJson('[{"\\u0061":{"\\/":["\\n:",{"\\\\\\"":"\\":"}]}}]'), [
      { a: { "/": ["\n:", { '\\"': '":' }] } }
    ])
    // The last of two members of one name counts, at the place of the first.
    assert.deepStrictEqual(Object.entries(parseJson('{"a":1,"b":2,"\\u0061":3}') as object), [
      ["a", 3],
      ["b", 2]
    ])
    for (const [text, value] of [
      ['{"\\u0061":1,"a":2}', { a: 2 }],
      ['{"a":0,"\\u0061":1,"a":2,"\\n":3}', { a: 2, "\n": 3 }],
      ['{"\\n":1,"b":2,"\\u000a":3}', { "\n": 3, b: 2 }]
    ] as const) {
      assert.deepStrictEqual(Object.entries(parseJson(text) as object), Object.entries(value), text)
    }
    assert.deepStrictEqual(parseJson('"\\"a\\":1"'), '"a":1')
  })

  it("what is not JSON is refused", () => {
    for (const text of ['{"\\x":1}', '{"a\\":1}', '{\\"a":1}', '{"\\n":1', '{"\\ud8":1}', '\\{"\\n":1}', '{"\\n\n":1}'])
      assert.throws(() => parseJson(text), SyntaxError, undefined, text)
  })

  it("a text of nothing but escapes is read in one pass", () => {
    const text = "\n".repeat(1_000_000)
    assert.deepStrictEqual(parseJson(JSON.stringify({ [text]: text })), { [text]: text })
    const unclosed = `{"${"\\\\".repeat(1_000_000)}`
    assert.throws(() => parseJson(unclosed), SyntaxError)
  })

  it.prop("every JSON value comes back as it was", { value: Schema.Json }, ({ value }) => {
    const back = parseJson(JSON.stringify(value))
    // Compared as texts: `-0` has none of its own.
    assert.strictEqual(JSON.stringify(back), JSON.stringify(value))
  })

  it("texts and names are changed wherever they are", () => {
    const upper = (text: string) => text.toUpperCase()
    assert.deepStrictEqual(mapTexts({ a: ["b", { c: "d" }], e: 1, f: null, g: true }, upper), {
      A: ["B", { C: "D" }],
      E: 1,
      F: null,
      G: true
    })
    const own = parseJson('{"__proto__":{"a":"b"},"e":"f"}')
    assert.strictEqual(JSON.stringify(mapTexts(own, (text) => `${text}!`)), '{"__proto__!":{"a!":"b!"},"e!":"f!"}')
    assert.strictEqual(JSON.stringify(mapTexts(own, (text) => text)), JSON.stringify(own))
    assert.strictEqual(mapTexts(undefined, upper), undefined)
  })
})
