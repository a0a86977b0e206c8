/**
 * `docs/internals/hazards.md`, made from the titles of the tests: a row's tests are those whose title begins with its
 * code (`A17, B03: …`), found in the sources, so that the page cannot claim what nobody tests.
 *
 *   node scripts/run.mjs hazards         writes the page anew
 *
 * People write the case, what is required, and, after **open**, what is not there or not tested yet. A test
 * without the code in its title may be named by hand too; it stays as long as it exists.
 */
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import process from "node:process"
import { faults } from "./Proof.ts"
import { files, read, root } from "./Repository.ts"

export const page = "docs/internals/hazards.md"

export interface Titled {
  readonly code: string
  readonly path: string
  readonly title: string
}

const title = /(["`])((?:(?!\1)[^:\n\\])*\b[AB]\d\d\b(?:(?!\1)[^:\n\\])*: (?:\\.|(?!\1)[^\\\n])*)\1/g

/** Every test, or group of tests, whose title begins with codes of hazards, once for each code. */
export const titledIn = (path: string, text: string): ReadonlyArray<Titled> =>
  [...text.matchAll(title)].flatMap(([, , found]) => {
    const codes = found!.slice(0, found!.indexOf(":"))
    // Rows of the table of what the field sends have codes of their own.
    if (codes.startsWith("field ")) return []
    return [...codes.matchAll(/\b[AB]\d\d\b/g)].map(([code]) => ({ code, path, title: found! }))
  })

export const titled = (): ReadonlyArray<Titled> =>
  files("test")
    .filter((path) => path.endsWith(".test.ts") && path !== "test/docs/Hazards.test.ts")
    .sort()
    .flatMap((path) => titledIn(path, read(path)))

/** Cells of a row: code, case, required, tests, state. */
export type Row = readonly [code: string, what: string, required: string, tests: string, state: string]

export const rowOf = (line: string): Row | undefined => {
  if (!/^\| [AB]\d\d \|/.test(line)) return undefined
  const cells = line.split("|").map((cell) => cell.trim())
  return [cells[1]!, cells[2] ?? "", cells[3] ?? "", cells[4] ?? "", cells.slice(5, -1).join("|").trim()]
}

/** The row as it has to be, given all titled tests. */
export const remade = ([code, what, required, tests, state]: Row, all: ReadonlyArray<Titled>): string => {
  const found = all.filter((one) => one.code === code).map((one) => `\`${one.path} › ${one.title}\``)
  const byHand = tests
    .split("<br>")
    .filter(
      (entry) => entry !== "" && !new RegExp(`› [^:]*\\b${code}\\b[^:]*: `).test(entry) && faults(entry).length === 0
    )
  const proof = [...new Set([...found, ...byHand])]
  const open = /\*\*open\*\* .*/.exec(state)?.[0]
  const verdict = [proof.length > 0 ? "tested" : undefined, open].filter((part) => part !== undefined).join("; ")
  return `| ${[code, what, required, proof.join("<br>"), verdict].join(" | ")} |`
}

/** The page with its tests and states made anew. */
export const remake = (text: string, all: ReadonlyArray<Titled> = titled()): string =>
  text
    .split("\n")
    .map((line) => {
      const row = rowOf(line)
      return row === undefined ? line : remade(row, all)
    })
    .join("\n")

/** Writes a page anew. */
export const write = (path: string, text: string): void => writeFileSync(join(root, path), text)

if (process.argv[1]?.endsWith("Hazards.ts") === true) write(page, remake(read(page)))
