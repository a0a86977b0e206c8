import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import * as TextSearch from "../../src/domain/TextSearch.ts"

const search = (texts: ReadonlyArray<string>) => TextSearch.make(new Map(texts.map((text) => [text, text])))

const all = (texts: ReadonlyArray<string>, text: string): ReadonlyArray<readonly [string, number]> => {
  const found: Array<readonly [string, number]> = []
  search(texts).each(text, (item, end) => {
    found.push([item, end])
    return end
  })
  return found
}

describe("TextSearch", () => {
  it("finds at each position the longest text that ends there, overlapping ones included", () => {
    assert.deepStrictEqual(all(["he", "she", "his", "hers"], "ushers"), [
      ["she", 4],
      ["hers", 6]
    ])
    assert.deepStrictEqual(all(["aa", "aaa"], "aaaa"), [
      ["aa", 2],
      ["aaa", 3],
      ["aaa", 4]
    ])
    assert.deepStrictEqual(all(["ünï", "ï€"], "ünï€"), [
      ["ünï", 3],
      ["ï€", 4]
    ])
  })

  it("finds nothing where nothing is sought, or nothing is there", () => {
    assert.deepStrictEqual(all([], "text"), [])
    assert.deepStrictEqual(all([""], "text"), [])
    assert.deepStrictEqual(all(["texts"], "text"), [])
    assert.deepStrictEqual(all(["a"], ""), [])
  })

  it("goes on where it is told, knowing nothing of what lies before", () => {
    const ends: Array<number> = []
    search(["abab"]).each("abababab", (_, end) => {
      ends.push(end)
      return end + 1
    })
    assert.deepStrictEqual(ends, [4])
  })

  const letters = Schema.Array(Schema.Literals(["a", "b", "c"]))
  it.prop(
    "finds what a look at each position finds",
    { texts: Schema.Array(letters), letters },
    ({ letters, texts }) => {
      const sought = texts.map((text) => text.join("")).filter((text) => text !== "")
      const text = letters.join("")
      const expected = Array.from({ length: text.length }, (_, at) => at + 1).flatMap((end) => {
        const [longest] = sought.filter((one) => text.endsWith(one, end)).sort((a, b) => b.length - a.length)
        return longest === undefined ? [] : [[longest, end] as const]
      })
      assert.deepStrictEqual(all(sought, text), expected)
    }
  )
})
