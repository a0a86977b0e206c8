/**
 * The command that starts the sample server, for the first `mcpServers` of a hub without a settings file. Works from
 * the sources and from a build. Apart from the server, so that naming it does not load the SDK.
 */
import { runtimeCommand } from "./RuntimeCommand.ts"

export const sampleCommand = (): { readonly command: string; readonly args: ReadonlyArray<string> } => {
  const extension = import.meta.url.endsWith(".ts") ? "ts" : "js"
  return runtimeCommand(new URL(`./sample-server.${extension}`, import.meta.url))
}
