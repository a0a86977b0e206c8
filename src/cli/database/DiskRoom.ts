/** The room on the disk of the data folder: looked at before a start, by doctor, and by whoever scrapes metrics. */
import { existsSync, statfsSync } from "node:fs"
import { dirname } from "node:path"

/** Room for the database's first pages, its log and the secrets, several times over. */
export const leastBytes = 8 * 1024 * 1024

export const mebibytes = (bytes: number): string => (bytes / 1024 / 1024).toFixed(1)

/** The folder itself, or the one in which it would be made. */
export const nearest = (folder: string): string => {
  let at = folder
  while (!existsSync(at) && dirname(at) !== at) at = dirname(at)
  return at
}

/** Bytes that are left, as far as the file system says how large it is. Throws where the folder cannot be looked at. */
export const roomOf = (dataDir: string): number | undefined => {
  const { bavail, blocks, bsize } = statfsSync(nearest(dataDir))
  return blocks === 0 ? undefined : bavail * bsize
}

/** With less than a few pages left, nothing more is written to the database. */
const fullBelow = 64 * 1024

/** False, too, where it cannot be said. */
export const isFull = (dataDir: string): boolean => {
  try {
    const left = roomOf(dataDir)
    return left !== undefined && left < fullBelow
  } catch {
    return false
  }
}
