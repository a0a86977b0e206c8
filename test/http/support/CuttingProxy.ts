/** A network between client and hub that breaks on demand: connections go through until they are cut. */
import { Effect } from "effect"
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net"

export interface CuttingProxy {
  readonly origin: string
  /** The hub's address as it is reached through here. */
  readonly url: string
  /** Tears down every connection that stands. */
  readonly cut: Effect.Effect<void>
  /** The next connection is torn down when so many bytes have come back on it. */
  readonly cutNextAfter: (bytes: number) => void
  /** Connections that wait here before they reach the hub, until `restore`. */
  readonly hold: () => void
  readonly restore: () => void
}

export const make = Effect.fnUntraced(function* (hubUrl: string) {
  const target = new URL(hubUrl)
  const sockets = new Set<Socket>()
  const limits: Array<number> = []
  let held: Array<() => void> | undefined

  const join = (client: Socket, limit: number): void => {
    const hub = connect(Number(target.port), target.hostname)
    const both = [client, hub]
    const tear = (): void => both.forEach((socket) => socket.destroy())
    for (const socket of both) {
      sockets.add(socket)
      socket.on("error", tear)
      socket.on("close", () => {
        sockets.delete(socket)
        tear()
      })
    }
    let left = limit
    client.on("data", (chunk) => void hub.write(chunk))
    hub.on("data", (chunk) => {
      client.write(chunk.subarray(0, left))
      left -= chunk.length
      // Ended and not reset, so that what has come through is also read.
      if (left <= 0) {
        client.end()
        hub.destroy()
      }
    })
  }

  const server = yield* Effect.acquireRelease(
    Effect.callback<Server>((resume) => {
      const listening = createServer((client) => {
        const limit = limits.shift() ?? Infinity
        if (held === undefined) return join(client, limit)
        client.on("error", () => undefined)
        held.push(() => join(client, limit))
      })
      listening.listen(0, "127.0.0.1", () => resume(Effect.succeed(listening)))
    }),
    (listening) =>
      Effect.callback<void>((resume) => {
        listening.close(() => resume(Effect.void))
        for (const socket of sockets) socket.destroy()
      })
  )
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`

  return {
    origin,
    url: `${origin}${target.pathname}`,
    cut: Effect.sync(() => {
      for (const socket of sockets) socket.destroy()
    }),
    cutNextAfter: (bytes) => void limits.push(bytes),
    hold: () => {
      held ??= []
    },
    restore: () => {
      const waiting = held ?? []
      held = undefined
      for (const run of waiting) run()
    }
  } satisfies CuttingProxy
})
