/** A child process that the spawner has started, as whoever asked for it sees it. */
import { EventEmitter } from "node:events"
import type { Socket } from "node:net"
import type { Guard } from "../../../domain/Guard.ts"
import type { RunningChild } from "./ChildCommand.ts"

export class SpawnedChild extends EventEmitter implements RunningChild {
  pid: number | undefined
  exitCode: number | null = null
  signalCode: string | null = null
  private readonly guard: Guard
  private readonly streams: Array<Socket> = []
  private open = 2
  /** It can have ended before its streams are here. */
  private end: { readonly code: number | null; readonly signal: string | null } | undefined
  private state: "starting" | "running" | "ended" = "starting"

  constructor(guard: Guard) {
    super()
    this.guard = guard
  }

  get stdin(): Socket {
    return this.streams[0]!
  }

  get stdout(): Socket {
    return this.streams[1]!
  }

  get stderr(): Socket {
    return this.streams[2]!
  }

  get isStarting(): boolean {
    return this.state === "starting"
  }

  /** A stream comes once. */
  connected(place: number, socket: Socket): void {
    if (this.state !== "starting" || this.streams[place] !== undefined) return void socket.destroy()
    this.streams[place] = socket
    this.started()
  }

  spawned(pid: number): void {
    this.pid = pid
    this.started()
  }

  failed(code: string): void {
    if (this.state !== "starting") return
    this.state = "ended"
    for (const socket of this.streams) socket?.destroy()
    this.emit("error", Object.assign(new Error("The process could not be started"), { code }))
  }

  exited(code: number | null, signal: string | null): void {
    this.end ??= { code, signal }
    if (this.state === "running") this.finish()
  }

  private started(): void {
    const { guard, stderr, stdin, stdout } = this
    if (this.state !== "starting" || this.pid === undefined) return
    if (stdin === undefined || stdout === undefined || stderr === undefined) return
    this.state = "running"
    for (const output of [stdout, stderr]) {
      guard.once(output, "end", () => output.destroy())
      guard.once(output, "close", () => {
        this.open--
        this.close()
      })
    }
    this.emit("spawn")
    if (this.end !== undefined) this.finish()
  }

  private finish(): void {
    this.state = "ended"
    this.exitCode = this.end!.code
    this.signalCode = this.end!.signal
    this.emit("exit", this.exitCode, this.signalCode)
    this.close()
  }

  /** All that it wrote has been read. */
  private close(): void {
    if (this.state === "ended" && this.open === 0) this.emit("close", this.exitCode, this.signalCode)
  }
}
