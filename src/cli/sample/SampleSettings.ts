/** The settings of a hub without a settings file: one real server, so that the first minute already shows tools. */
import type { SettingsValue } from "../../domain/servers/Settings.ts"
import { sampleCommand } from "./SampleCommand.ts"

export const sampleSettings = (): SettingsValue => ({ mcpServers: { sample: { type: "stdio", ...sampleCommand() } } })
