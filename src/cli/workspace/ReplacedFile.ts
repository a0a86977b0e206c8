/**
 * A file of the user's that is replaced as a whole or not at all, and only while it still is what was read. A symbolic
 * link stays one; permissions stay as they are.
 */
import { randomUUID } from "node:crypto"
import {
  chmodSync,
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync
} from "node:fs"
import { dirname } from "node:path"
import { cannotBeWritten } from "../database/WholeFile.ts"

/** No program's settings come near it. */
const largestBytes = 16 * 1024 * 1024

const isMissing = (cause: unknown): boolean => (cause as NodeJS.ErrnoException).code === "ENOENT"

/** The text, empty where there is no file. Throws an error whose message names file and cause. */
export const readWhole = (file: string): string => {
  try {
    const status = statSync(file)
    // A pipe would be waited for without end.
    if (!status.isFile()) throw new Error(`${file} is no file`)
    if (status.size > largestBytes) throw new Error(`${file} is larger than 16 MiB; it is no settings file`)
    return readFileSync(file, "utf8")
  } catch (cause) {
    if (isMissing(cause)) return ""
    const { code } = cause as NodeJS.ErrnoException
    throw code === undefined ? cause : new Error(`${file} cannot be read (${code}); check its permissions`)
  }
}

/** Throws an error whose message names file, cause and remedy; the file is then as it was. */
export const replaceWhole = (file: string, before: string, after: string): void => {
  if (readWhole(file) !== before) throw new Error(`${file} has changed meanwhile; nothing was written, run this again`)
  let aside: string | undefined
  try {
    mkdirSync(dirname(file), { recursive: true })
    const isNew = before === "" && statSync(file, { throwIfNoEntry: false }) === undefined
    const target = isNew ? file : realpathSync(file)
    aside = `${target}.${randomUUID()}`
    const open = openSync(aside, "wx")
    try {
      if (!isNew) chmodSync(aside, statSync(target).mode & 0o7777)
      writeFileSync(open, after)
      fsyncSync(open)
    } finally {
      closeSync(open)
    }
    renameSync(aside, target)
  } catch (cause) {
    if (aside !== undefined) rmSync(aside, { force: true })
    throw new Error(cannotBeWritten(file, cause))
  }
}
