/**
 * The data folder remembers that its hub keeps its users on a PostgreSQL server, and on which. A command, or a start, that
 * has lost `DATABASE_URL` would otherwise make an empty database of its own there, and say that nobody exists.
 */
import { existsSync, readFileSync, rmSync } from "node:fs"
import { join } from "node:path"
import { Effect, Redacted } from "effect"
import { cannotBeWritten, createWhole } from "../database/WholeFile.ts"
import { CliFailure } from "../terminal/CliFailure.ts"
import type { Workspace } from "./Workspace.ts"

const fileIn = (dataDir: string): string => join(dataDir, "database")

const refused = (message: string) => new CliFailure({ kind: "OtherDatabase", exitCode: 2, message })

/** The server and the database, without the user and the password that open it. */
const nameOf = (url: Redacted.Redacted<string>): string => {
  const { hostname, pathname, port } = new URL(Redacted.value(url))
  return `PostgreSQL at ${hostname}${port === "" ? "" : `:${port}`}${pathname}`
}

const remembered = (file: string): string | undefined => {
  const text = existsSync(file) ? readFileSync(file, "utf8").trim() : ""
  return text === "" ? undefined : text
}

/** Fails where the folder belongs to another kind of database than the one that would be opened. */
export const checkDatabase = ({ dataDir, secrets }: Workspace): Effect.Effect<void, CliFailure> =>
  Effect.suspend(() => {
    const file = fileIn(dataDir)
    const known = secrets.databaseUrl === undefined ? remembered(file) : undefined
    if (known === undefined) return Effect.void
    return Effect.fail(
      refused(
        `The data folder ${dataDir} belongs to a hub on ${known}; set DATABASE_URL to it. To begin with an embedded database here instead, delete ${file}, or choose another folder with --data`
      )
    )
  })

/** Once the database has been opened. */
export const rememberDatabase = ({ dataDir, secrets }: Workspace): Effect.Effect<void, CliFailure> =>
  Effect.suspend(() => {
    if (secrets.databaseUrl === undefined) return Effect.void
    const file = fileIn(dataDir)
    const name = nameOf(secrets.databaseUrl)
    return Effect.try({
      try: () => {
        if (remembered(file) === name) return
        rmSync(file, { force: true })
        createWhole(file, `${name}\n`)
      },
      catch: (cause) => refused(cannotBeWritten(file, cause))
    })
  })
