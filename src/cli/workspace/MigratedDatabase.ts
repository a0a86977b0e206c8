/** The database of a workspace, brought to this version before anybody reads it. */
import { Effect, Layer } from "effect"
import * as Migrations from "../../domain/storage/migrations/Migrations.ts"
import { damageIn } from "../../domain/storage/sql/Damaged.ts"
import { CliFailure } from "../terminal/CliFailure.ts"
import * as Database from "../database/Database.ts"
import type { Workspace } from "./Workspace.ts"

interface Failure {
  readonly _tag: string
  readonly reason?: { readonly _tag: string }
  readonly cause?: unknown
}

/** The driver's own texts may name the user and address of the database: only what kind of failure it was is told. */
const unavailable =
  (workspace: Workspace) =>
  (error: Failure): CliFailure => {
    const damage = damageIn(error) ?? damageIn(error.cause)
    if (damage !== undefined) return new CliFailure({ kind: "DatabaseDamaged", exitCode: 3, message: damage })
    return new CliFailure({
      // A server that may come back, or something that has to be mended.
      kind:
        workspace.secrets.databaseUrl !== undefined && error.reason?._tag === "ConnectionError"
          ? "DatabaseAway"
          : "DatabaseUnavailable",
      exitCode: 3,
      message:
        `The database cannot be used (${error.reason?._tag ?? error._tag}); ` +
        (workspace.secrets.databaseUrl === undefined
          ? `check the folder ${workspace.dataDir}, or choose another with --data`
          : "check DATABASE_URL, that the server runs and that its user may create tables and schemas")
    })
  }

/** `SqlClient` and `KeyEvents`, migrated. */
export const migratedDatabase = (workspace: Workspace) =>
  Layer.effectContext(
    Migrations.layer.pipe(
      Layer.provideMerge(Database.layer({ databaseUrl: workspace.secrets.databaseUrl, dataDir: workspace.dataDir })),
      Layer.build,
      Effect.catchTags({
        SqlError: (error) => Effect.fail(unavailable(workspace)(error)),
        MigrationError: (error) => Effect.fail(unavailable(workspace)(error))
      })
    )
  )
