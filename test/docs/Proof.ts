/** The proof in the last cell of a row: tests that exist, figures with the command that measures them, or what is open. */
import { existsSync } from "node:fs"
import { join } from "node:path"
import { fromArguments } from "../../bench/Options.ts"
import { read, root } from "./Repository.ts"

/** What is wrong with one row's proof; nothing when it holds. */
export const faults = (proof: string): ReadonlyArray<string> =>
  proof.split("<br>").flatMap((part) => {
    const item = part.trim()
    if (/^\*\*open\*\* \S/.test(item)) return []
    if (item.startsWith("**measured** ")) return measured(item)
    const [, path, title] = /^`(test\/\S+\.test\.ts) › (.+)`$/.exec(item) ?? []
    if (path === undefined || title === undefined) return [`neither a test, nor measured, nor open: ${item}`]
    if (!existsSync(join(root, path))) return [`no such file: ${path}`]
    return read(path).includes(title) ? [] : [`${path} has no test «${title}»`]
  })

/** A command of the bench that its own parser takes, and the heading under which its figures stand. */
const measured = (item: string): ReadonlyArray<string> => {
  const [, args, heading] = /^\*\*measured\*\* `npm run bench -- ([^`]+)` › (.+)$/.exec(item) ?? []
  if (args === undefined || heading === undefined) return [`no command of the bench with a heading: ${item}`]
  try {
    fromArguments(args.split(" "), false)
  } catch (error) {
    return [`${args}: ${(error as Error).message}`]
  }
  const isThere = read("docs/internals/performance.md").split("\n").includes(`## ${heading}`)
  return isThere ? [] : [`docs/internals/performance.md has no heading «${heading}»`]
}
