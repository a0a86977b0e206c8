/**
 * The workspace of an invocation: data directory, settings file, database and secrets, from flags and environment.
 *
 * The same for every command, so that `mcphub user ls` finds the hub that `mcphub start` runs in this folder.
 */
import { Context, Effect, Layer, Path } from "effect"
import { HubSecrets, type HubSecretsShape } from "../../domain/config/HubSecrets.ts"
import { CliFailure } from "../terminal/CliFailure.ts"
import { DataFlag, SettingsFlag } from "../terminal/GlobalFlags.ts"

export interface Workspace {
  /** Absolute. */
  readonly dataDir: string
  /** Absolute. */
  readonly settingsFile: string
  /** As given by the environment; `secrets.databaseUrl` absent means the embedded database in the data directory. */
  readonly secrets: HubSecretsShape
}

export const currentWorkspace = Effect.gen(function* () {
  const path = yield* Path.Path
  const context = yield* Layer.build(HubSecrets.layerEnv).pipe(
    Effect.scoped,
    Effect.mapError((error) => new CliFailure({ kind: "BadEnvironment", message: error.message, exitCode: 2 }))
  )
  const found: Workspace = {
    dataDir: path.resolve(yield* DataFlag),
    settingsFile: path.resolve(yield* SettingsFlag),
    secrets: Context.get(context, HubSecrets)
  }
  return found
})
