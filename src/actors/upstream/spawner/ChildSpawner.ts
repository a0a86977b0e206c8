/**
 * Starts child processes by a process of their own, the spawner, so that a start stops nobody.
 *
 * A process is started by copying the one that asks (fork(2)). For a hub of 300 MiB this takes 15 ms, in which its one
 * thread serves no user, and as many again as other threads touch their memory; for a process of 50 MiB it takes one. So
 * the hub asks the spawner, which is started with the first child and again should it have ended. The streams of a child
 * are sockets between it and the hub; its end comes by the spawner, whose child it is.
 *
 * On Deno, whose processes take no sockets as streams, on Windows, and where no socket can be made in the folder for
 * temporary files, the hub starts its children itself.
 */
import { type Context, Effect, type Scope } from "effect"
import { type ChildProcess, spawn } from "node:child_process"
import { randomUUID } from "node:crypto"
import process from "node:process"
import { fileURLToPath } from "node:url"
import { type Fork, Guard } from "../../../domain/Guard.ts"
import { type Spawn, signalGroup, spawnHere } from "./ChildCommand.ts"
import { SpawnedChild } from "./SpawnedChild.ts"
import type { FromSpawner, StartChild } from "./SpawnerMessages.ts"
import * as StreamSocket from "./StreamSocket.ts"

/** Milliseconds until a spawner that says nothing is ended. A start takes a few; an overloaded machine may take seconds. */
const patienceMs = 10_000

const canSpawn = process.versions["deno"] === undefined && process.platform !== "win32"

const program = fileURLToPath(
  new URL(`./child-spawner.${import.meta.url.endsWith(".ts") ? "ts" : "js"}`, import.meta.url)
)

/** Small: what it keeps is a list of children. */
const memory = ["--max-old-space-size=64", "--max-semi-space-size=1"]

/** For as long as the scope lives, which is longer than that of any child. */
export const make: Effect.Effect<Spawn, never, Scope.Scope> = Effect.contextWith((services: Context.Context<never>) => {
  if (!canSpawn) return Effect.succeed(spawnHere)
  const fork = Effect.runForkWith(services)
  return Effect.acquireRelease(
    Effect.sync(() => new Spawner(fork)),
    (spawner) => Effect.sync(() => spawner.close())
  ).pipe(
    Effect.tap((spawner) =>
      Effect.map(
        StreamSocket.listen(fork, (arrival) => spawner.arrived(arrival)),
        ({ address }) => spawner.listens(address)
      )
    ),
    Effect.map((spawner) => spawner.spawn),
    Effect.catch(() =>
      Effect.as(
        Effect.logWarning(
          "The hub starts its child processes itself, which stops it for some milliseconds each time: no socket can be made in TMPDIR"
        ),
        spawnHere
      )
    )
  )
})

class Spawner {
  private readonly fork: Fork
  private readonly children = new Map<string, SpawnedChild>()
  private running: ChildProcess | undefined
  private address = ""

  constructor(fork: Fork) {
    this.fork = fork
  }

  listens(address: string): void {
    this.address = address
  }

  arrived({ id, place, socket }: StreamSocket.Arrival): void {
    const child = this.children.get(id)
    if (child === undefined) socket.destroy()
    else child.connected(place, socket)
    this.holdProcess()
  }

  readonly spawn: Spawn = (command) => {
    const spawner = (this.running ??= this.start())
    const id = randomUUID()
    const guard: Guard = new Guard(this.fork, { breakOff: () => signalGroup(child, "SIGKILL") })
    const child = new SpawnedChild(guard)
    this.children.set(id, child)
    this.holdProcess()
    spawner.send({ ...command, id, address: this.address } satisfies StartChild, (error) => {
      if (error !== null) guard.run(() => this.failed(id, "EPIPE"))
    })
    guard.after(patienceMs, () => {
      if (!child.isStarting) return
      this.failed(id, "ETIMEDOUT")
      spawner.kill("SIGKILL")
    })
    return child
  }

  close(): void {
    this.running?.disconnect()
    this.running = undefined
  }

  private start(): ChildProcess {
    const started = spawn(process.execPath, [...memory, program], {
      // A group of its own, so that what ends the hub's group does not end it before its children.
      detached: true,
      cwd: "/",
      env: { PATH: "/usr/local/bin:/usr/bin:/bin" },
      stdio: ["ignore", "ignore", "ignore", "ipc"]
    })
    const guard = new Guard(this.fork, { breakOff: () => void started.kill("SIGKILL") })
    guard.on(started, "message", (message: FromSpawner) => this.heard(message))
    guard.once(started, "error", (error: NodeJS.ErrnoException) => this.gone(started, error.code ?? "unknown"))
    guard.once(started, "exit", () => this.gone(started, "EPIPE"))
    started.unref()
    started.channel?.unref()
    return started
  }

  private heard(message: FromSpawner): void {
    const child = this.children.get(message.id)
    // Given up before it came.
    if (child === undefined) return "pid" in message ? void signalGroup(message, "SIGKILL") : undefined
    if ("pid" in message) child.spawned(message.pid)
    else if ("error" in message) this.failed(message.id, message.error)
    else {
      this.children.delete(message.id)
      child.exited(message.code, message.signal)
    }
    this.holdProcess()
  }

  /** Nothing but the channel stands for a child that starts; one that runs has its streams. */
  private holdProcess(): void {
    const channel = this.running?.channel
    if ([...this.children.values()].some(({ isStarting }) => isStarting)) channel?.ref()
    else channel?.unref()
  }

  private failed(id: string, code: string): void {
    const child = this.children.get(id)
    this.children.delete(id)
    child?.failed(code)
  }

  /** Nobody would hear of the end of its children any more: they end with it. */
  private gone(spawner: ChildProcess, code: string): void {
    if (this.running !== spawner) return
    this.running = undefined
    for (const [id, child] of this.children) {
      if (child.isStarting) {
        this.failed(id, code)
        continue
      }
      this.children.delete(id)
      signalGroup(child, "SIGKILL")
      child.exited(null, "SIGKILL")
    }
  }
}
