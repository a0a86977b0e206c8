/** `mcphub backup FILE`: the embedded database in one file, beside a running hub or without one. */
import { Effect, Path } from "effect"
import { Argument, Command } from "effect/cli"
import { CliFailure } from "../terminal/CliFailure.ts"
import { print } from "../terminal/Output.ts"
import { currentWorkspace } from "../workspace/Workspace.ts"

const file = Argument.String("file").pipe(Argument.withDescription("The file to make; it must not exist yet"))

export const BackupCommand = Command.make(
  "backup",
  { file },
  Effect.fnUntraced(function* ({ file }) {
    const workspace = yield* currentWorkspace
    if (workspace.secrets.databaseUrl !== undefined) {
      return yield* new CliFailure({
        kind: "NotEmbedded",
        exitCode: 1,
        message: "The database is a PostgreSQL server; back it up with pg_dump"
      })
    }
    const target = (yield* Path.Path).resolve(file)
    const { backup } = yield* Effect.promise(() => import("../database/Backup.ts"))
    const bytes = yield* backup(workspace.dataDir, target)
    const isSealedElsewhere = workspace.secrets.credentialKey !== undefined
    yield* print({ file: target, bytes }, () =>
      isSealedElsewhere
        ? `${target}: ${bytes} bytes; keep CREDENTIAL_KEY too, without which service tokens do not open`
        : `${target}: ${bytes} bytes; keep ${workspace.dataDir}/credential-key too, without which service tokens do not open`
    )
  })
).pipe(Command.withDescription("Copy the embedded database into one file, while a hub runs on it or not"))
