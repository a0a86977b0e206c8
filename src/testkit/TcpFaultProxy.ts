/** A TCP proxy between the hub and a server such as PostgreSQL, whose connections a test cuts, stalls or slows down. */
import { Effect, type Scope } from "effect"
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net"
import { setTimeout } from "node:timers"

export interface TcpFaultProxy {
  readonly port: number
  /** Cuts every connection, and rejects new ones until `restore`. */
  readonly cut: Effect.Effect<void>
  /** Cuts every connection once and serves new ones. */
  readonly cutOnce: Effect.Effect<void>
  /** Keeps connections and accepts new ones, but passes nothing on, until `restore`. */
  readonly stall: Effect.Effect<void>
  /** Delays everything from the server by `ms` milliseconds, until `restore`. */
  readonly slow: (ms: number) => Effect.Effect<void>
  readonly restore: Effect.Effect<void>
  /** Connections open now, and accepted since the start. */
  readonly connections: () => { readonly open: number; readonly accepted: number }
}

interface Line {
  readonly client: Socket
  readonly server: Socket
}

/** A proxy in front of a port of 127.0.0.1; closed with the scope. */
export const make = Effect.fnUntraced(function* (target: number): Effect.fn.Return<TcpFaultProxy, never, Scope.Scope> {
  const lines = new Set<Line>()
  let accepted = 0
  let isCut = false
  let isStalled = false
  let delayMs = 0

  const end = (line: Line): void => {
    lines.delete(line)
    line.client.destroy()
    line.server.destroy()
  }

  const accept = (client: Socket): void => {
    accepted++
    if (isCut) return void client.destroy()
    const line: Line = { client, server: connect(target, "127.0.0.1") }
    lines.add(line)
    for (const socket of [line.client, line.server]) {
      socket.on("error", () => end(line))
      socket.once("close", () => end(line))
      if (isStalled) socket.pause()
    }
    line.client.on("data", (chunk) => void line.server.write(chunk))
    line.server.on("data", (chunk) => {
      if (delayMs === 0) return void line.client.write(chunk)
      setTimeout(() => line.client.destroyed || line.client.write(chunk), delayMs)
    })
    if (isStalled) hold(line)
  }

  const hold = (line: Line): void => {
    line.client.pause()
    line.server.pause()
  }

  const server = yield* Effect.acquireRelease(
    Effect.callback<Server>((resume) => {
      const listening = createServer(accept)
      listening.listen(0, "127.0.0.1", () => resume(Effect.succeed(listening)))
    }),
    (listening) =>
      Effect.callback<void>((resume) => {
        listening.close(() => resume(Effect.void))
        for (const line of lines) end(line)
      })
  )

  const cutOnce = Effect.sync(() => {
    for (const line of lines) end(line)
  })

  return {
    port: (server.address() as AddressInfo).port,
    cutOnce,
    cut: Effect.andThen(
      Effect.sync(() => (isCut = true)),
      cutOnce
    ),
    stall: Effect.sync(() => {
      isStalled = true
      for (const line of lines) hold(line)
    }),
    slow: (ms) => Effect.sync(() => void (delayMs = ms)),
    restore: Effect.sync(() => {
      isCut = false
      isStalled = false
      delayMs = 0
      for (const line of lines) {
        line.client.resume()
        line.server.resume()
      }
    }),
    connections: () => ({ open: lines.size, accepted })
  }
})

/** The same database through a proxy. */
export const through = (url: string, proxy: TcpFaultProxy): string => {
  const address = new URL(url)
  address.hostname = "127.0.0.1"
  address.port = String(proxy.port)
  return address.href
}
