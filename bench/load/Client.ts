/** An MCP client as light as can be: one session of one user, on a connection that it may share with others. */
import type { Target, User } from "../targets/Target.ts"
import { stateless } from "../upstream/Tools.ts"
import type { Asked, Connection, Reply } from "../wire/Connection.ts"

const plain = "Content-Type: application/json\r\nAccept: application/json, text/event-stream\r\n"
const clientInfo = { name: "bench", version: "1" }

interface Answered {
  readonly result: Readonly<Record<string, unknown>>
  readonly headers: Reply["headers"]
  /** Notifications that came before the answer. */
  readonly notifications: number
}

export interface CallOptions extends Asked {
  readonly progress?: boolean
}

/** What one message of an answer may be. */
interface Received {
  readonly id?: unknown
  readonly method?: unknown
  readonly result?: Readonly<Record<string, unknown>>
  readonly error?: { readonly code: number; readonly message: string }
}

/** The messages of an answer, whichever of both shapes it has. */
const messages = ({ body, headers }: Reply): ReadonlyArray<Received> =>
  headers["content-type"]?.startsWith("text/event-stream") === true
    ? body
        .split("\n")
        .filter((line) => line.startsWith("data:") && line.length > "data: ".length)
        .map((line) => JSON.parse(line.slice("data:".length)) as Received)
    : [JSON.parse(body) as Received]

export class Client {
  readonly user: User
  /** Which of all clients this is: part of what it sends, so that a swapped answer is known. */
  readonly index: number
  /** Calls of the tool `counter` so far. */
  counted = 0
  readonly #target: Target
  readonly #connection: Connection
  readonly #isStateless: boolean
  #headers: string
  #session: string | undefined
  #lastId = 0

  private constructor(target: Target, connection: Connection, user: User, index: number, isStateless: boolean) {
    this.#target = target
    this.#connection = connection
    this.user = user
    this.index = index
    this.#isStateless = isStateless
    const version = isStateless ? `MCP-Protocol-Version: ${stateless}\r\n` : ""
    this.#headers = `${plain}Authorization: Bearer ${user.key}\r\n${version}`
  }

  /** Opens a session; a stateless client needs none. */
  static async open(
    target: Target,
    connection: Connection,
    user: User,
    index: number,
    isStateless = false
  ): Promise<Client> {
    const client = new Client(target, connection, user, index, isStateless)
    if (!isStateless) await client.#initialize()
    return client
  }

  async #initialize(): Promise<void> {
    const protocolVersion = "2025-06-18"
    const { headers } = await this.request("initialize", { protocolVersion, capabilities: {}, clientInfo })
    this.#session = headers["mcp-session-id"]
    this.#headers += `MCP-Protocol-Version: ${protocolVersion}\r\n`
    if (this.#session !== undefined) this.#headers += `Mcp-Session-Id: ${this.#session}\r\n`
    const { status } = await this.#post(`{"jsonrpc":"2.0","method":"notifications/initialized"}`, this.#headers)
    if (status >= 300) throw new Error(`initialized: HTTP ${status}`)
  }

  async request(method: string, params: Readonly<Record<string, unknown>>, asked?: Asked): Promise<Answered> {
    const id = ++this.#lastId
    let headers = this.#headers
    let sent = params
    if (this.#isStateless) {
      headers += `Mcp-Method: ${method}\r\n`
      if (typeof params["name"] === "string") headers += `Mcp-Name: ${params["name"]}\r\n`
      const meta = {
        "io.modelcontextprotocol/protocolVersion": stateless,
        "io.modelcontextprotocol/clientInfo": clientInfo,
        "io.modelcontextprotocol/clientCapabilities": {}
      }
      sent = { ...params, _meta: { ...(params["_meta"] as object | undefined), ...meta } }
    }
    const body = `{"jsonrpc":"2.0","id":${id},"method":"${method}","params":${JSON.stringify(sent)}}`
    const reply = await this.#post(body, headers, asked)
    if (reply.status !== 200) throw new Error(`HTTP ${reply.status} ${reply.body.slice(0, 160)}`)
    const received = messages(reply)
    const answer = received.find((message) => message.method === undefined)
    if (answer === undefined) throw new Error("a stream without an answer")
    if (answer.id !== id) throw new Error("an answer with another id")
    if (answer.error !== undefined) throw new Error(`${answer.error.code} ${answer.error.message}`)
    return { result: answer.result ?? {}, headers: reply.headers, notifications: received.length - 1 }
  }

  /** The text of a tool's result. */
  async call(name: string, given: Readonly<Record<string, unknown>>, options: CallOptions = {}) {
    const meta = options.progress === true ? { _meta: { progressToken: `p${this.#lastId}` } } : {}
    const params = { name: this.#target.tool(name), arguments: given, ...meta }
    const { notifications, result } = await this.request("tools/call", params, options)
    const content = result["content"] as ReadonlyArray<{ readonly text?: string }> | undefined
    if (result["isError"] === true) throw new Error(`isError ${JSON.stringify(content).slice(0, 160)}`)
    return { text: content?.[0]?.text ?? "", notifications }
  }

  async close(): Promise<void> {
    if (this.#session !== undefined) await this.#connection.request("DELETE", this.#target.path, this.#headers)
  }

  #post(body: string, headers: string, asked?: Asked): Promise<Reply> {
    return this.#connection.request("POST", this.#target.path, headers, body, asked)
  }
}
