// An MCP server that serves several users over one address and tells them apart by the token each request carries, as
// GitHub would. It never repeats a token.
//
//   IDENTITY_PORT=3901 examples/run upstreams/identity.mjs

import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js"
import { StreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/streamableHttp.js"
import { createServer } from "node:http"
import process from "node:process"

/** The accounts behind the tokens of examples/session-isolation/users.json. */
const accounts = new Map([
  ["github-token-of-user-a", "octocat-a"],
  ["github-token-of-user-b", "octocat-b"]
])

const text = (value) => ({ content: [{ type: "text", text: value }] })

const identityServer = () => {
  const server = new McpServer({ name: "identity", version: "1.0.0" })
  server.registerTool("get-user", { description: "The account the request's own token belongs to" }, (extra) => {
    const token = extra.requestInfo?.headers["x-mcphub-github-token"]
    const account = accounts.get(token)
    return account === undefined ? { ...text("No account has this token"), isError: true } : text(account)
  })
  return server
}

/** Keeps nothing between two requests: each has a server of its own. */
const serve = async (request, response) => {
  if (request.method !== "POST") return response.writeHead(405, { allow: "POST" }).end()
  const server = identityServer()
  const transport = new StreamableHTTPServerTransport({ sessionIdGenerator: undefined, enableJsonResponse: true })
  response.once("close", () => void server.close())
  await server.connect(transport)
  await transport.handleRequest(request, response)
}

createServer((request, response) => {
  serve(request, response).catch(() => response.destroy())
}).listen(Number(process.env.IDENTITY_PORT ?? 3901), "127.0.0.1", function () {
  process.stdout.write(`identity listening on http://127.0.0.1:${this.address().port}/mcp\n`)
})
