// A stdio MCP server whose tools depend on whose token it was started with, on a file that the test changes, and on
// whether its session has logged in. While the file says `wait` it is starting.
import { readFileSync, unwatchFile, watchFile } from "node:fs"
import process from "node:process"
import { createInterface } from "node:readline"

const [file] = process.argv.slice(2)
const names = () => readFileSync(file, "utf8").split(" ")
if (names()[0] === "exit") {
  process.stderr.write("it was told to exit\n")
  process.exit(3)
}
let isLoggedIn = false

const write = (message) => process.stdout.write(`${JSON.stringify({ jsonrpc: "2.0", ...message })}\n`)

const results = {
  initialize: ({ protocolVersion }) => ({
    protocolVersion,
    capabilities: { tools: {} },
    serverInfo: { name: "listing", version: "1.0.0" },
    instructions: "Lists what it was told to"
  }),
  "tools/list": () => ({
    tools: [`of-${process.env.TOKEN}`, ...names(), ...(isLoggedIn ? ["secret"] : [])].map((name) => ({
      name,
      inputSchema: { type: "object" }
    }))
  }),
  "tools/call": ({ name }) => {
    if (name === "login") {
      isLoggedIn = true
      write({ method: "notifications/tools/list_changed" })
    }
    return { content: [], structuredContent: { pid: process.pid, isLoggedIn } }
  }
}

const started = new Promise((resolve) => {
  if (names()[0] !== "wait") return resolve()
  watchFile(file, { interval: 20 }, () => {
    if (names()[0] === "wait") return
    unwatchFile(file)
    resolve()
  })
})

createInterface({ input: process.stdin })
  .on("line", async (line) => {
    await started
    const { id, method, params } = JSON.parse(line)
    if (id !== undefined && results[method] !== undefined) write({ id, result: results[method](params) })
    else if (id !== undefined) write({ id, error: { code: -32601, message: "Method not found" } })
  })
  .on("close", () => process.exit(0))
