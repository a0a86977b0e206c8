/** Small files that are there whole or not at all, for their owner only; and what an operator reads when a disk refuses one. */
import { randomUUID } from "node:crypto"
import {
  closeSync,
  constants,
  copyFileSync,
  fsyncSync,
  linkSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync
} from "node:fs"

const codeOf = (cause: unknown): string => (cause as NodeJS.ErrnoException).code ?? String(cause)

/** How file systems without hard links refuse one. */
const linkless: ReadonlySet<string> = new Set(["EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS"])

/** Gives a file a second name, unless that is taken. */
const link = (file: string, name: string): void => {
  try {
    linkSync(file, name)
  } catch (cause) {
    if (!linkless.has(codeOf(cause))) throw cause
    copyFileSync(file, name, constants.COPYFILE_EXCL)
  }
}

/** Makes the file with this text, on the disk; false if its name is taken. Throws what the system throws. */
export const createWhole = (file: string, text: string): boolean => {
  const aside = `${file}.${randomUUID()}`
  const open = openSync(aside, "wx", 0o600)
  try {
    try {
      writeFileSync(open, text)
      fsyncSync(open)
    } finally {
      closeSync(open)
    }
    link(aside, file)
    return true
  } catch (cause) {
    if (codeOf(cause) === "EEXIST") return false
    throw cause
  } finally {
    rmSync(aside, { force: true })
  }
}

/**
 * Removes the file if it still has this text. It is moved away first: of two processes that have read it, one moves what
 * it has read, and the other finds nothing, or puts back what the first has made since.
 */
export const removeUnchanged = (file: string, text: string): boolean => {
  const moved = `${file}.${randomUUID()}`
  renameSync(file, moved)
  const isUnchanged = readFileSync(moved, "utf8") === text
  if (isUnchanged) rmSync(moved, { force: true })
  else renameSync(moved, file)
  return isUnchanged
}

const troubles: Readonly<Record<string, string>> = {
  ENOSPC: "its disk has no room (ENOSPC); make room",
  EDQUOT: "its disk has no room for this user (EDQUOT); make room",
  EEXIST: "a file is in the way (EEXIST); move it away",
  ENOTDIR: "a file is in the way (ENOTDIR); move it away",
  ENOENT: "nothing can be made there (ENOENT); choose a folder on a disk",
  EROFS: "its disk is read-only (EROFS); mount it writable",
  EACCES: "this user may not (EACCES); check the owner of the folder",
  EPERM: "this user may not (EPERM); check the owner of the folder"
}

/** File, cause and remedy; a further remedy can follow. */
export const cannotBeWritten = (file: string, cause: unknown): string => {
  const code = codeOf(cause)
  return `${file} cannot be written: ${troubles[code] ?? `${code}; check the folder and its disk`}`
}
