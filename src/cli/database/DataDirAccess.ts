/**
 * Closes the data folder to other users of the machine: what is in it opens every user's sessions and tokens. The folder
 * and the hub's files in it must belong to the user that runs the hub; modes that let others in are taken back, and where
 * that is not possible the folder is refused. Systems without such owners (Windows) are left to their own rules.
 */
import { chmodSync, existsSync, mkdirSync, type Stats, statSync } from "node:fs"
import { dirname, join } from "node:path"
import process from "node:process"

/**
 * Makes the folder, and those it lies in, for its owner only. Not by `recursive`, which on Node never ends where a file
 * system has no room for folders and says that there is no such place, as /proc does.
 */
export const makeFolder = (folder: string): void => {
  const missing: Array<string> = []
  for (let at = folder; !existsSync(at) && dirname(at) !== at; at = dirname(at)) missing.unshift(at)
  for (const one of missing) {
    try {
      mkdirSync(one, { mode: 0o700 })
    } catch (cause) {
      // Somebody else was quicker.
      if ((cause as NodeJS.ErrnoException).code !== "EEXIST") throw cause
    }
  }
  if (!statSync(folder).isDirectory()) mkdirSync(folder)
}

/** What the hub, and SQLite for it, keep in the folder. */
const ownFiles = [
  "mcphub.sqlite",
  "mcphub.sqlite-wal",
  "mcphub.sqlite-shm",
  "mcphub.sqlite-journal",
  "credential-key",
  "jwt-secret",
  "hub.json",
  "db.lock",
  "database",
  "settings-file"
]

/** Everything for group and others. */
const foreign = 0o077
/** In a folder: others may add files and not take away each other's, as in /tmp. */
const sticky = 0o1000

/** Undefined where there is nothing. */
const statusOf = (path: string): Stats | undefined => {
  try {
    return statSync(path)
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return undefined
    throw cause
  }
}

const octal = (mode: number): string => (mode & 0o7777).toString(8).padStart(4, "0")

/** What is wrong with one path, after its mode was mended where that is possible; undefined where nothing is. */
const closed = (path: string, status: Stats, uid: number, mode: number): string | undefined => {
  if (status.uid !== uid) return `belongs to user ${status.uid}, and this runs as user ${uid}`
  if ((status.mode & foreign) === 0) return undefined
  let reason = "the file system keeps it"
  try {
    chmodSync(path, mode)
    if ((statSync(path).mode & foreign) === 0) return undefined
  } catch (cause) {
    reason = (cause as NodeJS.ErrnoException).code ?? reason
  }
  return `is open to other users (mode ${octal(status.mode)}) and cannot be closed to them (${reason})`
}

/** Why this data folder cannot be used, with the remedy; undefined when it is closed to others now. `uid`: this user. */
export const protectDataDir = (dataDir: string, uid: number | undefined = process.getuid?.()): string | undefined => {
  if (uid === undefined) return undefined
  const below = `name a folder of its own with --data, such as ${join(dataDir, "mcphub")}`
  const folder = statSync(dataDir)
  if ((folder.mode & sticky) !== 0) return `The data folder ${dataDir} is one that all users share; ${below}`
  const problem = closed(dataDir, folder, uid, 0o700)
  if (problem !== undefined) return `The data folder ${dataDir} ${problem}; run this as its owner, or ${below}`
  for (const name of ownFiles) {
    const file = join(dataDir, name)
    const status = statusOf(file)
    const wrong = status === undefined ? undefined : closed(file, status, uid, 0o600)
    if (wrong !== undefined)
      return `${file} ${wrong}; run this as its owner, or give the file to this user with mode 0600`
  }
  return undefined
}
