/**
 * A copy of the embedded database as it is at one moment, complete in one file, whether a hub runs on it or not. Who
 * writes meanwhile is not held up.
 */
import { Effect } from "effect"
import { closeSync, existsSync, fsyncSync, linkSync, openSync, readdirSync, rmSync, statSync } from "node:fs"
import { basename, dirname, join } from "node:path"
import { CliFailure } from "../terminal/CliFailure.ts"
import { readingClient } from "./SqliteClient.ts"
import { isAlive } from "./Processes.ts"
import { databaseFile } from "./SqliteFile.ts"
import { cannotBeWritten } from "./WholeFile.ts"

const failed = (kind: string, message: string) => new CliFailure({ kind, message, exitCode: 2 })

const taken = (target: string) =>
  failed("FileExists", `${target} exists and is left as it is; name a file that does not exist yet`)

const codeOf = (cause: unknown): string => (cause as NodeJS.ErrnoException).code ?? String(cause)

/** What killed backups to the same target have left. The name ends with the number of the process that writes. */
const leftovers = (target: string): ReadonlyArray<string> => {
  const begin = `${basename(target)}.unfinished.`
  return readdirSync(dirname(target))
    .filter((name) => name.startsWith(begin))
    .filter((name) => {
      const pid = name.slice(begin.length)
      return /^\d{1,10}$/.test(pid) && (Number(pid) === process.pid || !isAlive(Number(pid)))
    })
    .map((name) => join(dirname(target), name))
}

/** An empty file for its owner only, removed with the scope. SQLite writes into an empty file, and into no other. */
const unfinished = (target: string) =>
  Effect.acquireRelease(
    Effect.try({
      try: () => {
        const file = `${target}.unfinished.${process.pid}`
        for (const left of leftovers(target)) rmSync(left, { force: true })
        closeSync(openSync(file, "wx", 0o600))
        return file
      },
      catch: (cause) => failed("BackupFailed", `${cannotBeWritten(target, cause)}, or name another file`)
    }),
    (file) => Effect.sync(() => rmSync(file, { force: true }))
  )

/** Puts the copy on the disk and then under its name, unless somebody has taken that meanwhile. */
const finish = (file: string, target: string) =>
  Effect.try({
    try: () => {
      const open = openSync(file, "r+")
      fsyncSync(open)
      closeSync(open)
      linkSync(file, target)
      return statSync(target).size
    },
    catch: (cause) =>
      codeOf(cause) === "EEXIST"
        ? taken(target)
        : failed("BackupFailed", `${target} cannot be written (${codeOf(cause)}); name a file on another disk`)
  })

/** Copies the database of a data folder to a file that does not exist yet; its size in bytes. */
export const backup = Effect.fnUntraced(function* (dataDir: string, target: string) {
  const source = databaseFile(dataDir)
  if (!existsSync(source)) {
    return yield* failed("NoDatabase", `There is no embedded database in ${dataDir}; name its folder with --data`)
  }
  if (existsSync(target)) return yield* taken(target)
  const file = yield* unfinished(target)
  const sql = yield* readingClient(source)
  yield* Effect.mapError(sql`vacuum into ${file}`, (error) =>
    failed(
      "BackupFailed",
      `The database cannot be copied (${error.reason.message ?? error.reason._tag}); check both disks`
    )
  )
  return yield* finish(file, target)
}, Effect.scoped)
