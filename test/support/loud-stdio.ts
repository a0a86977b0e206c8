/** The same over stdio, on its standard output: `shout { ms, text? }`, and `echo`. */
import process from "node:process"
import { createInterface } from "node:readline"

const little = '{"jsonrpc":"2.0","method":"shouts/x"}'

const send = (message: object): void => void process.stdout.write(`${JSON.stringify({ jsonrpc: "2.0", ...message })}\n`)

const shout = (text: string, ms: number, then: () => void): void => {
  const until = Date.now() + ms
  const chunk = `${text}\n`.repeat(1_000)
  const more = (): void => {
    if (Date.now() >= until) then()
    else process.stdout.write(chunk, more)
  }
  more()
}

const tools = ["shout", "echo"].map((name) => ({ name, inputSchema: { type: "object" } }))

createInterface({ input: process.stdin })
  .on("line", (line) => {
    const { id, method, params } = JSON.parse(line)
    if (method === "initialize") {
      const capabilities = { tools: { listChanged: true } }
      const serverInfo = { name: "loud", version: "1" }
      send({ id, result: { protocolVersion: params.protocolVersion, capabilities, serverInfo } })
    } else if (method === "tools/list") send({ id, result: { tools } })
    else if (method === "tools/call") {
      const { ms = 1_000, text = little } = params.arguments ?? {}
      const answer = (): void => send({ id, result: { content: [], structuredContent: { ...params.arguments } } })
      if (params.name === "shout") shout(text, ms, answer)
      else answer()
    } else if (id !== undefined) send({ id, error: { code: -32601, message: "Method not found" } })
  })
  .on("close", () => process.exit(0))
