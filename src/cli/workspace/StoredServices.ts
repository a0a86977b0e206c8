/** The hub's memory of users, keys, groups and service tokens, on the database of a workspace. */
import { Effect, Layer } from "effect"
import { Credentials } from "../../domain/identity/Credentials.ts"
import * as Repositories from "../../domain/storage/Repositories.ts"
import { migratedDatabase } from "./MigratedDatabase.ts"
import { credentialKey, prepareDataDir } from "./GeneratedSecrets.ts"
import type { Workspace } from "./Workspace.ts"

/**
 * Opens the database (PostgreSQL where the environment names one, the embedded one otherwise), brings it to this
 * version and gives the services on it.
 */
export const storedServices = (workspace: Workspace) =>
  Layer.unwrap(
    Effect.gen(function* () {
      yield* prepareDataDir(workspace.dataDir)
      const key = yield* credentialKey(workspace.dataDir, workspace.secrets.credentialKey)
      return Repositories.layerRepositories.pipe(
        Layer.provideMerge(Credentials.layer(key.value)),
        Layer.provideMerge(migratedDatabase(workspace))
      )
    })
  )
