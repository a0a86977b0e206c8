/** The straightforward gateway: the MCP SDK's server and client, one of each per session: `sdk-gateway.ts PORT UPSTREAM`. */
import { randomUUID } from "node:crypto"
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import process from "node:process"
import { Client } from "@modelcontextprotocol/sdk/client/index.js"
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js"
import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js"
import { StreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/streamableHttp.js"
import type { Transport } from "@modelcontextprotocol/sdk/shared/transport.js"
import { CallToolRequestSchema, ListToolsRequestSchema } from "@modelcontextprotocol/sdk/types.js"
import { idOfKey } from "./Target.ts"

const upstream = new URL("/mcp", process.argv[3])
const sessions = new Map<string, StreamableHTTPServerTransport>()
const info = { name: "sdk-gateway", version: "1" }

/** A session that the next request, `initialize`, begins. */
const open = async (authorization: string | undefined): Promise<StreamableHTTPServerTransport> => {
  const client = new Client(info)
  const headers = { "X-MCPHub-User-Id": idOfKey(authorization) ?? "" }
  const out = new StreamableHTTPClientTransport(upstream, { requestInit: { headers } })
  await client.connect(out as Transport)
  const { server } = new McpServer(info, { capabilities: { tools: {} } })
  server.setRequestHandler(ListToolsRequestSchema, () => client.listTools())
  server.setRequestHandler(CallToolRequestSchema, ({ params }) => client.callTool(params))
  const transport = new StreamableHTTPServerTransport({
    sessionIdGenerator: randomUUID,
    onsessioninitialized: (id) => void sessions.set(id, transport),
    onsessionclosed: async (id) => {
      sessions.delete(id)
      await out.terminateSession().catch(() => {})
      await client.close()
    }
  })
  await server.connect(transport as Transport)
  return transport
}

const serve = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
  const id = request.headers["mcp-session-id"]
  const session = typeof id === "string" ? sessions.get(id) : await open(request.headers.authorization)
  if (session === undefined) return void response.writeHead(404).end()
  await session.handleRequest(request, response)
}

createServer({ keepAliveTimeout: 0 }, (request, response) => {
  serve(request, response).catch(() => {
    if (!response.headersSent) response.writeHead(500)
    response.end()
  })
}).listen(Number(process.argv[2]), "127.0.0.1")
