/** A program to be started as a child process, and how it is started by the process that asks. */
import { spawn } from "node:child_process"
import type { EventEmitter } from "node:events"
import process from "node:process"
import type { Readable, Writable } from "node:stream"

export interface ChildCommand {
  readonly command: string
  readonly args: ReadonlyArray<string>
  /** The complete environment: nothing is inherited. */
  readonly env: Readonly<Record<string, string>>
  readonly cwd: string
}

/**
 * Leader of a process group of its own. Of the events of Node's `ChildProcess` it has `spawn`, `error`, `exit` and
 * `close`; `pid` and the streams are there from `spawn` on.
 */
export interface RunningChild extends EventEmitter {
  readonly pid?: number | undefined
  readonly stdin: Writable
  readonly stdout: Readable
  readonly stderr: Readable
  readonly exitCode: number | null
  readonly signalCode: string | null
}

/** Throws where the platform refuses a value. */
export type Spawn = (command: ChildCommand) => RunningChild

export const spawnHere: Spawn = ({ args, command, cwd, env }) =>
  spawn(command, args, {
    cwd,
    env,
    detached: process.platform !== "win32",
    windowsHide: true,
    stdio: ["pipe", "pipe", "pipe"]
  })

/** Signals the whole group; false when there is none left. On Windows only the process itself. */
export const signalGroup = ({ pid }: Pick<RunningChild, "pid">, signal: NodeJS.Signals | 0): boolean => {
  if (pid === undefined) return false
  try {
    return process.kill(process.platform === "win32" ? pid : -pid, signal)
  } catch (cause) {
    // EPERM: members exist that may not be signalled, on macOS also zombies.
    return (cause as NodeJS.ErrnoException).code === "EPERM"
  }
}
