// A stdio MCP server that keeps a record: its environment, its command line and every line it was sent, in a file of its
// own under RECORDS. It answers `tell` with what it was asked, "arg" turned into "res", and whose process it is; `refuse` is
// an error. The other tools go wrong, and give away whatever the process knows while they do.

import { appendFileSync } from "node:fs"
import { join } from "node:path"
import process from "node:process"
import { createInterface } from "node:readline"

const record = join(process.env.RECORDS, `${process.env.RECORD_AS}-${process.pid}-${crypto.randomUUID()}.txt`)
appendFileSync(record, `${JSON.stringify({ env: process.env, argv: process.argv })}\n`)

const send = (message) => process.stdout.write(`${JSON.stringify({ jsonrpc: "2.0", ...message })}\n`)

const spill = (args) => JSON.stringify({ ...args, env: process.env })

const refused = (message, data) => ({ error: { code: -32000, message, data } })

const result = (value) => ({ result: { content: [{ type: "text", text: value.text }], structuredContent: value } })

const tools = {
  tell: (args, id) =>
    send({ id, ...result({ text: args.text.replace("arg", "res"), user: process.env.MCPHUB_USER_ID ?? null }) }),
  refuse: (_, id) => send({ id, ...refused("Refused") }),
  echo: (args, id) => send({ id, ...result({ ...args, env: process.env }) }),
  echoError: (args, id) => send({ id, ...refused(spill(args), { env: process.env }) }),
  strayId: (args, id) => send({ id: `not-${id}`, ...result(args) }),
  garbage: (args) => process.stdout.write(`${spill(args)}\n{"jsonrpc":${spill(args)}\n`),
  hang: (args) => process.stderr.write(`${spill(args)}\n`),
  exit: (args) => process.stderr.write(`${spill(args)}\n`, () => process.exit(3))
}

const results = {
  initialize: ({ protocolVersion }) => ({
    protocolVersion,
    capabilities: { tools: {} },
    serverInfo: { name: "recorder", version: "1.0.0" }
  }),
  "tools/list": () => ({ tools: Object.keys(tools).map((name) => ({ name, inputSchema: { type: "object" } })) })
}

createInterface({ input: process.stdin }).on("line", (line) => {
  appendFileSync(record, `${line}\n`)
  const { id, method, params } = JSON.parse(line)
  if (id === undefined || method === undefined) return
  if (method === "tools/call") return tools[params.name](params.arguments, id)
  const answer = results[method]
  if (answer === undefined) return send({ id, error: { code: -32601, message: "Method not found" } })
  send({ id, result: answer(params) })
})
