/**
 * A folder told apart from its copies: files that lead to a live process name the folder they were written for, so that
 * a copy of the folder leads nowhere. A folder that is renamed, or mounted at another place, is the same one.
 */
import { realpathSync, statSync } from "node:fs"

/** Undefined where there is no such folder. */
export const folderIdentity = (folder: string): string | undefined => {
  try {
    const { ino } = statSync(folder, { bigint: true })
    // Not every file system numbers its folders.
    return ino > 0n ? `inode ${ino}` : `path ${realpathSync(folder)}`
  } catch {
    return undefined
  }
}
