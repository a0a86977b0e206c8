/** The bench's MCP server as a process of its own, so that it can be pinned, killed and started again: `server.ts PORT`. */
import process from "node:process"
import { start } from "./Upstream.ts"

const { port } = await start(Number(process.argv[2] ?? 0))
process.stdout.write(`listening on http://127.0.0.1:${port}/mcp\n`)
