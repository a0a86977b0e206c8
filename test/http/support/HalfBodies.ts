/** Clients that begin the body of a request and do not end it. */
import { Effect } from "effect"
import type { Socket } from "node:net"
import { RudeClients } from "../../../src/testkit/index.ts"

/** The begin of a request whose body has N bytes more. */
export const begin = (headers: Readonly<Record<string, string>>, rest: number, body: string | Buffer = "{") => {
  const all = { host: "127.0.0.1", ...headers, "content-length": String(Buffer.byteLength(body) + rest) }
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`)
  return Buffer.concat([Buffer.from(`POST /mcp HTTP/1.1\r\n${lines.join("")}\r\n`), Buffer.from(body)])
}

export const open = (url: string, request: Buffer) =>
  Effect.tap(RudeClients.socketTo(new URL(url).origin), (socket) => Effect.sync(() => void socket.write(request)))

/** All that comes on a socket until the hub closes it. */
export const untilClosed = (socket: Socket): Effect.Effect<string> =>
  Effect.callback((resume) => {
    let text = ""
    socket.setEncoding("latin1").on("data", (chunk: string) => (text += chunk))
    socket.on("close", () => resume(Effect.succeed(text)))
  })
