/** One kept-alive connection of the load client, one request at a time. */
import { connect, type Socket } from "node:net"
import { BodyReader, type Headers, noBytes, takeHead } from "./Framing.ts"

export interface Reply {
  readonly status: number
  readonly headers: Headers
  readonly body: string
}

export interface Asked {
  /** Milliseconds; default 30 000. */
  readonly timeout?: number
  /** Gets the body piece by piece instead of the reply. */
  readonly onData?: (piece: Buffer) => void
}

export interface Address {
  readonly host: string
  readonly port: number
}

interface Waiting {
  readonly resolve: (reply: Reply) => void
  readonly reject: (error: Error) => void
  readonly onData: ((piece: Buffer) => void) | undefined
  readonly deadline: number
}

/** How late a timeout may be noticed: one timer a connection instead of one a request. */
const timeoutStepMs = 250

export class Connection {
  readonly #address: Address
  #socket: Socket | undefined
  #waiting: Waiting | undefined
  #buffer = noBytes
  #status = 0
  #headers: Headers = {}
  #body: BodyReader | undefined
  #timer: ReturnType<typeof setInterval> | undefined

  constructor(address: Address) {
    this.#address = address
  }

  /** `headers` are lines as they go over the wire, each with its end. */
  async request(method: string, path: string, headers: string, body = "", asked: Asked = {}): Promise<Reply> {
    const socket = this.#socket?.destroyed === false ? this.#socket : await this.#connect()
    return new Promise((resolve, reject) => {
      const deadline = performance.now() + (asked.timeout ?? 30_000)
      this.#waiting = { resolve, reject, onData: asked.onData, deadline }
      this.#body = undefined
      this.#buffer = noBytes
      this.#timer ??= setInterval(() => this.#checkDeadline(), timeoutStepMs).unref()
      const { host, port } = this.#address
      const length = method === "POST" ? `Content-Length: ${Buffer.byteLength(body)}\r\n` : ""
      socket.write(`${method} ${path} HTTP/1.1\r\nHost: ${host}:${port}\r\n${headers}${length}\r\n${body}`)
    })
  }

  close(): void {
    clearInterval(this.#timer)
    this.#timer = undefined
    const socket = this.#socket
    this.#socket = undefined
    socket?.destroy()
    this.#fail(new Error("the client closed the connection"))
  }

  #connect(): Promise<Socket> {
    return new Promise((resolve, reject) => {
      // A target has a path as well, which would be taken for that of a local socket.
      const { host, port } = this.#address
      const socket = connect({ host, port, noDelay: true }, () => {
        socket.off("error", reject)
        socket.on("error", () => {})
        resolve(socket)
      })
      socket.once("error", reject)
      socket.on("data", (data: Buffer) => {
        if (this.#socket === socket && this.#waiting !== undefined) this.#take(data, this.#waiting)
      })
      socket.on("close", () => {
        if (this.#socket !== socket) return
        this.#socket = undefined
        if (this.#body?.mode === "untilEnd") this.#finish()
        else this.#fail(new Error("connection closed"))
      })
      this.#socket = socket
    })
  }

  #checkDeadline(): void {
    if (this.#waiting === undefined || performance.now() < this.#waiting.deadline) return
    const socket = this.#socket
    this.#socket = undefined
    this.#fail(new Error("timeout"))
    socket?.destroy()
  }

  #fail(error: Error): void {
    const waiting = this.#waiting
    this.#waiting = undefined
    waiting?.reject(error)
  }

  #finish(): void {
    const waiting = this.#waiting
    this.#waiting = undefined
    if (this.#headers["connection"]?.toLowerCase() === "close") {
      this.#socket?.destroy()
      this.#socket = undefined
    }
    waiting?.resolve({ status: this.#status, headers: this.#headers, body: this.#body!.text() })
  }

  #take(data: Buffer, waiting: Waiting): void {
    try {
      let piece = data
      while (this.#body === undefined) {
        this.#buffer = this.#buffer.length === 0 ? piece : Buffer.concat([this.#buffer, piece])
        const found = takeHead(this.#buffer)
        if (found === undefined) return
        piece = found.rest
        this.#buffer = noBytes
        this.#status = Number(found.head.first.slice(9, 12))
        if (this.#status === 100) continue
        this.#headers = found.head.headers
        const hasBody = this.#status !== 204 && this.#status !== 304
        this.#body = new BodyReader(this.#headers, hasBody, waiting.onData)
      }
      if (this.#body.feed(piece) !== undefined) this.#finish()
    } catch (error) {
      this.#fail(error as Error)
      this.#socket?.destroy()
    }
  }
}
