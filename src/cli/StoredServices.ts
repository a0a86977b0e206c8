/** The hub's memory of users, keys, groups and service tokens, on the database of a workspace. */
import { Effect, Layer } from "effect"
import { Credentials } from "../domain/Credentials.ts"
import * as GroupsSql from "../domain/GroupsSql.ts"
import * as HubKeysSql from "../domain/HubKeysSql.ts"
import * as ProvisioningSql from "../domain/ProvisioningSql.ts"
import * as UsersSql from "../domain/UsersSql.ts"
import * as Database from "./database/Database.ts"
import { credentialKey, prepareDataDir } from "./GeneratedSecrets.ts"
import type { Workspace } from "./Workspace.ts"

/**
 * Opens the database (PostgreSQL where the environment names one, the embedded one otherwise), brings it to this
 * version and gives the services on it.
 */
export const storedServices = (place: Workspace) =>
  Layer.unwrap(
    Effect.gen(function* () {
      yield* prepareDataDir(place.dataDir)
      const key = yield* credentialKey(place.dataDir, place.secrets.credentialKey)
      return Layer.mergeAll(UsersSql.layer, HubKeysSql.layer, GroupsSql.layer, ProvisioningSql.layer).pipe(
        Layer.provideMerge(Credentials.layer(key.value)),
        Layer.provideMerge(Database.layer({ databaseUrl: place.secrets.databaseUrl, dataDir: place.dataDir }))
      )
    })
  )
