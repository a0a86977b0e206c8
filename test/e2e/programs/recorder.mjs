// A stdio MCP server that keeps a record: its environment, its command line and every line it was sent, in a file of its
// own under RECORDS. It answers `tell` with what it was asked, "arg" turned into "res", and whose process it is; `refuse` is an error.

import { appendFileSync } from "node:fs"
import { join } from "node:path"
import process from "node:process"
import { createInterface } from "node:readline"

const record = join(process.env.RECORDS, `${process.env.RECORD_AS}-${process.pid}.txt`)
appendFileSync(record, `${JSON.stringify({ env: process.env, argv: process.argv })}\n`)

const send = (message) => process.stdout.write(`${JSON.stringify({ jsonrpc: "2.0", ...message })}\n`)

const results = {
  initialize: ({ protocolVersion }) => ({
    protocolVersion,
    capabilities: { tools: {} },
    serverInfo: { name: "recorder", version: "1.0.0" }
  }),
  "tools/list": () => ({ tools: ["tell", "refuse"].map((name) => ({ name, inputSchema: { type: "object" } })) }),
  "tools/call": ({ arguments: args }) => {
    const told = { text: args.text.replace("arg", "res"), user: process.env.MCPHUB_USER_ID ?? null }
    return { content: [{ type: "text", text: told.text }], structuredContent: told }
  }
}

createInterface({ input: process.stdin }).on("line", (line) => {
  appendFileSync(record, `${line}\n`)
  const { id, method, params } = JSON.parse(line)
  if (id === undefined || method === undefined) return
  if (method === "tools/call" && params.name === "refuse") {
    return send({ id, error: { code: -32000, message: "Refused" } })
  }
  const result = results[method]
  if (result === undefined) return send({ id, error: { code: -32601, message: "Method not found" } })
  send({ id, result: result(params) })
})
