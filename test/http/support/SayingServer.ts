/**
 * A server over stdio, as a program of its own, that says what it is told to: `say { line }` writes the line with `$ID`
 * as the call's id, `$TOKEN` as its progress token, and nothing else, `say { base64 }` these bytes and then an answer (with `asks`, once a question in them
 * has been answered, or soon), `hold` waits for the next `release` while `beat` sends progress of the
 * first of those that wait, and a log message after it, `who` tells whose call it is. It speaks both eras.
 */
import process from "node:process"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import { runtimeCommand } from "../../../src/cli/sample/RuntimeCommand.ts"
import type { ServerConfig } from "../../../src/domain/servers/ServerConfig.ts"

export const config = (more: Partial<ServerConfig> = {}): ServerConfig => ({
  type: "stdio",
  ...runtimeCommand(new URL("./SayingServer.ts", import.meta.url)),
  ...more
})

/** The bytes with `$ID` as this id. */
export const withId = (bytes: Uint8Array, id: unknown): Buffer =>
  Buffer.from(
    Buffer.from(bytes)
      .toString("latin1")
      .replaceAll("$ID", JSON.stringify(id ?? null)),
    "latin1"
  )

interface Arguments {
  readonly asks?: boolean
  readonly base64?: string
  readonly line?: unknown
}

/** Progress under this token, and a log message of the same call. */
export const beatOf = (progressToken: unknown) => [
  { jsonrpc: "2.0", method: "notifications/progress", params: { progressToken, progress: 1 } },
  { jsonrpc: "2.0", method: "notifications/message", params: { level: "info", data: "beat", _meta: { progressToken } } }
]

/** Milliseconds after which an unanswered question holds up nothing. */
const questionMs = 200

const write = (text: string) => void process.stdout.write(`${text}\n`)

const serve = (): void => {
  const held: Array<{ readonly id: unknown; readonly token: unknown }> = []
  /** A release that came before what it was for. */
  let isReleased = false
  const capabilities = { tools: {} }
  const answer = (id: unknown, result: object) =>
    write(JSON.stringify({ jsonrpc: "2.0", id, result: { resultType: "complete", ...result } }))
  const content = (id: unknown, said: object) => answer(id, { content: [], structuredContent: said })

  /** What waits for the answer to a question. */
  let answered = () => {}

  const call = (id: unknown, name: unknown, token: unknown, { asks, base64, line }: Arguments): void => {
    if (base64 !== undefined) {
      process.stdout.write(Buffer.concat([withId(Buffer.from(base64, "base64"), id), Buffer.from("\n")]))
      if (asks !== true) return content(id, { name: "after" })
      answered = () => {
        clearTimeout(timer)
        answered = () => {}
        content(id, { name: "after" })
      }
      const timer = setTimeout(answered, questionMs)
      return
    }
    if (name === "say") {
      const text = String(line).replaceAll("$ID", JSON.stringify(id))
      return write(text.replaceAll("$TOKEN", JSON.stringify(token ?? null)))
    }
    if (name === "hold" && !isReleased) return void held.push({ id, token })
    if (name === "hold") {
      isReleased = false
      return content(id, { released: true })
    }
    if (name === "release") {
      isReleased = held.length === 0
      for (const one of held.splice(0)) content(one.id, { released: true })
    }
    if (name === "beat") for (const message of beatOf(held[0]?.token)) write(JSON.stringify(message))
    content(id, { name })
  }

  createInterface({ input: process.stdin })
    .on("line", (line) => {
      const { id, method, params } = JSON.parse(line)
      if (method === "initialize") {
        answer(id, { protocolVersion: params.protocolVersion, capabilities, serverInfo: { name: "saying" } })
      } else if (method === "server/discover") answer(id, { supportedVersions: ["2026-07-28"], capabilities })
      else if (method === "tools/list") {
        const tools = ["say", "hold", "release", "who", "beat"].map((name) => ({
          name,
          inputSchema: { type: "object" }
        }))
        answer(id, { tools })
      } else if (method === "tools/call") {
        call(id, params.name, params._meta?.progressToken, params.arguments ?? {})
      } else if (method === undefined) answered()
      else if (id !== undefined)
        write(JSON.stringify({ jsonrpc: "2.0", id, error: { code: -32601, message: "Unknown" } }))
    })
    .on("close", () => process.exit(0))
}

if (process.argv[1] === fileURLToPath(import.meta.url)) serve()
