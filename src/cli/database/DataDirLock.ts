/**
 * One process per data folder: the embedded database would be corrupted by a second one.
 *
 * The lock is a file that names its process. A process that was killed leaves it behind; the next one takes it over.
 * A process id alone is not enough, since in a container every start may get the same one: the start time tells two
 * lives of it apart.
 */
import { Effect, Schema, type Scope } from "effect"
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"

/** Another process has the folder open. */
export class DataDirInUse extends Schema.TaggedError<DataDirInUse>()("DataDirInUse", { message: Schema.String }) {}

const myself = JSON.stringify({ pid: process.pid, since: Math.round(performance.timeOrigin) })

const holderOf = (content: string): number | undefined => {
  try {
    const { pid } = JSON.parse(content)
    return typeof pid === "number" ? pid : undefined
  } catch {
    return undefined
  }
}

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    // Someone else's process is alive, too.
    return (error as NodeJS.ErrnoException).code === "EPERM"
  }
}

const inUse = (dataDir: string, file: string, pid: number | undefined) =>
  new DataDirInUse({
    message:
      `The data folder ${dataDir} is in use by process ${pid ?? "(unknown)"}; stop that hub, use its commands beside it, ` +
      `or choose another folder with --data. If no such hub runs, delete ${file}`
  })

const acquire = (dataDir: string, file: string): Effect.Effect<void, DataDirInUse> =>
  Effect.suspend(() => {
    mkdirSync(dataDir, { recursive: true, mode: 0o700 })
    for (let attempt = 0; attempt < 3; attempt++) {
      try {
        writeFileSync(file, myself, { flag: "wx", mode: 0o600 })
        return Effect.void
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error
      }
      let content: string
      try {
        content = readFileSync(file, "utf8")
      } catch {
        continue
      }
      const pid = holderOf(content)
      const stale = pid !== undefined && (pid === process.pid ? content !== myself : !isAlive(pid))
      if (!stale) return Effect.fail(inUse(dataDir, file, pid))
      // Moved away rather than deleted: of two processes that found it stale, one moves what it has read.
      const moved = `${file}.${process.pid}`
      try {
        renameSync(file, moved)
        const taken = readFileSync(moved, "utf8")
        if (taken !== content) {
          renameSync(moved, file)
          return Effect.fail(inUse(dataDir, file, holderOf(taken)))
        }
        rmSync(moved, { force: true })
      } catch {
        // Moved by the other one.
      }
    }
    return Effect.fail(inUse(dataDir, file, undefined))
  })

/** Holds the lock of a data folder, made when missing, until the scope closes. */
export const lockDataDir = (dataDir: string): Effect.Effect<void, DataDirInUse, Scope.Scope> => {
  const file = join(dataDir, "db.lock")
  return Effect.acquireRelease(acquire(dataDir, file), () => Effect.sync(() => rmSync(file, { force: true })))
}
