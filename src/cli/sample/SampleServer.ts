/**
 * A small, real MCP server with a memory: the first upstream of a fresh hub, and the server that the isolation guide
 * uses. Its memory lives in its process, so two sessions that saw each other's project would share a process.
 *
 * Serves the 2025 revisions and 2026-07-28 alike. `whoami` shows its user (ids only, never a token), so that a reader
 * sees the context arrive.
 */
import { acceptedContent, completable, inputRequired, McpServer, ResourceTemplate } from "@modelcontextprotocol/server"
import { setTimeout as pause } from "node:timers/promises"
import * as z from "zod"

export interface SampleServerOptions {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly pid: number
  /** Notes by id. They outlive one instance, because the transport may try a first one to learn the client's era. */
  readonly notes: Map<string, string>
}

/** The context variables of requirement R15; the server shows nothing else of its environment. */
const contextNames = [
  "MCPHUB_USER_ID",
  "MCPHUB_USER_SESSION_ID",
  "MCPHUB_SESSION_ID",
  "MCPHUB_USER_GROUPS",
  "MCPHUB_SOURCE_SERVER",
  "MCPHUB_PROTOCOL_VERSION"
]

const text = (value: string) => ({ content: [{ type: "text" as const, text: value }] })

/** Clients that ask before each call need not ask for these. */
const reads = { readOnlyHint: true }

const structured = (value: Record<string, unknown>) => ({ ...text(JSON.stringify(value)), structuredContent: value })

export const sampleServer = ({ env, notes, pid }: SampleServerOptions): McpServer => {
  const server = new McpServer(
    { name: "mcphub-sample", version: "1.0.0" },
    {
      capabilities: { logging: {} },
      instructions: "Set a project with set-context and read it back with get-data: only your own session sees it."
    }
  )
  registerContext(server, env, pid)
  registerNotes(server, notes)
  registerInteraction(server)
  return server
}

const registerContext = (server: McpServer, env: SampleServerOptions["env"], pid: number) => {
  let project: string | null = null
  let calls = 0

  server.registerTool(
    "set-context",
    { description: "Remembers a project for this session", inputSchema: z.object({ project: z.string() }) },
    (args) => {
      calls++
      project = args.project
      return text(`The project is now ${project}`)
    }
  )
  server.registerTool(
    "get-data",
    {
      description: "What this session has set, how often it was called and by which process it is served",
      annotations: reads
    },
    () => structured({ project, calls: ++calls, pid })
  )
  server.registerTool(
    "echo",
    { description: "Returns its text", annotations: reads, inputSchema: z.object({ text: z.string() }) },
    (args) => text(args.text)
  )
  server.registerTool(
    "whoami",
    { description: "The user context the hub started this server with (ids only)", annotations: reads },
    () =>
      structured(
        Object.fromEntries(contextNames.flatMap((name) => (env[name] === undefined ? [] : [[name, env[name]]])))
      )
  )
}

const registerNotes = (server: McpServer, notes: Map<string, string>) => {
  const uri = (id: string) => `notes://${id}`
  const ids = (prefix: string) => [...notes.keys()].filter((id) => id.startsWith(prefix))
  const all = () => [...notes].map(([id, note]) => `${id}. ${note}`).join("\n")

  server.registerTool(
    "add-note",
    { description: "Keeps a note for this session", inputSchema: z.object({ text: z.string().max(10_000) }) },
    (args) => {
      const id = String(notes.size + 1)
      notes.set(id, args.text)
      server.sendResourceListChanged()
      return structured({ id, uri: uri(id) })
    }
  )
  server.registerTool("list-notes", { description: "The notes of this session", annotations: reads }, () =>
    structured({ notes: [...notes].map(([id, note]) => ({ id, text: note })) })
  )
  server.registerResource(
    "all-notes",
    "notes://all",
    { description: "Every note of this session", mimeType: "text/plain" },
    ({ href }) => ({ contents: [{ uri: href, mimeType: "text/plain", text: all() }] })
  )
  server.registerResource(
    "note",
    new ResourceTemplate("notes://{id}", {
      list: () => ({ resources: ids("").map((id) => ({ uri: uri(id), name: `note ${id}`, mimeType: "text/plain" })) }),
      complete: { id: ids }
    }),
    { description: "One note", mimeType: "text/plain" },
    ({ href }, { id }) => {
      const note = notes.get(String(id))
      if (note === undefined) throw new Error(`There is no note ${String(id)}; list-notes names those there are`)
      return { contents: [{ uri: href, mimeType: "text/plain", text: note }] }
    }
  )
  server.registerPrompt(
    "summarise-notes",
    {
      description: "Asks for a summary of this session's notes",
      argsSchema: z.object({
        style: completable(z.string().describe("How to write it"), (value) =>
          ["bullets", "haiku", "one sentence", "table"].filter((style) => style.startsWith(value))
        )
      })
    },
    ({ style }) => ({
      messages: [
        { role: "user", content: { type: "text", text: `Summarise these notes (${style}):\n${all() || "(no notes)"}` } }
      ]
    })
  )
}

const registerInteraction = (server: McpServer) => {
  server.registerTool(
    "countdown",
    {
      description: "Counts down, reporting progress and a log line for each step",
      inputSchema: z.object({
        from: z.int().min(1).max(100).default(3),
        stepMs: z.int().min(0).max(10_000).default(200)
      })
    },
    async ({ from, stepMs }, { mcpReq }) => {
      const progressToken = mcpReq._meta?.progressToken
      for (let done = 1; done <= from; done++) {
        // Rejects when the client cancels, and with it the whole call.
        await pause(stepMs, undefined, { signal: mcpReq.signal })
        if (progressToken !== undefined) {
          const params = { progressToken, progress: done, total: from, message: `${from - done} to go` }
          await mcpReq.notify({ method: "notifications/progress", params })
        }
        await mcpReq.log("info", `${from - done} to go`, "countdown")
      }
      return text("Lift-off")
    }
  )
  server.registerTool(
    "ask",
    { description: "Asks you a question and repeats the answer", inputSchema: z.object({ question: z.string() }) },
    async ({ question }, { mcpReq }) => {
      const reply = z.object({ answer: z.string() })
      const accepted = acceptedContent(mcpReq.inputResponses, "reply", reply)
      if (accepted !== undefined) return text(`You said: ${accepted.answer}`)
      if (mcpReq.inputResponses?.["reply"] !== undefined) return text("You gave no answer")
      return inputRequired({
        inputRequests: { reply: inputRequired.elicit({ message: question, requestedSchema: reply }) }
      })
    }
  )
}
