// A stdio MCP server that answers whatever comes with an error under the id and in the words of its arguments.
import process from "node:process"
import { createInterface } from "node:readline"

const [id, message] = process.argv.slice(2)

createInterface({ input: process.stdin }).on("line", () => {
  process.stdout.write(`{"jsonrpc":"2.0","id":${id},"error":{"code":-32000,"message":${JSON.stringify(message)}}}\n`)
})
