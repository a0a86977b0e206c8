// A stdio MCP server that keeps what it is told in one file, as the popular memory server does, and says where it runs.
import { appendFileSync, existsSync, readFileSync } from "node:fs"
import process from "node:process"
import { createInterface } from "node:readline"

const file = process.env.MEMORY_FILE_PATH
const send = (message) => process.stdout.write(`${JSON.stringify({ jsonrpc: "2.0", ...message })}\n`)
const notified = []
let capabilities = {}
let asking

const tools = {
  remember: ({ text }) => {
    appendFileSync(file, `${text}\n`)
    return {}
  },
  recall: () => ({ text: existsSync(file) ? readFileSync(file, "utf8") : "" }),
  // Who the client is said to be, and what it has notified.
  heard: () => ({ capabilities, notified }),
  where: () => ({ file, cwd: process.cwd(), args: process.argv.slice(2), who: process.env.WHO })
}

const results = {
  initialize: (params) => ({
    protocolVersion: params.protocolVersion,
    capabilities: { tools: {} },
    serverInfo: { name: "remembers", version: "1.0.0" }
  }),
  "tools/list": () => ({
    tools: [...Object.keys(tools), "roots"].map((name) => ({ name, inputSchema: { type: "object" } }))
  }),
  "tools/call": (params) => ({ content: [], structuredContent: tools[params.name](params.arguments ?? {}) })
}

createInterface({ input: process.stdin }).on("line", (line) => {
  const { id, method, params, ...answer } = JSON.parse(line)
  if (id === "roots" && method === undefined) {
    return send({ id: asking, result: { content: [], structuredContent: { answer } } })
  }
  if (id === undefined) return notified.push(method)
  if (method === "initialize") capabilities = params.capabilities
  if (params?.name === "roots") {
    asking = id
    return send({ id: "roots", method: "roots/list", params: { _meta: params._meta } })
  }
  const result = results[method]
  send(result === undefined ? { id, error: { code: -32601, message: "no" } } : { id, result: result(params) })
})
