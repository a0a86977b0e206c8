// A stdio MCP server that repeats the token it was given in its environment: in the errors of its calls, or, started with
// `dying`, on its standard error before it has answered anything.
import process from "node:process"
import { createInterface } from "node:readline"
import { errorWith, formsOf } from "./EchoedForms.ts"

const token = process.env["GITHUB"]!

const answers: Record<string, (params: any) => object> = {
  initialize: ({ protocolVersion }) => ({
    result: { protocolVersion, capabilities: { tools: {} }, serverInfo: { name: "echoing", version: "1.0.0" } }
  }),
  "tools/list": () => ({ result: { tools: [{ name: "say", inputSchema: { type: "object" } }] } }),
  "tools/call": () => ({ error: errorWith(token) })
}

if (process.argv.includes("dying")) {
  process.stderr.write(`${Object.values(formsOf(token)).join("\n")}\n`, () => process.exit(1))
} else {
  createInterface({ input: process.stdin }).on("line", (line) => {
    const { id, method, params } = JSON.parse(line)
    const answer = answers[method]
    if (id === undefined || answer === undefined) return
    process.stdout.write(`${JSON.stringify({ jsonrpc: "2.0", id, ...answer(params) })}\n`)
  })
}
