/** Reads and checks the settings file for a command that needs it once. */
import { Context, Effect, FileSystem, Layer, Logger } from "effect"
import { Settings, type SettingsValue } from "../../domain/servers/Settings.ts"
import { SettingsFile } from "../../domain/settings/SettingsFile.ts"
import type { SettingsFinding } from "../../domain/settings/SettingsFinding.ts"
import { whyMissing } from "./LastSettings.ts"
import type { Workspace } from "./Workspace.ts"

export interface SettingsDocument {
  /** The hub starts with a sample when there is no file; where one should be, that is a problem. */
  readonly exists: boolean
  /** Undefined when there are problems. */
  readonly value: SettingsValue | undefined
  readonly problems: ReadonlyArray<SettingsFinding>
  readonly warnings: ReadonlyArray<SettingsFinding>
}

export const readSettingsDocument = Effect.fnUntraced(function* (workspace: Workspace) {
  const file = workspace.settingsFile
  const fs = yield* FileSystem.FileSystem
  const exists = yield* Effect.orElseSucceed(fs.exists(file), () => true)
  const missing = exists ? undefined : whyMissing(workspace)
  if (missing !== undefined) {
    return { exists, value: undefined, problems: [{ path: "", reason: missing }], warnings: [] } as SettingsDocument
  }
  const document = yield* Layer.build(SettingsFile.layer({ path: file, sample: { mcpServers: {} } })).pipe(
    Effect.map((services): SettingsDocument => ({
      exists,
      value: Context.get(services, Settings).current(),
      problems: [],
      warnings: Context.get(services, SettingsFile).warnings()
    })),
    Effect.catchTags({
      SettingsInvalid: ({ problems }) =>
        Effect.succeed<SettingsDocument>({ exists, value: undefined, problems, warnings: [] }),
      SettingsUnavailable: ({ message }) =>
        Effect.succeed<SettingsDocument>({
          exists,
          value: undefined,
          problems: [{ path: "", reason: message }],
          warnings: []
        })
    }),
    Effect.scoped,
    // The command prints the warnings that a hub would log.
    Effect.provide(Logger.layer([]))
  )
  return document
})
