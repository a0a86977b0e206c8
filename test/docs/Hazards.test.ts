import { assert, describe, it } from "@effect/vitest"
import { page, remake, rowOf, titled, titledIn } from "./Hazards.ts"
import { faults } from "./Proof.ts"
import { read } from "./Repository.ts"

const text = read(page)

const parsed = text.split("\n").flatMap((line) => {
  const row = rowOf(line)
  return row === undefined ? [] : [row]
})

describe("docs/internals/hazards.md", () => {
  it("holds each hazard once, in order, with what is required", () => {
    assert.deepStrictEqual(
      parsed.map(([code]) => code),
      [...new Set(parsed.map(([code]) => code))].sort()
    )
    assert.isAbove(parsed.length, 88)
    for (const [code, what, required] of parsed) assert.isTrue(what !== "" && required !== "", code)
  })

  it("is what `node scripts/run.mjs hazards` makes of the titles of the tests", () => {
    assert.strictEqual(text, remake(text))
  })

  it("names only tests that exist, and says of every other row why it is open", () => {
    const wrong = parsed.flatMap(([code, , , tests, state]) => [
      ...(tests === "" ? [] : faults(tests)).map((fault) => `${code}: ${fault}`),
      ...(tests === "" && !/^\*\*open\*\* \S/.test(state) ? [`${code}: neither a test nor a reason`] : [])
    ])
    assert.deepStrictEqual(wrong, [])
  })

  it("has a row for every code that a test names", () => {
    const known = new Set(parsed.map(([code]) => code))
    const all = titled()
    assert.isAbove(all.length, 60)
    assert.deepStrictEqual(
      all.filter(({ code }) => !known.has(code)).map(({ code, path }) => `${code}: ${path}`),
      []
    )
  })

  it("would notice a new test, one that is gone, and a row without either", () => {
    const source = 'it.live("A01, B02: a title (with \\"quotes\\")", () =>\n  it(`R1, A03: of ${many}`)\n// A04: no'
    assert.deepStrictEqual(
      titledIn("x.test.ts", source).map(({ code, title }) => [code, title.length]),
      [
        ["A01", 'A01, B02: a title (with \\"quotes\\")'.length],
        ["B02", 'A01, B02: a title (with \\"quotes\\")'.length],
        ["A03", "R1, A03: of ${many}".length]
      ]
    )
    const line = "| A01 | case | required | `test/docs/Nowhere.test.ts › gone` | tested; **open** a reason |"
    const one = { code: "A01", path: "test/x.test.ts", title: "A01: new" }
    assert.strictEqual(
      remake(line, [one]),
      "| A01 | case | required | `test/x.test.ts › A01: new` | tested; **open** a reason |"
    )
    assert.strictEqual(remake(line, []), "| A01 | case | required |  | **open** a reason |")
  })
})
