/**
 * Whether the database that is open is still the file of that name. A file that was replaced or removed under the hub goes
 * on living without a name, and all that is written to it is lost with the process.
 */
import { Effect, Schedule } from "effect"
import { statSync } from "node:fs"

export type FileProblem = "replaced" | "removed"

const identityOf = (file: string): string | undefined => {
  try {
    const { dev, ino } = statSync(file, { bigint: true })
    return `${dev}:${ino}`
  } catch {
    return undefined
  }
}

/** Compares with the file as it is at this moment. */
export const since = (file: string): (() => FileProblem | undefined) => {
  const opened = identityOf(file)
  return () => {
    const found = identityOf(file)
    return found === opened ? undefined : found === undefined ? "removed" : "replaced"
  }
}

const lookEvery = "10 seconds"

/** Says in the log, once, that it is not. Runs until then. */
export const watch = (file: string, problem: () => FileProblem | undefined): Effect.Effect<void> =>
  Effect.sync(problem).pipe(
    Effect.repeat({ schedule: Schedule.spaced(lookEvery), until: (found) => found !== undefined }),
    Effect.flatMap((found) =>
      Effect.logError(
        `${file} was ${found} while the hub runs: whatever is written from now on is lost with this process. Put the file back as it was, or stop the hub, put the one that is to count there, and start it again`
      )
    )
  )
