/**
 * A proxy that opens tunnels (CONNECT) as a company's does, on 127.0.0.1: to where its routes lead a name, with a login
 * where it wants one. It keeps what it was asked, and every byte that passed from the client's side.
 */
import { Effect, type Scope } from "effect"
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net"

export interface ConnectProxyOptions {
  /** By host and port as asked for: the port here that it stands for, or "silent". Anything else is refused with 403. */
  readonly routes: Readonly<Record<string, number | "silent">>
  /** `user:password`; without it the proxy answers 407. */
  readonly login?: string | undefined
}

export interface Tunnel {
  readonly authority: string
  readonly headers: string
  /** What the client sent through it. */
  readonly passed: () => string
}

export interface ConnectProxy {
  readonly port: number
  readonly asked: ReadonlyArray<Tunnel>
  /** Sockets of either side that are open now. */
  readonly open: () => number
}

const begin = (
  socket: Socket,
  head: string,
  options: ConnectProxyOptions,
  asked: Array<Tunnel>,
  add: (s: Socket) => Socket
) => {
  const [, authority] = /^CONNECT (\S+) HTTP\/1\.1\r\n/.exec(head) ?? []
  let passed = ""
  asked.push({ authority: authority ?? "", headers: head, passed: () => passed })
  const [, login] = /^proxy-authorization: Basic (.*)$/im.exec(head) ?? []
  const wanted = options.login === undefined ? undefined : btoa(options.login)
  if (wanted !== undefined && login !== wanted) {
    return void socket.end("HTTP/1.1 407 Proxy Authentication Required\r\nproxy-authenticate: Basic\r\n\r\n")
  }
  const port = options.routes[authority ?? ""]
  if (port === "silent") return
  if (port === undefined) return void socket.end("HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n")
  const server = add(connect(port, "127.0.0.1"))
  server.once("connect", () => socket.write("HTTP/1.1 200 Connection established\r\n\r\n"))
  socket.on("data", (chunk: Buffer) => {
    passed += chunk.toString("latin1")
    server.write(chunk)
  })
  server.on("data", (chunk: Buffer) => void socket.write(chunk))
  server.once("close", () => socket.destroy())
  socket.once("close", () => server.destroy())
}

export const make = (options: ConnectProxyOptions): Effect.Effect<ConnectProxy, never, Scope.Scope> => {
  const asked: Array<Tunnel> = []
  const sockets = new Set<Socket>()
  const add = (socket: Socket): Socket => {
    sockets.add(socket)
    socket.on("error", () => undefined)
    socket.once("close", () => sockets.delete(socket))
    return socket
  }
  const listen = Effect.callback<Server>((resume) => {
    const server = createServer((socket) => {
      add(socket)
      let head = ""
      const read = (chunk: Buffer) => {
        head += chunk.toString("latin1")
        if (!head.includes("\r\n\r\n")) return
        socket.off("data", read)
        begin(socket, head, options, asked, add)
      }
      socket.on("data", read)
    })
    server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
  })
  const close = (server: Server) =>
    Effect.callback<void>((resume) => {
      server.close(() => resume(Effect.void))
      for (const socket of sockets) socket.destroy()
    })
  return Effect.map(Effect.acquireRelease(listen, close), (server) => ({
    port: (server.address() as AddressInfo).port,
    asked,
    open: () => sockets.size
  }))
}
