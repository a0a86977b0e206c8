/** What a hub without a settings file serves, so that the first minute already shows tools: one real server. */
import type { SettingsValue } from "../../domain/servers/Settings.ts"
import { sampleCommand } from "./SampleCommand.ts"

export const sampleSettings = (): SettingsValue => ({ mcpServers: { sample: { type: "stdio", ...sampleCommand() } } })
