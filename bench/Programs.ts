/** Programs that the bench starts: pinned to a processor, their output in files, gone with the bench. */
import { type ChildProcess, execFileSync, spawn } from "node:child_process"
import { once } from "node:events"
import { closeSync, openSync } from "node:fs"
import { createServer } from "node:net"
import process from "node:process"

export interface ProgramOptions {
  readonly command: string
  readonly args: ReadonlyArray<string>
  readonly cwd: string
  readonly env?: Readonly<Record<string, string>> | undefined
  /** The file that gets its output. */
  readonly log: string
  readonly processor: string | undefined
}

const running = new Set<ChildProcess>()

/** Each leads a process group, so that nothing below it outlives the bench. */
const killGroup = (child: ChildProcess): void => {
  try {
    process.kill(-child.pid!, "SIGKILL")
  } catch {
    // It is gone already.
  }
}

process.on("exit", () => {
  for (const child of running) killGroup(child)
})
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => process.exit(1))

export const run = ({ args, command, cwd, env, log, processor }: ProgramOptions): ChildProcess => {
  const output = openSync(log, "w")
  const pinned = processor === undefined ? [command, ...args] : ["taskset", "-c", processor, command, ...args]
  // The variables of whoever runs the bench would make the hub another one than that of somebody else.
  const { HOME, LANG, PATH, TMPDIR } = process.env
  const inherited = Object.entries({ HOME, LANG, PATH, TMPDIR }).filter(([, value]) => value !== undefined)
  const child = spawn(pinned[0]!, pinned.slice(1), {
    cwd,
    env: { ...Object.fromEntries(inherited), ...env },
    stdio: ["ignore", output, output],
    detached: true
  })
  closeSync(output)
  running.add(child)
  child.once("error", () => running.delete(child))
  child.once("exit", () => running.delete(child))
  return child
}

export const hasEnded = (child: ChildProcess): boolean =>
  child.pid === undefined || child.exitCode !== null || child.signalCode !== null

/** Ends a program in order; what takes longer than the limit is killed. */
export const stop = async (child: ChildProcess, limitMs = 10_000): Promise<void> => {
  if (hasEnded(child)) return
  const ended = once(child, "exit")
  process.kill(child.pid!, "SIGTERM")
  const late = setTimeout(() => killGroup(child), limitMs)
  await ended
  clearTimeout(late)
  killGroup(child)
}

export const kill = async (child: ChildProcess): Promise<void> => {
  if (hasEnded(child)) return
  const ended = once(child, "exit")
  killGroup(child)
  await ended
}

/** A port that was free a moment ago. */
export const freePort = (): Promise<number> =>
  new Promise((resolve, reject) => {
    const server = createServer().once("error", reject)
    server.listen(0, "127.0.0.1", () => {
      const address = server.address()
      server.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0))
    })
  })

export const isInstalled = (command: string): boolean => {
  try {
    execFileSync(command, ["-v"], { stdio: "ignore" })
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== "ENOENT"
  }
}
