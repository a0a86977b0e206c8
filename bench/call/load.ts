/**
 * The other end of the measured hub, in a process of its own: a server that answers `tools/call` with 200 bytes, and a
 * client with one kept-alive connection that makes as many calls as it is told to, one after another, and checks every
 * answer.
 */
import { Agent, createServer, request, type IncomingMessage } from "node:http"
import type { AddressInfo } from "node:net"
import process from "node:process"

interface Order {
  readonly url: string
  readonly key: string
  readonly session?: string
  readonly messages: ReadonlyArray<object>
  readonly times: number
}

const textOf = async (incoming: IncomingMessage): Promise<string> => {
  const chunks: Array<Buffer> = []
  for await (const chunk of incoming) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString()
}

const padding = "x".repeat(200)

interface Request {
  readonly id?: number
  readonly method: string
  readonly params?: { readonly protocolVersion?: string; readonly arguments?: object }
}

interface Answer {
  readonly id?: number
  readonly result?: unknown
}

const answerTo = ({ method, params }: Request): object => {
  switch (method) {
    case "initialize":
      return {
        protocolVersion: params?.protocolVersion,
        capabilities: { tools: {} },
        serverInfo: { name: "bench", version: "1" }
      }
    case "tools/list":
      return { tools: [{ name: "echo", inputSchema: { type: "object" } }] }
    default:
      return { content: [{ type: "text", text: padding }], structuredContent: params?.arguments ?? {} }
  }
}

const server = createServer(async (incoming, outgoing) => {
  if (incoming.method !== "POST") return void outgoing.writeHead(incoming.method === "GET" ? 405 : 204).end()
  const message = JSON.parse(await textOf(incoming)) as Request
  if (message.id === undefined) return void outgoing.writeHead(202).end()
  const body = JSON.stringify({ jsonrpc: "2.0", id: message.id, result: answerTo(message) })
  outgoing.writeHead(200, {
    "content-type": "application/json",
    "content-length": Buffer.byteLength(body),
    "mcp-session-id": "one"
  })
  outgoing.end(body)
})

const agent = new Agent({ keepAlive: true, maxSockets: 1 })

const send = (
  { key, session, url }: Order,
  message: object
): Promise<{ readonly session: string; readonly answer: Answer | undefined }> =>
  new Promise((resolve, reject) => {
    const body = JSON.stringify(message)
    const headers = {
      authorization: `Bearer ${key}`,
      accept: "application/json, text/event-stream",
      "content-type": "application/json",
      "content-length": Buffer.byteLength(body),
      "mcp-protocol-version": "2025-11-25",
      ...(session === undefined ? {} : { "mcp-session-id": session })
    }
    const outgoing = request(url, { method: "POST", agent, headers }, async (incoming) => {
      const text = await textOf(incoming)
      if (incoming.statusCode! >= 300) return reject(new Error(`${incoming.statusCode} ${text}`))
      resolve({
        session: String(incoming.headers["mcp-session-id"]),
        answer: text === "" ? undefined : (JSON.parse(text) as Answer)
      })
    })
    outgoing.on("error", reject)
    outgoing.end(body)
  })

const carryOut = async (order: Order): Promise<string> => {
  let session = ""
  for (let n = 0; n < order.times; n++) {
    for (const message of order.messages) {
      const sent = await send(order, message)
      session = sent.session
      if ("id" in message && (sent.answer?.id !== message.id || sent.answer?.result === undefined)) {
        throw new Error(`Not an answer to ${JSON.stringify(message)}: ${JSON.stringify(sent.answer)}`)
      }
    }
  }
  return session
}

process.on("message", (order: Order) => {
  carryOut(order).then(
    (session) => process.send!({ session }),
    (error) => process.send!({ error: String(error) })
  )
})
process.on("disconnect", () => process.exit())
server.listen(0, "127.0.0.1", () => process.send!({ port: (server.address() as AddressInfo).port }))
