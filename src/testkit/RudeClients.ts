/** Clients of the hub that behave as no library does: they never read, disconnect in the middle, or never pause. */
import { Effect, type Scope } from "effect"
import { connect, type Socket } from "node:net"
import { Pool } from "undici"

/** A socket to an origin, torn down with the scope. */
export const socketTo = (origin: string): Effect.Effect<Socket, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.callback<Socket>((resume) => {
      const { hostname, port } = new URL(origin)
      const socket = connect(Number(port), hostname)
      // Whichever side breaks the connection, the test looks at the other one.
      socket.on("error", () => {})
      socket.once("connect", () => resume(Effect.succeed(socket)))
      socket.once("close", () => resume(Effect.succeed(socket)))
    }),
    (socket) => Effect.sync(() => void socket.destroy())
  )

export interface RawMessage {
  readonly method: string
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body?: string | undefined
}

/** Writes a request to the socket and reads nothing. */
export const write = (socket: Socket, { body = "", headers, method, path }: RawMessage): Effect.Effect<void> =>
  Effect.callback((resume) => {
    const all = { host: "127.0.0.1", ...headers, "content-length": String(Buffer.byteLength(body)) }
    const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`)
    socket.write(`${method} ${path} HTTP/1.1\r\n${lines.join("")}\r\n${body}`, () => resume(Effect.void))
  })

/** A client that sends a request and never reads: the window of its socket closes. */
export const neverReads = Effect.fnUntraced(function* (origin: string, message: RawMessage) {
  const socket = yield* socketTo(origin)
  socket.pause()
  yield* write(socket, message)
  return socket
})

/** The status line of the first answer on a socket, "" when the socket closes without one. */
export const statusLine = (socket: Socket): Effect.Effect<string> =>
  Effect.callback((resume) => {
    let text = ""
    const take = (chunk: Buffer): void => {
      text += chunk.toString("latin1")
      if (text.includes("\r\n\r\n")) done()
    }
    const done = (): void => {
      leave()
      resume(Effect.succeed(text))
    }
    const leave = (): void => void socket.off("data", take).off("close", done)
    socket.on("data", take).once("close", done)
    socket.resume()
    return Effect.sync(leave)
  })

/**
 * Sends the same request again and again until interrupted, `atATime` in flight, each as soon as the one before it was answered
 * or rejected. It keeps nothing of the answers.
 */
export const floods = Effect.fnUntraced(function* (
  origin: string,
  { body = null, headers, method, path }: Omit<RawMessage, "body"> & { readonly body?: string | null },
  atATime: number
) {
  const pool = yield* Effect.acquireRelease(
    Effect.sync(() => new Pool(origin, { headersTimeout: 0, bodyTimeout: 0 })),
    (sockets) => Effect.promise(() => sockets.destroy())
  )
  const once = Effect.callback<void>((resume) => {
    const done = (): void => resume(Effect.void)
    pool.request({ method: method as "POST", path, headers, body }).then((answer) => {
      answer.body
        .once("close", done)
        .on("error", () => {})
        .resume()
    }, done)
  })
  return yield* Effect.andThen(
    Effect.all(
      Array.from({ length: atATime }, () => Effect.forever(once)),
      { concurrency: "unbounded", discard: true }
    ),
    Effect.never
  )
}, Effect.scoped)
