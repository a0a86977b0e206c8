/**
 * How to start the sample server: what a hub without a settings file puts into its first `mcpServers`. The program
 * runs on the runtime the hub itself runs on, from its sources or from a build. Kept apart from the server, so that
 * naming it does not load the SDK.
 */
import process from "node:process"
import { fileURLToPath } from "node:url"

export const sampleCommand = (): { readonly command: string; readonly args: ReadonlyArray<string> } => {
  const extension = import.meta.url.endsWith(".ts") ? "ts" : "js"
  const program = fileURLToPath(new URL(`./sample-server.${extension}`, import.meta.url))
  return {
    command: process.execPath,
    args: process.versions["deno"] === undefined ? [program] : ["run", "-A", program]
  }
}
