/**
 * The Unix socket at which streams of children arrive, in a folder that only the hub's own user can enter. A stream says
 * in its first bytes whose it is; one that does not, or names nobody who is waited for, is closed: children of the hub run
 * as the same user.
 */
import { Effect, type Scope } from "effect"
import { chmodSync, mkdtempSync, rmSync } from "node:fs"
import { createServer, type Server, type Socket } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type Fork, Guard } from "../../../domain/Guard.ts"
import { streamHeadBytes } from "./SpawnerMessages.ts"

/** Milliseconds for the first bytes, which are written as soon as a stream is open. */
const headMs = 5_000

export interface Arrival {
  readonly id: string
  readonly place: number
  readonly socket: Socket
}

export interface StreamSocket {
  readonly address: string
}

/** Fails where no socket can be made there. */
export const listen = (
  fork: Fork,
  arrived: (arrival: Arrival) => void
): Effect.Effect<StreamSocket, unknown, Scope.Scope> =>
  Effect.gen(function* () {
    const folder = yield* Effect.acquireRelease(
      Effect.try(() => mkdtempSync(join(tmpdir(), "mcphub-streams-"))),
      (folder) => Effect.ignore(Effect.try(() => rmSync(folder, { recursive: true, force: true })))
    )
    yield* Effect.try(() => chmodSync(folder, 0o700))
    const address = join(folder, "s")
    yield* Effect.acquireRelease(serve(address, fork, arrived), (server) => Effect.sync(() => void server.close()))
    return { address }
  })

const serve = (address: string, fork: Fork, arrived: (arrival: Arrival) => void) =>
  Effect.callback<Server, Error>((resume) => {
    // A child may close its stdin, or read what is there after its output has ended.
    const server = createServer({ allowHalfOpen: true })
    const guard = new Guard(fork, { breakOff: () => void server.close() })
    guard.on(server, "connection", (socket: Socket) => welcome(socket, fork, arrived))
    guard.on(server, "error", (error: Error) => resume(Effect.fail(error)))
    guard.once(server, "listening", () => resume(Effect.succeed(server.unref())))
    server.listen(address)
  })

const welcome = (socket: Socket, fork: Fork, arrived: (arrival: Arrival) => void): void => {
  const guard = new Guard(fork, { breakOff: () => void socket.destroy() })
  let isKnown = false
  const take = (): void => {
    const head: Buffer | null = socket.read(streamHeadBytes)
    if (head === null) return guard.once(socket, "readable", take)
    isKnown = true
    const text = head.toString("latin1")
    arrived({ id: text.slice(0, -1), place: Number(text.at(-1)), socket })
  }
  const giveUp = (): void => {
    if (!isKnown) socket.destroy()
  }
  socket.on("error", () => {})
  guard.once(socket, "readable", take)
  guard.once(socket, "end", giveUp)
  guard.after(headMs, giveUp)
}
