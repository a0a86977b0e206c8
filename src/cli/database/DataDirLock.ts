/**
 * One process per data folder: the embedded database would be corrupted by a second one.
 *
 * The lock is a file that names its process. A process that was killed leaves it behind; the next one takes it over.
 * A process id alone is not enough, since another process may have got it since, and in a container every start may get
 * the same one: the start time tells two lives of it apart. A lock that was copied with its folder holds nothing.
 */
import { Effect, Schedule, Schema, type Scope } from "effect"
import { readFileSync, rmSync } from "node:fs"
import { join } from "node:path"
import { folderIdentity } from "../../http/admin/FolderIdentity.ts"
import { isAlive, startOf } from "./Processes.ts"
import { EmbeddedDatabaseFailed } from "./SqliteFile.ts"
import { makeFolder } from "./DataDirAccess.ts"
import { cannotBeWritten, createWhole, removeUnchanged } from "./WholeFile.ts"

/** Another process has the folder open. */
export class DataDirInUse extends Schema.TaggedError<DataDirInUse>()("DataDirInUse", { message: Schema.String }) {}

interface Holder {
  readonly pid: number
  readonly started: unknown
  readonly folder: unknown
}

const myself = (dataDir: string): string =>
  JSON.stringify({
    pid: process.pid,
    since: Math.round(performance.timeOrigin),
    started: startOf(process.pid),
    folder: folderIdentity(dataDir)
  })

/** Undefined for a lock that names nobody, as a full disk has left it. */
const holderOf = (content: string): Holder | undefined => {
  try {
    const { folder, pid, started } = JSON.parse(content)
    return typeof pid === "number" ? { folder, pid, started } : undefined
  } catch {
    return undefined
  }
}

const isStale = (dataDir: string, content: string): boolean => {
  const holder = holderOf(content)
  if (holder === undefined) return true
  if (typeof holder.folder === "string" && holder.folder !== folderIdentity(dataDir)) return true
  if (holder.pid === process.pid) return content !== myself(dataDir)
  if (!isAlive(holder.pid)) return true
  const started = startOf(holder.pid)
  return typeof holder.started === "string" && started !== undefined && started !== holder.started
}

const inUse = (dataDir: string, file: string, holder: Holder | undefined) =>
  new DataDirInUse({
    message:
      `The data folder ${dataDir} is in use by process ${holder?.pid ?? "(unknown)"}; stop that hub, use its commands ` +
      `beside it, or choose another folder with --data. If no such hub runs, delete ${file}`
  })

/** The text of the lock; undefined when it is gone, or cannot be read. */
const read = (file: string): string | undefined => {
  try {
    return readFileSync(file, "utf8")
  } catch {
    return undefined
  }
}

const acquire = (dataDir: string, file: string): Effect.Effect<void, DataDirInUse | EmbeddedDatabaseFailed> =>
  Effect.suspend((): Effect.Effect<void, DataDirInUse | EmbeddedDatabaseFailed> => {
    let holder: Holder | undefined
    for (let attempt = 0; attempt < 3; attempt++) {
      try {
        makeFolder(dataDir)
        if (createWhole(file, myself(dataDir))) return Effect.void
      } catch (cause) {
        const message = `${cannotBeWritten(file, cause)}, or choose another folder with --data`
        return Effect.fail(new EmbeddedDatabaseFailed({ message }))
      }
      const content = read(file)
      if (content === undefined) continue
      holder = holderOf(content)
      if (!isStale(dataDir, content)) return Effect.fail(inUse(dataDir, file, holder))
      try {
        removeUnchanged(file, content)
      } catch {
        // Moved by another process that found it stale.
      }
    }
    return Effect.fail(inUse(dataDir, file, holder))
  })

/** A command holds it for less than a second, and several may come at once. */
const patience = Schedule.spaced("50 millis").pipe(Schedule.jittered, Schedule.upTo({ duration: "5 seconds" }))

/** Holds the lock of a data folder, made when missing, until the scope closes; waits for others for some seconds. */
export const lockDataDir = (
  dataDir: string
): Effect.Effect<void, DataDirInUse | EmbeddedDatabaseFailed, Scope.Scope> => {
  const file = join(dataDir, "db.lock")
  const acquired = Effect.retry(acquire(dataDir, file), {
    schedule: patience,
    while: ({ _tag }) => _tag === "DataDirInUse"
  })
  return Effect.acquireRelease(acquired, () => Effect.sync(() => rmSync(file, { force: true })))
}
