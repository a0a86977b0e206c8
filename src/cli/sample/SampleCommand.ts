/**
 * How to start the sample server: what a hub without a settings file puts into its first `mcpServers`. Works from the
 * sources and from a build. Kept apart from the server, so that naming it does not load the SDK.
 */
import { runtimeCommand } from "./RuntimeCommand.ts"

export const sampleCommand = (): { readonly command: string; readonly args: ReadonlyArray<string> } => {
  const extension = import.meta.url.endsWith(".ts") ? "ts" : "js"
  return runtimeCommand(new URL(`./sample-server.${extension}`, import.meta.url))
}
