import { assert, describe, it } from "@effect/vitest"
import { faults } from "./Proof.ts"
import { files, read, tableRows } from "./Repository.ts"

const document = read("docs/internals/test-matrix.md")
const section = (heading: string): string => {
  const found = document.split(/^## /m).find((part) => part.startsWith(`${heading}\n`))
  assert.isDefined(found, `no heading «${heading}»`)
  return found!
}

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
})
