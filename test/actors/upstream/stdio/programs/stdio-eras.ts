/**
 * A stdio server on the SDK's current line, of both eras, or of 2026-07-28 alone with `LEGACY=reject`.
 */
import { acceptedContent, inputRequired, McpServer } from "@modelcontextprotocol/server"
import { serveStdio } from "@modelcontextprotocol/server/stdio"
import process from "node:process"
import { z } from "zod"

const text = (value: unknown) => ({ content: [{ type: "text" as const, text: JSON.stringify(value) }] })

serveStdio(
  ({ era }) => {
    const capabilities = { tools: { listChanged: true }, resources: { subscribe: true } }
    const mcp = new McpServer({ name: "stdio-eras", version: "1.0.0" }, { capabilities })
    let cancelled = 0
    mcp.registerTool("pid", {}, () => text({ pid: process.pid, era }))
    mcp.registerTool("cancelled", {}, () => text(cancelled))
    mcp.registerTool(
      "hang",
      {},
      ({ mcpReq }) =>
        new Promise((_, reject) => {
          void mcpReq.notify({
            method: "notifications/progress",
            params: { progressToken: mcpReq._meta!.progressToken!, progress: 1 }
          })
          mcpReq.signal.addEventListener("abort", () => {
            cancelled++
            reject(new Error("cancelled"))
          })
        })
    )
    mcp.registerTool("ask", {}, ({ mcpReq }) => {
      const answer = acceptedContent(mcpReq.inputResponses, "who", z.object({ name: z.string() }))
      if (answer !== undefined) return text(answer.name)
      const requestedSchema = {
        type: "object" as const,
        properties: { name: { type: "string" as const } },
        required: ["name"]
      }
      return inputRequired({ inputRequests: { who: inputRequired.elicit({ message: "Who?", requestedSchema }) } })
    })
    mcp.registerTool("change", { inputSchema: z.object({ uri: z.string() }) }, async ({ uri }) => {
      await mcp.server.sendResourceUpdated({ uri })
      return text("changed")
    })
    mcp.registerResource("note", "note://a", {}, () => ({ contents: [{ uri: "note://a", text: "a" }] }))
    return mcp
  },
  { legacy: process.env["LEGACY"] === "reject" ? "reject" : "serve" }
)
