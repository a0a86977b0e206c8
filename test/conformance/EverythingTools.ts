/**
 * The tools the conformance suite calls that answer by themselves: every kind of content, errors, progress, logging,
 * a stream that is closed on purpose, and a tool whose schema uses what older clients do not know.
 */
import { fromJsonSchema, type McpServer } from "@modelcontextprotocol/server"
import { setTimeout as pause } from "node:timers/promises"
import * as z from "zod"

/** One red pixel. */
export const png = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg=="
/** A sound without a sample. */
const wav = "UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAIA+AAACABAAZGF0YQAAAAA="

const text = (value: string) => ({ type: "text" as const, text: value })
const image = { type: "image" as const, data: png, mimeType: "image/png" }

/** The schema of SEP-1613 and SEP-2106 that has to arrive whole. */
const schema2020 = {
  $schema: "https://json-schema.org/draft/2020-12/schema",
  type: "object" as const,
  $defs: {
    address: {
      $anchor: "addressDef",
      type: "object",
      properties: { street: { type: "string" }, city: { type: "string" } }
    }
  },
  properties: {
    name: { type: "string" },
    address: { $ref: "#/$defs/address" },
    contactMethod: { type: "string", enum: ["phone", "email"] },
    phone: { type: "string" },
    email: { type: "string" }
  },
  allOf: [{ anyOf: [{ required: ["phone"] }, { required: ["email"] }] }],
  if: { properties: { contactMethod: { const: "phone" } }, required: ["contactMethod"] },
  // oxlint-disable-next-line unicorn/no-thenable -- a keyword of JSON Schema
  then: { required: ["phone"] },
  else: { required: ["email"] },
  additionalProperties: false
}

/** Parameters that travel in headers too (SEP-2243). */
const headerSchema = {
  type: "object" as const,
  properties: {
    region: { type: "string", "x-mcp-header": "Region" },
    count: { type: "integer", "x-mcp-header": "Count" },
    dryRun: { type: "boolean", "x-mcp-header": "Dry-Run" },
    note: { type: "string" }
  },
  required: ["region"]
}

export interface Changes {
  readonly toolsChanged: () => void
  readonly promptsChanged: () => void
}

export const registerTools = (server: McpServer, changes: Changes) => {
  registerContent(server)
  registerMessages(server, changes)
  server.registerTool(
    "json_schema_2020_12_tool",
    { description: "Tool with JSON Schema 2020-12 features", inputSchema: fromJsonSchema(schema2020) },
    (args) => ({ content: [text(JSON.stringify(args))] })
  )
  server.registerTool(
    "test_custom_headers",
    { description: "Repeats parameters that headers carry too", inputSchema: fromJsonSchema(headerSchema) },
    (args) => ({ content: [text(JSON.stringify(args))] })
  )
}

const registerContent = (server: McpServer) => {
  server.registerTool("test_simple_text", { description: "Returns a text" }, () => ({
    content: [text("This is a simple text response for testing.")]
  }))
  server.registerTool("test_image_content", { description: "Returns an image" }, () => ({ content: [image] }))
  server.registerTool("test_audio_content", { description: "Returns a sound" }, () => ({
    content: [{ type: "audio", data: wav, mimeType: "audio/wav" }]
  }))
  const resource = {
    uri: "test://embedded-resource",
    mimeType: "text/plain",
    text: "This is an embedded resource content."
  }
  server.registerTool("test_embedded_resource", { description: "Returns a resource" }, () => ({
    content: [{ type: "resource", resource }]
  }))
  const mixed = {
    uri: "test://mixed-content-resource",
    mimeType: "application/json",
    text: JSON.stringify({ test: "data", value: 123 })
  }
  server.registerTool(
    "test_multiple_content_types",
    { description: "Returns a text, an image and a resource" },
    () => ({
      content: [text("Multiple content types test:"), image, { type: "resource", resource: mixed }]
    })
  )
  server.registerTool("test_error_handling", { description: "Always fails" }, () => {
    throw new Error("This tool intentionally returns an error for testing")
  })
}

const registerMessages = (server: McpServer, changes: Changes) => {
  server.registerTool(
    "test_tool_with_logging",
    { description: "Logs three lines while it works" },
    async ({ mcpReq }) => {
      await mcpReq.log("info", "Tool execution started")
      await pause(50)
      await mcpReq.log("info", "Tool processing data")
      await pause(50)
      await mcpReq.log("info", "Tool execution completed")
      return { content: [text("Tool with logging executed successfully")] }
    }
  )
  server.registerTool(
    "test_logging_tool",
    { description: "Logs one line, where the client wants any" },
    async ({ mcpReq }) => {
      await mcpReq.log("info", "Logging evaluated")
      return { content: [text("Logging evaluated")] }
    }
  )
  server.registerTool("test_tool_with_progress", { description: "Reports three steps" }, async ({ mcpReq }) => {
    const progressToken = mcpReq._meta?.progressToken
    for (const progress of [0, 50, 100]) {
      if (progress > 0) await pause(50)
      if (progressToken === undefined) continue
      const params = { progressToken, progress, total: 100, message: `Completed step ${progress} of 100` }
      await mcpReq.notify({ method: "notifications/progress", params })
    }
    return { content: [text(`Done for ${String(progressToken ?? "nobody")}`)] }
  })
  server.registerTool(
    "test_reconnection",
    { description: "Ends its own event stream; the client comes back for the result" },
    async ({ http }) => {
      http?.closeSSE?.()
      await pause(100)
      return { content: [text("The result came after the stream had ended")] }
    }
  )
  for (const [name, change] of [
    ["test_trigger_tool_change", changes.toolsChanged],
    ["test_trigger_prompt_change", changes.promptsChanged]
  ] as const) {
    server.registerTool(name, { description: "Announces a changed list" }, () => {
      change()
      return { content: [text("Announced")] }
    })
  }
  server.registerTool("spoken_revision", { description: "The era this server was called in" }, ({ mcpReq }) => ({
    content: [text(mcpReq.envelope === undefined ? "2025" : "2026")]
  }))
  server.registerTool(
    "echo",
    { description: "Returns its text", inputSchema: z.object({ text: z.string() }) },
    ({ text: value }) => ({ content: [text(value)] })
  )
}
