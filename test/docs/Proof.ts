/** The proof in the last cell of a row: tests that exist, or what is open. */
import { existsSync } from "node:fs"
import { join } from "node:path"
import { read, root } from "./Repository.ts"

/** What is wrong with one row's proof; nothing when it holds. */
export const faults = (proof: string): ReadonlyArray<string> =>
  proof.split("<br>").flatMap((part) => {
    const item = part.trim()
    if (/^\*\*open\*\* \S/.test(item)) return []
    const [, path, title] = /^`(test\/\S+\.test\.ts) › (.+)`$/.exec(item) ?? []
    if (path === undefined || title === undefined) return [`neither a test nor open with a reason: ${item}`]
    if (!existsSync(join(root, path))) return [`no such file: ${path}`]
    return read(path).includes(title) ? [] : [`${path} has no test «${title}»`]
  })
