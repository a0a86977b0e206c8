// An MCP server that remembers a project per session: two sessions that saw each other's project would share a
// connection. Over HTTP, or over stdio with --stdio, where the process is the session.
//
//   WORKSPACE_PORT=3902 examples/run upstreams/workspace.mjs

import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js"
import { StdioServerTransport } from "@modelcontextprotocol/sdk/server/stdio.js"
import { StreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/streamableHttp.js"
import { randomUUID } from "node:crypto"
import { createServer } from "node:http"
import process from "node:process"
import { z } from "zod"

const text = (value) => ({ content: [{ type: "text", text: value }] })

const workspaceServer = () => {
  let project = "none"
  const server = new McpServer({ name: "workspace", version: "1.0.0" })
  server.registerTool(
    "set-context",
    { description: "Remembers a project for this session", inputSchema: { project: z.string() } },
    (args) => {
      project = args.project
      return text(`context is now ${project}`)
    }
  )
  server.registerTool("get-data", { description: "The project of this session" }, () => text(`data of ${project}`))
  return server
}

const overStdio = () => workspaceServer().connect(new StdioServerTransport())

const overHttp = () => {
  const sessions = new Map()
  const open = async () => {
    const server = workspaceServer()
    const transport = new StreamableHTTPServerTransport({
      sessionIdGenerator: randomUUID,
      onsessioninitialized: (id) => void sessions.set(id, transport),
      onsessionclosed: (id) => {
        sessions.delete(id)
        void server.close()
      }
    })
    await server.connect(transport)
    return transport
  }
  const serve = async (request, response) => {
    const id = request.headers["mcp-session-id"]
    const transport = id === undefined ? await open() : sessions.get(id)
    if (transport === undefined) return response.writeHead(404).end()
    await transport.handleRequest(request, response)
  }
  createServer((request, response) => {
    serve(request, response).catch(() => response.destroy())
  }).listen(Number(process.env.WORKSPACE_PORT ?? 3902), "127.0.0.1", function () {
    process.stdout.write(`workspace listening on http://127.0.0.1:${this.address().port}/mcp\n`)
  })
}

if (process.argv.includes("--stdio")) await overStdio()
else overHttp()
