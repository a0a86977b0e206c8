/** The repository as the checks of its documents see it: its files, their text, their tables. */
import { readdirSync, readFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"

export const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))))

/** The text of a file, by its path from the root. */
export const read = (path: string): string => readFileSync(join(root, path), "utf8")

/** Paths of all files below the root that `.gitignore` does not leave out. Git itself need not be installed. */
export const files = (folder = ""): ReadonlyArray<string> =>
  readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = folder === "" ? entry.name : `${folder}/${entry.name}`
    if (entry.name === ".git" || ignored(entry.name, entry.isDirectory())) return []
    return entry.isDirectory() ? files(path) : entry.isFile() ? [path] : []
  })

/** `.gitignore` holds two kinds of lines: `name/` for folders and `*.ext` for files. */
const ignored = (name: string, isFolder: boolean): boolean =>
  ignoreLines.some((line) => (isFolder ? line === `${name}/` : line.startsWith("*.") && name.endsWith(line.slice(1))))

const ignoreLines = read(".gitignore").split("\n")

/** The rows of the Markdown tables of a text, each a list of trimmed cells; header and rule lines are left out. */
export const tableRows = (text: string): ReadonlyArray<ReadonlyArray<string>> => {
  const lines = text.split("\n")
  return lines.flatMap((line, i) => {
    const isRow = line.startsWith("|") && !/^\|[\s:|-]+\|$/.test(line)
    const isHeader = /^\|[\s:|-]+\|$/.test(lines[i + 1] ?? "")
    return isRow && !isHeader
      ? [
          line
            .split("|")
            .slice(1, -1)
            .map((cell) => cell.trim())
        ]
      : []
  })
}
