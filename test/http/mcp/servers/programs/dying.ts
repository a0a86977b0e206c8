// A stdio MCP server of both eras: `hold` never answers, `die { words }` writes the words and its token to its standard
// error and exits.
import process from "node:process"
import { createInterface } from "node:readline"

const capabilities = { tools: {} }

const results: Record<string, (params: any) => object> = {
  initialize: ({ protocolVersion }) => ({ protocolVersion, capabilities, serverInfo: { name: "dying" } }),
  "server/discover": () => ({ supportedVersions: ["2026-07-28"], capabilities }),
  "tools/list": () => ({ tools: ["hold", "die", "who"].map((name) => ({ name, inputSchema: { type: "object" } })) })
}

const die = (words: string): void => {
  const lines = ["Traceback (most recent call last):", `  ${words}`, `ValueError: ${process.env["TOKEN"]}`]
  process.stderr.write(`${lines.join("\n")}\n`, () => process.exit(9))
}

createInterface({ input: process.stdin })
  .on("line", (line) => {
    const { id, method, params } = JSON.parse(line)
    if (id === undefined || params?.name === "hold") return
    if (params?.name === "die") return die(params.arguments.words)
    const content = { content: [], structuredContent: { pid: process.pid } }
    const result = { resultType: "complete", ...(results[method]?.(params) ?? content) }
    process.stdout.write(`${JSON.stringify({ jsonrpc: "2.0", id, result })}\n`)
  })
  .on("close", () => process.exit(0))
