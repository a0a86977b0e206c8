/**
 * The workspace of an invocation: data directory, settings file, database and secrets, from flags and environment.
 *
 * The same for every command, so that `mcphub user ls` finds the hub that `mcphub start` runs in this folder.
 */
import { Context, Effect, Layer, Option, Path } from "effect"
import { HubSecrets, type HubSecretsShape } from "../../domain/config/HubSecrets.ts"
import { CliFailure } from "../terminal/CliFailure.ts"
import { DataFlag, SettingsFlag } from "../terminal/GlobalFlags.ts"

export interface Workspace {
  /** Absolute. */
  readonly dataDir: string
  /** Absolute. */
  readonly settingsFile: string
  /** The settings file was named by a flag or a variable, and is not the one that is looked for by default. */
  readonly isSettingsFileGiven: boolean
  /** As given by the environment; `secrets.databaseUrl` absent means the embedded database in the data directory. */
  readonly secrets: HubSecretsShape
}

export const currentWorkspace = Effect.gen(function* () {
  const path = yield* Path.Path
  const context = yield* Layer.build(HubSecrets.layerEnv).pipe(
    Effect.scoped,
    Effect.mapError((error) => new CliFailure({ kind: "BadEnvironment", message: error.message, exitCode: 2 }))
  )
  const given = yield* SettingsFlag
  const found: Workspace = {
    dataDir: path.resolve(yield* DataFlag),
    settingsFile: path.resolve(Option.getOrElse(given, () => "mcp_settings.json")),
    isSettingsFileGiven: Option.isSome(given),
    secrets: Context.get(context, HubSecrets)
  }
  return found
})
