/** The database of a workspace, brought to this version before anybody reads it. */
import { Effect, Layer } from "effect"
import * as Migrations from "../../domain/storage/migrations/Migrations.ts"
import { damageIn } from "../../domain/storage/sql/Damaged.ts"
import { diskFullIn } from "../../domain/storage/sql/DiskFull.ts"
import { CliFailure } from "../terminal/CliFailure.ts"
import * as Database from "../database/Database.ts"
import { checkDatabase, rememberDatabase } from "./FolderDatabase.ts"
import type { Workspace } from "./Workspace.ts"

interface Failure {
  readonly _tag: string
  readonly reason?: { readonly _tag: string; readonly message?: string | undefined }
  readonly cause?: unknown
}

/** What a driver says of a server may name its user and address: of that only the kind of failure is told. */
export const unavailable =
  (workspace: Pick<Workspace, "dataDir"> & { readonly secrets: Pick<Workspace["secrets"], "databaseUrl"> }) =>
  (error: Failure): CliFailure => {
    const damage = damageIn(error) ?? damageIn(error.cause)
    if (damage !== undefined) return new CliFailure({ kind: "DatabaseDamaged", exitCode: 3, message: damage })
    const full = diskFullIn(error) ?? diskFullIn(error.cause)
    if (full !== undefined) return new CliFailure({ kind: "DatabaseUnavailable", exitCode: 3, message: full })
    const isEmbedded = workspace.secrets.databaseUrl === undefined
    const words = isEmbedded ? error.reason?.message : undefined
    return new CliFailure({
      // A server that may come back, or something that has to be mended.
      kind: !isEmbedded && error.reason?._tag === "ConnectionError" ? "DatabaseAway" : "DatabaseUnavailable",
      exitCode: 3,
      message:
        `The database cannot be used (${words ?? error.reason?._tag ?? error._tag}); ` +
        (isEmbedded
          ? `check the folder ${workspace.dataDir}, or choose another with --data`
          : "check DATABASE_URL, that the server runs and that its user may create tables and schemas")
    })
  }

/** `SqlClient` and `KeyEvents`, migrated. */
export const migratedDatabase = (workspace: Workspace) =>
  Layer.effectContext(
    checkDatabase(workspace).pipe(
      Effect.andThen(opened(workspace)),
      Effect.tap(() => rememberDatabase(workspace))
    )
  )

const opened = (workspace: Workspace) =>
  Migrations.layer.pipe(
    Layer.provideMerge(Database.layer({ databaseUrl: workspace.secrets.databaseUrl, dataDir: workspace.dataDir })),
    Layer.build,
    Effect.catchTags({
      SqlError: (error) => Effect.fail(unavailable(workspace)(error)),
      MigrationError: (error) => Effect.fail(unavailable(workspace)(error))
    })
  )
