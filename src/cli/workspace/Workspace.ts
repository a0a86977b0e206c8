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

/** Data directory and settings file, which need no variable to be right. */
export const currentPlaces = Effect.gen(function* () {
  const path = yield* Path.Path
  const given = yield* SettingsFlag
  return {
    dataDir: path.resolve(yield* DataFlag),
    settingsFile: path.resolve(Option.getOrElse(given, () => "mcp_settings.json")),
    isSettingsFileGiven: Option.isSome(given)
  } satisfies Omit<Workspace, "secrets">
})

export const currentWorkspace = Effect.gen(function* () {
  const context = yield* Layer.build(HubSecrets.layerEnv).pipe(
    Effect.scoped,
    Effect.mapError((error) => new CliFailure({ kind: "BadEnvironment", message: error.message, exitCode: 2 }))
  )
  const found: Workspace = { ...(yield* currentPlaces), secrets: Context.get(context, HubSecrets) }
  return found
})
