import { assert, describe, it } from "@effect/vitest"
import { page, remake, rowOf, titledIn } from "./Field.ts"
import { faults } from "./Proof.ts"
import { read } from "./Repository.ts"

const text = read(page)

const rows = text.split("\n").flatMap((line) => {
  const row = rowOf(line)
  return row === undefined ? [] : [row]
})

const inOrder = (one: string, other: string) =>
  one.charCodeAt(0) - other.charCodeAt(0) || Number(one.slice(1)) - Number(other.slice(1))

describe("docs/internals/field.md", () => {
  it("holds each row once, in order, with what the hub does", () => {
    const codes = rows.map(([code]) => code)
    assert.deepStrictEqual(codes, [...new Set(codes)].sort(inOrder))
    assert.isAtLeast(codes.length, 5)
    for (const [code, what, hub] of rows) assert.isTrue(what !== "" && hub !== "", code)
  })

  it("is what `node scripts/run.mjs field` makes of the titles of the tests", () => {
    assert.strictEqual(text, remake(text))
  })

  it("names only tests that exist, and each row has one or a reason", () => {
    const wrong = rows.flatMap(([code, , , tests, state]) => [
      ...(tests === "" ? [] : faults(tests)).map((fault) => `${code}: ${fault}`),
      ...(tests === "" && !/^\*\*open\*\* \S/.test(state) ? [`${code}: neither a test nor a reason`] : [])
    ])
    assert.deepStrictEqual(wrong, [])
  })

  it("would notice a new test, and one that is gone", () => {
    const source = 'it.live("field A2, B5: a title", () =>\n  it(`field C1: of ${many}`)\n it("A02: a hazard\'s")'
    assert.deepStrictEqual(
      titledIn("x.test.ts", source).map(({ code }) => code),
      ["A2", "B5", "C1"]
    )
    const line = "| A2 | what | does | `test/docs/Nowhere.test.ts › gone` | tested |"
    const one = { code: "A2", path: "test/x.test.ts", title: "field A2: new" }
    assert.strictEqual(remake(line, [one]), "| A2 | what | does | `test/x.test.ts › field A2: new` | tested |")
    assert.strictEqual(remake(line, []), "| A2 | what | does |  |  |")
  })
})
