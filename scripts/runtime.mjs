// Which runtime runs the TypeScript of this project unbuilt, and how a program is run on it.
//
// The runtime this file runs on is taken when it can do it: Deno, or Node from 22.19 on. An older Node takes the Deno
// binary that the `deno` development dependency brings.

import { spawn } from "node:child_process"
import { createRequire } from "node:module"
import { join } from "node:path"
import process from "node:process"

const [major, minor] = process.versions.node.split(".").map(Number)

/** Whether this very process can run the sources. */
export const runsTypeScript = Boolean(process.versions.deno) || major > 22 || (major === 22 && minor >= 19)

/** The Deno binary for this machine: this process, or the one of the development dependency. */
export function denoBinary(root) {
  if (process.versions.deno) return process.execPath
  // The dependency's own installer knows the platform packages; its install script is never run.
  const require = createRequire(join(root, "package.json"))
  return require("deno/install_api.cjs").runInstall()
}

/** The command line that runs a program (JavaScript or TypeScript) on a runtime able to run the sources. */
export function commandFor(root, program, args) {
  if (runsTypeScript && !process.versions.deno) return [process.execPath, [program, ...args]]
  return [denoBinary(root), ["run", "-A", program, ...args]]
}

/**
 * Variables of glibc's allocator for a hub, where its environment has no others: by itself glibc keeps most of what large
 * messages have taken, in an arena for each thread. It reads them when a process begins; `bin/mcphub` sets the same.
 */
export const allocator = { MALLOC_ARENA_MAX: "2", MALLOC_MMAP_THRESHOLD_: "65536", MALLOC_TRIM_THRESHOLD_: "131072" }

/**
 * Runs a command in a folder to its end, with the defaults where the environment has no such variable, and resolves
 * with its exit code (128 + n when signal n ended it). Standard input, output and error are the caller's; signals are
 * passed on, so whoever stops this process stops the command.
 */
export function run([command, args], folder, defaults = {}) {
  return new Promise((resolve, reject) => {
    const env = { ...defaults, ...process.env, DENO_NO_UPDATE_CHECK: "1" }
    const child = spawn(command, args, { cwd: folder, stdio: "inherit", env })
    const forwarded = ["SIGINT", "SIGTERM", "SIGHUP"].map((signal) => {
      const pass = () => {
        // A terminal sends Ctrl-C to the whole group; a second one would mean "at once" to the child.
        if (signal === "SIGINT" && process.stdin.isTTY) return
        // By pid: Deno's `ChildProcess.kill` reports the signal as the end, whatever the child made of it.
        try {
          process.kill(child.pid, signal)
        } catch {
          // It has just ended.
        }
      }
      process.on(signal, pass)
      return [signal, pass]
    })
    const settle = (then) => {
      for (const [signal, pass] of forwarded) process.off(signal, pass)
      then()
    }
    child.on("error", (error) => settle(() => reject(error)))
    child.on("exit", (code, signal) => settle(() => resolve(code ?? 128 + (signalNumbers[signal] ?? 1))))
  })
}

const signalNumbers = { SIGHUP: 1, SIGINT: 2, SIGQUIT: 3, SIGABRT: 6, SIGKILL: 9, SIGSEGV: 11, SIGTERM: 15 }
