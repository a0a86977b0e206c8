/**
 * A prepared empty database, kept in the user's cache folder: making one takes seconds, loading it less than one.
 *
 * Only a convenience: without it, or when it cannot be read, the database is prepared anew.
 */
import type { PGlite } from "@electric-sql/pglite"
import { mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from "node:fs"
import { createRequire } from "node:module"
import { homedir } from "node:os"
import { dirname, join } from "node:path"

const version = (): string => {
  const entry = createRequire(import.meta.url).resolve("@electric-sql/pglite")
  for (let folder = dirname(entry); folder !== dirname(folder); folder = dirname(folder)) {
    try {
      const { name, version } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"))
      if (name === "@electric-sql/pglite") return String(version)
    } catch {
      // Not the package's own folder yet.
    }
  }
  return "unknown"
}

const seedFile = (): string =>
  join(process.env["XDG_CACHE_HOME"] || join(homedir(), ".cache"), "mcphub", `embedded-${version()}.tar.gz`)

/** The seed, if there is one that only this user can have written. */
export const readSeed = (): Blob | undefined => {
  try {
    const file = seedFile()
    const { mode, uid } = statSync(file)
    if (process.getuid !== undefined && (uid !== process.getuid() || (mode & 0o022) !== 0)) return undefined
    return new Blob([readFileSync(file)], { type: "application/x-gzip" })
  } catch {
    return undefined
  }
}

/** Keeps a database that was just made, and nothing written to, for the next time. */
export const keepSeed = async (db: PGlite): Promise<void> => {
  try {
    const file = seedFile()
    const seed = await db.dumpDataDir("gzip")
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
    const part = `${file}.${process.pid}`
    writeFileSync(part, new Uint8Array(await seed.arrayBuffer()), { mode: 0o600 })
    renameSync(part, file)
  } catch {
    // A read-only home folder: the next database is prepared anew.
  }
}
