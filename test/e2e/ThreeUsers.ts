/** ada, bo and cy, each with a key, and the way one of them reaches a hub that checks the key in its database. */
import { Redacted } from "effect"
import { McpClient } from "../../src/testkit/index.ts"

const names = ["ada", "bo", "cy"]
export const users = names.map((username, index) => ({ username, key: `mcphub_${`${index}db-`.repeat(10)}` }))
export const keyOf = (index: number) => ({ key: Redacted.make(users[index]!.key) })
export const wrongKey = { key: Redacted.make(`mcphub_${"f".repeat(64)}`) }

export const initialize = (key: { readonly key: Redacted.Redacted<string> }) => ({
  path: "/mcp",
  headers: McpClient.clientHeaders(key.key),
  body: JSON.stringify({
    jsonrpc: "2.0",
    id: 1,
    method: "initialize",
    params: { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "db", version: "1" } }
  })
})
