/** One HTTP request in the hands of a `Script`: its content, and every way of answering it, right or wrong. */
import type { ServerResponse } from "node:http"
import type { JsonObject, JsonRpcId } from "../domain/protocol/JsonRpc.ts"
import type { Received, ScriptedSession } from "./ScriptedMessages.ts"

export class ScriptedCall {
  readonly received: Received
  /** Node's response, for everything that the methods below do not offer. */
  readonly response: ServerResponse
  readonly session: ScriptedSession | undefined
  private readonly answers: "json" | "sse"

  constructor(
    received: Received,
    response: ServerResponse,
    session: ScriptedSession | undefined,
    answers: "json" | "sse"
  ) {
    this.received = received
    this.response = response
    this.session = session
    this.answers = answers
  }

  get id(): JsonRpcId | undefined {
    return this.received.body?.id
  }

  get params(): JsonObject {
    return this.received.body?.params ?? {}
  }

  get arguments(): JsonObject {
    return (this.params["arguments"] ?? {}) as JsonObject
  }

  /** The progress token as it arrived. */
  get progressToken(): unknown {
    return (this.params["_meta"] as JsonObject | undefined)?.["progressToken"]
  }

  /** Answers as the server usually does, on the event stream if that is already open. */
  result(value: unknown): void {
    this.answer({ jsonrpc: "2.0", id: this.id, result: value })
  }

  /** Answers with a tool result of one text, which is also its structured content. */
  content(value: JsonObject): void {
    this.result({ content: [{ type: "text", text: JSON.stringify(value) }], structuredContent: value })
  }

  error(code: number, message: string, data?: unknown): void {
    this.answer({ jsonrpc: "2.0", id: this.id, error: { code, message, ...(data === undefined ? {} : { data }) } })
  }

  /** Answers with any message as the whole body. */
  answer(message: object): void {
    if (this.answers === "sse" || this.response.headersSent) {
      this.event(message)
      this.end()
    } else this.body(200, "application/json", JSON.stringify(message))
  }

  open(): void {
    if (this.response.headersSent) return
    this.response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store" })
    this.response.flushHeaders()
  }

  /** Sends a message on the event stream. Opens the stream if necessary and leaves it open. */
  event(message: object, id?: string): void {
    this.open()
    this.raw(`${id === undefined ? "" : `id: ${id}\n`}data: ${JSON.stringify(message)}\n\n`)
  }

  /** Writes text to the response unchanged. */
  raw(text: string | Uint8Array): void {
    this.response.write(text)
  }

  end(): void {
    this.response.end()
  }

  /** Answers with a complete response. */
  body(status: number, contentType: string, text: string, headers: Readonly<Record<string, string>> = {}): void {
    this.response.writeHead(status, { "content-type": contentType, ...headers })
    this.response.end(text)
  }

  /** Answers without a body. */
  status(status: number, headers: Readonly<Record<string, string>> = {}): void {
    this.response.writeHead(status, headers)
    this.response.end()
  }

  /** Tears the socket down. */
  die(): void {
    this.response.socket?.destroy()
  }
}

/** The reaction to one request; may return before it has answered, or never answer. */
export type Script = (call: ScriptedCall) => void | Promise<void>
