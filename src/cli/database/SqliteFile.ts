/**
 * The file of the embedded database in a data folder, readable by its owner only, as the files are that SQLite puts beside
 * it.
 */
import { Effect, Schema } from "effect"
import { chmodSync, closeSync, existsSync, openSync } from "node:fs"
import { join } from "node:path"
import { makeFolder } from "./DataDirAccess.ts"
import { cannotBeWritten } from "./WholeFile.ts"

/** The embedded database cannot be opened. */
export class EmbeddedDatabaseFailed extends Schema.TaggedError<EmbeddedDatabaseFailed>()("EmbeddedDatabaseFailed", {
  message: Schema.String
}) {}

export const databaseFile = (dataDir: string): string => join(dataDir, "mcphub.sqlite")

/** The folder in which versions up to 3.0.0-alpha.1 kept a database of another kind. */
const earlierFolder = (dataDir: string): string => join(dataDir, "db")

const holdsEarlier = (dataDir: string): boolean =>
  !existsSync(databaseFile(dataDir)) && existsSync(join(earlierFolder(dataDir), "PG_VERSION"))

/** Makes folder and file where there are none. What an earlier version kept is neither read nor touched. */
export const prepareFile = (dataDir: string): Effect.Effect<string, EmbeddedDatabaseFailed> =>
  Effect.gen(function* () {
    if (holdsEarlier(dataDir)) {
      return yield* new EmbeddedDatabaseFailed({
        message:
          `${earlierFolder(dataDir)} holds the embedded database of an earlier version, which this one does not read. ` +
          "To begin anew, move that folder away or choose another data folder with --data; to keep its users and keys, " +
          "go on with MCPHub 3.0.0-alpha.1. Nothing was changed"
      })
    }
    const file = databaseFile(dataDir)
    yield* Effect.try({
      try: () => {
        makeFolder(dataDir)
        closeSync(openSync(file, "a", 0o600))
        chmodSync(file, 0o600)
      },
      catch: (cause) =>
        new EmbeddedDatabaseFailed({
          message: `${cannotBeWritten(file, cause)}, or choose another folder with --data`
        })
    })
    return file
  })
