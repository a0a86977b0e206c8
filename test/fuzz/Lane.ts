/** A user who takes steps one after another, with sessions that are kept from step to step: they are a part of the state. */
import { Redacted } from "effect"
import type { Pool } from "undici"
import type { JsonObject } from "../../src/domain/protocol/JsonRpc.ts"
import { McpClient } from "../../src/testkit/index.ts"
import { type Answer, exchange, judge, type Request, type Witness } from "./Exchange.ts"

/** Somebody with a key. */
export interface Person {
  /** Letters, then digits. */
  readonly name: string
  readonly id: string
  readonly key: string
}

/** The address of the usual servers that cost no process. */
export const main = "/mcp/main"

export const capabilities: JsonObject = { elicitation: { form: {} }, sampling: {}, roots: {} }

export const personOf = (name: string, at: number): Person => ({
  name,
  id: `00000000-0000-4000-8000-${String(at).padStart(12, "0")}`,
  key: `mcphub_${String(at).padStart(64, "0")}`
})

export const headersOf = ({ key }: Person): Record<string, string> => McpClient.clientHeaders(Redacted.make(key))

type SessionHeaders = Readonly<Record<string, string>>

export class Lane {
  readonly person: Person
  private readonly pool: Pool
  private readonly witness: Witness
  private readonly sessions = new Map<string, SessionHeaders>()
  private posts: string | undefined

  constructor(pool: Pool, person: Person, witness: Witness) {
    this.pool = pool
    this.witness = witness
    this.person = person
  }

  exchange(request: Request): Promise<Answer | undefined> {
    return exchange(this.pool, this.person.name, this.witness, request)
  }

  /** The headers of a session at the path; undefined where none can be opened. */
  async session(path: string, protocolVersion = "2025-11-25"): Promise<SessionHeaders | undefined> {
    const key = `${path} ${protocolVersion}`
    const known = this.sessions.get(key)
    if (known !== undefined) return known
    const base = headersOf(this.person)
    const params = { protocolVersion, capabilities, clientInfo: { name: "fuzz", version: "1" } }
    const body = JSON.stringify({ jsonrpc: "2.0", id: "open", method: "initialize", params })
    const answer = await this.exchange({ path, headers: base, body })
    const id = answer?.headers["mcp-session-id"]
    if (typeof id !== "string") return undefined
    const headers = { ...base, "mcp-session-id": id, "mcp-protocol-version": protocolVersion }
    this.sessions.set(key, headers)
    return headers
  }

  /** Another one is opened the next time. */
  forget(path: string, protocolVersion = "2025-11-25"): void {
    this.sessions.delete(`${path} ${protocolVersion}`)
  }

  /** Where to POST over HTTP+SSE; its stream is read for as long as it stands. */
  async eventsPath(): Promise<string | undefined> {
    if (this.posts !== undefined) return this.posts
    const headers = { ...headersOf(this.person), accept: "text/event-stream" }
    const { body, statusCode } = await this.pool.request({ method: "GET", path: "/sse/main", headers })
    body.on("error", () => {}).on("close", () => (this.posts = undefined))
    if (statusCode !== 200) {
      body.destroy()
      return undefined
    }
    return new Promise((resolve) => {
      body.setEncoding("utf8").on("data", (chunk: string) => {
        const endpoint = /^data: ?(\/messages\S+)/m.exec(chunk)?.[1]
        if (endpoint !== undefined) resolve((this.posts = endpoint))
        try {
          judge(chunk, this.person.name)
        } catch (error) {
          this.heard = error
        }
      })
      body.once("close", () => resolve(undefined))
    })
  }

  /** What was wrong on a stream, which nobody reads step by step. */
  heard: unknown
}
