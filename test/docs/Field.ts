/**
 * `docs/internals/field.md`, made from the titles of the tests as `Hazards.ts` makes its page: a row's tests are those
 * whose title begins with its code (`field A6: …`).
 *
 *   node scripts/run.mjs field         writes the page anew
 */
import process from "node:process"
import { remade, type Row, type Titled, write } from "./Hazards.ts"
import { files, read } from "./Repository.ts"

export const page = "docs/internals/field.md"

const title = /(["`])(field [A-D]\d{1,2}(?:, [A-D]\d{1,2})*: (?:\\.|(?!\1)[^\\\n])*)\1/g

/** Every test whose title begins with codes of the table, once for each code. */
export const titledIn = (path: string, text: string): ReadonlyArray<Titled> =>
  [...text.matchAll(title)].flatMap(([, , found]) =>
    [...found!.slice(0, found!.indexOf(":")).matchAll(/[A-D]\d{1,2}/g)].map(([code]) => ({ code, path, title: found! }))
  )

export const titled = (): ReadonlyArray<Titled> =>
  files("test")
    .filter((path) => path.endsWith(".test.ts") && path !== "test/docs/Field.test.ts")
    .sort()
    .flatMap((path) => titledIn(path, read(path)))

export const rowOf = (line: string): Row | undefined => {
  if (!/^\| [A-D]\d{1,2} \|/.test(line)) return undefined
  const cells = line.split("|").map((cell) => cell.trim())
  return [cells[1]!, cells[2] ?? "", cells[3] ?? "", cells[4] ?? "", cells.slice(5, -1).join("|").trim()]
}

export const remake = (text: string, all: ReadonlyArray<Titled> = titled()): string =>
  text
    .split("\n")
    .map((line) => {
      const row = rowOf(line)
      return row === undefined ? line : remade(row, all)
    })
    .join("\n")

if (process.argv[1]?.endsWith("Field.ts") === true) write(page, remake(read(page)))
