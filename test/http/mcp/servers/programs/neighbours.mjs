// A stdio MCP server that looks around: what it finds in the environment of other processes, how it was started, and
// what became of its arguments.
import { readdirSync, readFileSync } from "node:fs"
import process from "node:process"
import { createInterface } from "node:readline"

const environs = () =>
  readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        return [readFileSync(`/proc/${pid}/environ`, "latin1")]
      } catch {
        return []
      }
    })

const tools = {
  canaries: () => ({
    found: [
      ...new Set(
        environs()
          .join("\0")
          .match(/canary-neighbour-[a-z]+/g) ?? []
      )
    ].sort()
  }),
  started: () => ({ args: process.argv.slice(2), env: process.env })
}

const results = {
  initialize: (params) => ({
    protocolVersion: params.protocolVersion,
    capabilities: { tools: {} },
    serverInfo: { name: "neighbours", version: "1.0.0" }
  }),
  "tools/list": () => ({ tools: Object.keys(tools).map((name) => ({ name, inputSchema: { type: "object" } })) }),
  "tools/call": (params) => ({ content: [], structuredContent: tools[params.name]() })
}

// The first process of a namespace gets no signal it has not asked for.
process.on("SIGTERM", () => process.exit(0))

createInterface({ input: process.stdin }).on("line", (line) => {
  const { id, method, params } = JSON.parse(line)
  const result = results[method]
  if (id === undefined || result === undefined) return
  process.stdout.write(`${JSON.stringify({ jsonrpc: "2.0", id, result: result(params) })}\n`)
})
