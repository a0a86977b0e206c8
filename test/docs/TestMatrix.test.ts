import { assert, describe, it } from "@effect/vitest"
import { faults } from "./Proof.ts"
import { files, read, tableRows } from "./Repository.ts"

const document = read("docs/internals/test-matrix.md")
const section = (heading: string): string => {
  const found = document.split(/^## /m).find((part) => part.startsWith(`${heading}\n`))
  assert.isDefined(found, `no heading «${heading}»`)
  return found!
}

/** `A01`, `A02`, … */
const codes = (letter: string, count: number): ReadonlyArray<string> =>
  Array.from({ length: count }, (_, i) => `${letter}${String(i + 1).padStart(2, "0")}`)

const wrong = (rows: ReadonlyArray<ReadonlyArray<string>>): ReadonlyArray<string> =>
  rows.flatMap((cells) => faults(cells.at(-1) ?? "").map((fault) => `${cells[0]}: ${fault}`))

describe("docs/internals/test-matrix.md", () => {
  it("holds each of the 35 defects of the original once, in order, with tests that exist or what is open", () => {
    const rows = tableRows(section("Defects of the original"))
    assert.deepStrictEqual(
      rows.map(([number]) => Number(number)),
      Array.from({ length: 35 }, (_, i) => i + 1)
    )
    assert.deepStrictEqual(wrong(rows), [])
  })

  it("lists every test that says which defect it guards against", () => {
    const rows = new Map(tableRows(section("Defects of the original")).map((cells) => [cells[0], cells.at(-1)!]))
    const titled = files("test")
      .filter((path) => path.endsWith(".test.ts"))
      .flatMap((path) =>
        [...read(path).matchAll(/["'`][^"'`\n]*?\bdefects? (\d+)(?:(?:, | and )(\d+))*/g)].flatMap(([text]) =>
          [...text.slice(text.search(/\bdefects? \d/)).matchAll(/\d+/g)].map(([number]) => ({ path, number }))
        )
      )
    assert.isAbove(titled.length, 20)
    assert.deepStrictEqual(
      titled
        .filter(({ path, number }) => rows.has(number) && !rows.get(number)!.includes(path))
        .map(({ path, number }) => `defect ${number}: ${path}`),
      []
    )
  })

  const hazards = tableRows(section("Hazards"))

  it("names for each hazard tests that exist, or what is open", () => {
    const expected = [...codes("A", 45), ...codes("B", 36)]
    assert.deepStrictEqual(
      hazards.map(([code]) => code),
      expected
    )
    assert.deepStrictEqual(wrong(hazards), [])
  })

  it("lists every test that carries the code of a hazard", () => {
    const rows = new Map(hazards.map((cells) => [cells[0], cells.at(-1)!]))
    const titled = files("test")
      .filter((path) => path.endsWith(".test.ts"))
      .flatMap((path) =>
        [...read(path).matchAll(/["`]([^"`:\n]*\b[AB]\d\d\b[^"`:\n]*):/g)].flatMap(([, prefix]) =>
          [...prefix!.matchAll(/\b[AB]\d\d\b/g)].map(([code]) => ({ path, code }))
        )
      )
    assert.isAbove(titled.length, 60)
    assert.deepStrictEqual(
      titled.filter(({ path, code }) => !rows.get(code)?.includes(path)).map(({ path, code }) => `${code}: ${path}`),
      []
    )
  })
})
