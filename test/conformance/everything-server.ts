/**
 * The server the conformance suite judges the hub through, on the SDK's current line: 2026-07-28 without state and the
 * 2025 revisions with sessions, on one address.
 *
 *   PORT=3901 node test/conformance/everything-server.ts      PORT=0 takes a free port; the address is printed
 *   ERA=2025                                                  speaks the 2025 revisions only
 */
import {
  createMcpHandler,
  type EventStore,
  hostHeaderValidationResponse,
  isLegacyRequest,
  type JSONRPCMessage,
  localhostAllowedHostnames,
  localhostAllowedOrigins,
  McpServer,
  originValidationResponse,
  WebStandardStreamableHTTPServerTransport
} from "@modelcontextprotocol/server"
import { randomUUID } from "node:crypto"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import process from "node:process"
import { registerPrompts, registerResources } from "./EverythingContent.ts"
import { registerQuestions, verifyState } from "./EverythingQuestions.ts"
import { registerTools } from "./EverythingTools.ts"
import { fetchListener } from "./FetchListener.ts"

type Era = "legacy" | "modern"

const everything = (era: Era): McpServer => {
  const server = new McpServer(
    { name: "everything", version: "1.0.0" },
    {
      capabilities: {
        completions: {},
        logging: {},
        prompts: { listChanged: true },
        resources: { subscribe: true, listChanged: true },
        tools: { listChanged: true }
      },
      requestState: { verify: verifyState }
    }
  )
  registerTools(
    server,
    era === "modern"
      ? modern.notify
      : { toolsChanged: () => server.sendToolListChanged(), promptsChanged: () => server.sendPromptListChanged() }
  )
  registerQuestions(server)
  registerPrompts(server)
  registerResources(server)
  if (era === "legacy") {
    server.server.setRequestHandler("resources/subscribe", () => ({}))
    server.server.setRequestHandler("resources/unsubscribe", () => ({}))
  }
  return server
}

const modern = createMcpHandler(({ era }) => everything(era), { legacy: "reject" })

/** What a session's streams have carried, for clients that come back to one. */
const eventLog = (): EventStore => {
  const events: Array<{ readonly stream: string; readonly message: JSONRPCMessage }> = []
  return {
    storeEvent: async (stream, message) => String(events.push({ stream, message }) - 1),
    getStreamIdForEventId: async (id) => events[Number(id)]?.stream,
    replayEventsAfter: async (id, { send }) => {
      const stream = events[Number(id)]?.stream ?? ""
      for (const [at, event] of events.entries()) {
        if (at <= Number(id) || event.stream !== stream || Object.keys(event.message).length === 0) continue
        await send(String(at), event.message)
      }
      return stream
    }
  }
}

const sessions = new Map<string, WebStandardStreamableHTTPServerTransport>()

const legacy = async (request: Request): Promise<Response> => {
  const known = sessions.get(request.headers.get("mcp-session-id") ?? "")
  if (known !== undefined) return known.handleRequest(request)
  if (request.headers.has("mcp-session-id")) {
    return Response.json(
      { jsonrpc: "2.0", id: null, error: { code: -32001, message: "There is no such session" } },
      { status: 404 }
    )
  }
  const transport: WebStandardStreamableHTTPServerTransport = new WebStandardStreamableHTTPServerTransport({
    sessionIdGenerator: randomUUID,
    onsessioninitialized: (id) => void sessions.set(id, transport),
    onsessionclosed: (id) => void sessions.delete(id),
    eventStore: eventLog(),
    retryInterval: 50
  })
  await everything("legacy").connect(transport)
  return transport.handleRequest(request)
}

const only2025 = process.env["ERA"] === "2025"

const handle = async (request: Request): Promise<Response> => {
  const refused =
    hostHeaderValidationResponse(request, localhostAllowedHostnames()) ??
    originValidationResponse(request, localhostAllowedOrigins())
  if (refused !== undefined) return refused
  if (new URL(request.url).pathname !== "/mcp") return new Response(null, { status: 404 })
  return only2025 || (await isLegacyRequest(request)) ? legacy(request) : modern.fetch(request)
}

const server = createServer({ requestTimeout: 0 }, fetchListener(handle))
server.listen(Number(process.env["PORT"] ?? 0), "127.0.0.1", () => {
  const { port } = server.address() as AddressInfo
  process.stdout.write(`everything listening on http://127.0.0.1:${port}/mcp\n`)
})
