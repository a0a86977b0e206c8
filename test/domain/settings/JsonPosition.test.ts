import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { jsonErrorOffset, lineAndColumn } from "../../../src/domain/settings/JsonPosition.ts"

const isJson = (text: string): boolean => {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

describe("JsonPosition", () => {
  it("points at the first character that cannot stand there", () => {
    const cases: ReadonlyArray<readonly [string, number]> = [
      ["", 0],
      ["{", 1],
      ['{"a": 1,}', 8],
      ['{"a" 1}', 5],
      ['{"a": tru}', 6],
      ["[1, 2", 5],
      ["[1 2]", 3],
      ['{"a": 1} x', 9],
      ["{'a': 1}", 1],
      ['{"a": 1 // no\n}', 8],
      ["[01]", 2],
      ['["\u0001"]', 1]
    ]
    for (const [text, offset] of cases) assert.strictEqual(jsonErrorOffset(text), offset, text)
    assert.strictEqual(lineAndColumn('{\n  "a": x\n}', jsonErrorOffset('{\n  "a": x\n}')!), "line 2, column 8")
  })

  it.prop(
    "finds no fault with anything that is JSON",
    { value: Schema.Json, indent: Schema.Literals([0, 2]) },
    (given) => {
      assert.strictEqual(jsonErrorOffset(JSON.stringify(given.value, null, given.indent)), undefined)
    }
  )

  const Piece = Schema.Literals(["{", "}", "[", "]", ",", ":", '"a"', "1", "-", ".5", "null", " ", "\n", "x", '"'])

  it.prop("agrees with the parser about what is JSON", { pieces: Schema.Array(Piece) }, ({ pieces }) => {
    const text = pieces.join("")
    assert.strictEqual(jsonErrorOffset(text) === undefined, isJson(text), text)
  })
})
