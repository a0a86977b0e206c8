/** The command that runs a program on this process's own runtime, Node or Deno. */
import process from "node:process"
import { fileURLToPath } from "node:url"

export const runtimeCommand = (program: URL): { readonly command: string; readonly args: ReadonlyArray<string> } => {
  const path = fileURLToPath(program)
  return { command: process.execPath, args: process.versions["deno"] === undefined ? [path] : ["run", "-A", path] }
}
