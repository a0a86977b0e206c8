/**
 * The data folder remembers which settings file its hub has loaded: one that is not there any more was lost, and one that
 * never was is a hub that begins with its sample server.
 */
import { existsSync, readFileSync, rmSync } from "node:fs"
import { join } from "node:path"
import { Effect } from "effect"
import { createWhole } from "../database/WholeFile.ts"
import type { Workspace } from "./Workspace.ts"

type Place = Pick<Workspace, "dataDir" | "settingsFile">

const fileIn = (dataDir: string): string => join(dataDir, "settings-file")

const remembered = (dataDir: string): string | undefined => {
  try {
    return readFileSync(fileIn(dataDir), "utf8").trim()
  } catch {
    return undefined
  }
}

/** Once the file is in force. That it cannot be remembered keeps nobody from serving it. */
export const rememberSettings = ({ dataDir, settingsFile }: Place): Effect.Effect<void> =>
  Effect.ignore(
    Effect.try(() => {
      if (!existsSync(settingsFile) || remembered(dataDir) === settingsFile) return
      rmSync(fileIn(dataDir), { force: true })
      createWhole(fileIn(dataDir), `${settingsFile}\n`)
    })
  )

/** Why a settings file that is not there is a fault, with the remedy; undefined where the sample server is meant. */
export const whyMissing = ({ dataDir, isSettingsFileGiven, settingsFile }: Workspace): string | undefined => {
  if (remembered(dataDir) === settingsFile) {
    return `${settingsFile} is gone: the hub of ${dataDir} has loaded it before. Put it back before that hub starts again, or delete ${fileIn(dataDir)} to begin anew with the sample server`
  }
  return isSettingsFileGiven
    ? `${settingsFile} does not exist; correct --settings or MCPHUB_SETTING_PATH, or write the file`
    : undefined
}
