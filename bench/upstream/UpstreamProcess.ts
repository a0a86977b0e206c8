/** The bench's MCP server as a process that can be asked what it counted, killed, and started again at the same port. */
import { join } from "node:path"
import { setTimeout as pause } from "node:timers/promises"
import { fileURLToPath } from "node:url"
import { runtimeCommand } from "../../src/cli/sample/RuntimeCommand.ts"
import type { UpstreamControl } from "../load/Recovery.ts"
import { freePort, kill, run } from "../Programs.ts"
import { Connection } from "../wire/Connection.ts"

export interface UpstreamProcess extends UpstreamControl {
  readonly port: number
}

const readyLimitMs = 10_000

export const startUpstream = async (folder: string, processor: string | undefined): Promise<UpstreamProcess> => {
  const port = await freePort()
  const { args, command } = runtimeCommand(new URL("server.ts", import.meta.url))
  const ask = async (method: string, path: string) => {
    const connection = new Connection({ host: "127.0.0.1", port })
    try {
      return JSON.parse((await connection.request(method, path, "")).body) as Readonly<Record<string, number>>
    } finally {
      connection.close()
    }
  }
  const counts = () => ask("GET", "/counts")
  const begin = async () => {
    const cwd = fileURLToPath(new URL(".", import.meta.url))
    const log = join(folder, "upstream.log")
    const child = run({ command, args: [...args, String(port)], cwd, log, processor })
    for (const begun = performance.now(); ; await pause(30)) {
      try {
        await counts()
        return child
      } catch (error) {
        if (performance.now() - begun > readyLimitMs) throw error
      }
    }
  }
  let child = await begin()
  return {
    port,
    counts,
    reset: () => ask("POST", "/reset"),
    kill: () => kill(child),
    start: async () => {
      child = await begin()
    }
  }
}
