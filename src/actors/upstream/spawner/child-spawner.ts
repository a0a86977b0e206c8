/**
 * The program of the spawner: starts child processes for the hub, whose streams are sockets between the child and the hub,
 * so that nothing of what they say passes here. It ends with the channel to the hub; signals to the hub's group or service
 * are not its own.
 */
import { spawn } from "node:child_process"
import { Socket } from "node:net"
import { constants, getPriority, setPriority } from "node:os"
import process from "node:process"
import { type FromSpawner, type StartChild, streamHead } from "./SpawnerMessages.ts"

const tell = (message: FromSpawner): void => {
  // Without a hub there is nobody to tell.
  if (process.connected) process.send!(message, undefined, undefined, () => {})
}

const stream = ({ address, id }: StartChild, place: number): Promise<Socket> =>
  new Promise((resolve, reject) => {
    const socket = new Socket({ allowHalfOpen: true })
    // What arrives is the child's.
    socket.pause()
    socket.on("error", reject)
    socket.connect(address, () => socket.write(streamHead(id, place), () => resolve(socket)))
  })

const start = async (order: StartChild): Promise<void> => {
  const { args, command, cwd, env, id } = order
  const fail = (cause: unknown) =>
    tell({ id, error: String((cause as NodeJS.ErrnoException | undefined)?.code ?? "unknown") })
  const streams: Array<Socket> = []
  try {
    for (const place of [0, 1, 2]) streams.push(await stream(order, place))
    const child = spawn(command, args, { cwd, env, detached: true, stdio: [streams[0]!, streams[1]!, streams[2]!] })
    child.once("error", fail)
    child.once("spawn", () => tell({ id, pid: child.pid! }))
    child.once("exit", (code, signal) => tell({ id, code, signal }))
  } catch (cause) {
    fail(cause)
  } finally {
    // The child has its own, or there is none.
    for (const socket of streams) socket.destroy()
  }
}

/** Where processors are short the hub comes first: it serves everybody, and each child one user. */
const behindHub = 5

setPriority(Math.min(constants.priority.PRIORITY_LOW, getPriority() + behindHub))
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => {})
process.on("disconnect", () => process.exit())
process.on("message", (order: StartChild) => void start(order))
