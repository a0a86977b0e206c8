/** The flags that every command accepts, anywhere on the line. */
import { Config } from "effect"
import { Flag, GlobalFlag } from "effect/cli"

export const JsonFlag = GlobalFlag.Setting("json")({
  flag: Flag.Boolean("json").pipe(
    Flag.withDescription("Print one JSON document instead of text"),
    Flag.withDefault(false)
  )
})

export const DataFlag = GlobalFlag.Setting("data")({
  flag: Flag.String("data").pipe(
    Flag.withMetavar("DIR"),
    Flag.withDescription("Folder of the embedded database and generated secrets (default ./.mcphub, or MCPHUB_DATA)"),
    Flag.withFallbackConfig(Config.String("MCPHUB_DATA")),
    Flag.withDefault(".mcphub")
  )
})

export const SettingsFlag = GlobalFlag.Setting("settings")({
  flag: Flag.String("settings").pipe(
    Flag.withMetavar("FILE"),
    Flag.withDescription("Settings file (default ./mcp_settings.json, or MCPHUB_SETTING_PATH)"),
    Flag.withFallbackConfig(Config.String("MCPHUB_SETTING_PATH")),
    Flag.optional
  )
})

export const globalFlags = [JsonFlag, DataFlag, SettingsFlag] as const
