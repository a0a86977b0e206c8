/** An HTTP/1.1 server that answers the requests of a connection in order, each with one write where it can. */
import { createServer, type Server, type Socket } from "node:net"
import { BodyReader, type Head, type Headers, noBytes, takeHead } from "./Framing.ts"

export interface Request {
  readonly method: string
  readonly path: string
  readonly headers: Headers
  readonly headBytes: number
  readonly body: string
}

const reasons: Readonly<Record<number, string>> = {
  200: "OK",
  202: "Accepted",
  400: "Bad Request",
  404: "Not Found",
  405: "Method Not Allowed"
}

const chunk = (text: string): string => `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`

/** `headers` are lines as they go over the wire, each with its end. */
export class Response {
  /** Called when the client goes before the answer is complete. */
  onGone: (() => void) | undefined
  readonly #socket: Socket
  readonly #next: () => void
  #head = ""
  #isOver = false

  constructor(socket: Socket, next: () => void) {
    this.#socket = socket
    this.#next = next
  }

  send(status: number, headers: string, body = ""): void {
    if (this.#isOver) return
    this.#isOver = true
    const length = Buffer.byteLength(body)
    this.#socket.write(
      `HTTP/1.1 ${status} ${reasons[status] ?? "Other"}\r\n${headers}Content-Length: ${length}\r\n\r\n${body}`
    )
    this.#next()
  }

  /** Begins an event stream; its head leaves with the first piece. */
  stream(headers: string): void {
    this.#head = `HTTP/1.1 200 OK\r\n${headers}Transfer-Encoding: chunked\r\n\r\n`
  }

  write(text: string): void {
    if (!this.#isOver) this.#socket.write(this.#takeHead() + chunk(text))
  }

  end(text: string): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#socket.write(`${this.#takeHead()}${chunk(text)}0\r\n\r\n`)
    this.#next()
  }

  /** The connection has closed. */
  gone(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.onGone?.()
  }

  #takeHead(): string {
    const head = this.#head
    this.#head = ""
    return head
  }
}

export type Handler = (request: Request, response: Response) => void

const serve = (socket: Socket, handler: Handler): void => {
  let buffer = noBytes
  let head: Head | undefined
  let body: BodyReader | undefined
  let response: Response | undefined
  let isBusy = false
  let isRunning = false

  const pump = (): void => {
    if (isRunning) return
    isRunning = true
    while (!isBusy) {
      if (head === undefined || body === undefined) {
        const found = takeHead(buffer)
        if (found === undefined) break
        head = found.head
        buffer = found.rest
        body = new BodyReader(head.headers, false)
      }
      const rest = body.feed(buffer)
      if (rest === undefined) {
        buffer = noBytes
        break
      }
      buffer = rest
      const [method = "", path = ""] = head.first.split(" ")
      const request = { method, path, headers: head.headers, headBytes: head.bytes, body: body.text() }
      head = body = undefined
      isBusy = true
      response = new Response(socket, () => {
        isBusy = false
        if (request.headers["connection"]?.toLowerCase() === "close") socket.end()
        else pump()
      })
      handler(request, response)
    }
    isRunning = false
  }

  socket.on("data", (data: Buffer) => {
    buffer = buffer.length === 0 ? data : Buffer.concat([buffer, data])
    try {
      pump()
    } catch {
      socket.destroy()
    }
  })
  socket.on("close", () => response?.gone())
  socket.on("error", () => {})
}

/** Port 0 takes a free one. */
export const listen = (port: number, handler: Handler): Promise<{ readonly port: number; readonly server: Server }> =>
  new Promise((resolve, reject) => {
    const server = createServer({ noDelay: true }, (socket) => serve(socket, handler))
    server.once("error", reject)
    server.listen({ port, host: "127.0.0.1", backlog: 4096 }, () => {
      const address = server.address()
      resolve({ port: typeof address === "object" && address !== null ? address.port : port, server })
    })
  })
