/**
 * The real program as a child process, on the runtime the tests run on, in a folder of its own.
 */
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"
import process from "node:process"
import { Effect } from "effect"

const main = resolve(import.meta.dirname, "../../src/main.ts")
const isDeno = "Deno" in globalThis
const prefix = isDeno ? ["run", "-A", "--quiet", main] : [main]

/** The environment a program needs to run at all; nothing of the hub's. */
const bare = (): Record<string, string> =>
  Object.fromEntries(
    ["PATH", "HOME", "TMPDIR", "DENO_DIR", "NODE_OPTIONS"].flatMap((name) => {
      const value = process.env[name]
      return value === undefined ? [] : [[name, value]]
    })
  )

export interface Ran {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface RunOptions {
  readonly cwd: string
  readonly stdin?: string
  readonly env?: Readonly<Record<string, string>>
}

export const start = (args: ReadonlyArray<string>, options: RunOptions): ChildProcessWithoutNullStreams => {
  const child = spawn(process.execPath, [...prefix, ...args], {
    cwd: options.cwd,
    env: { ...bare(), ...options.env },
    stdio: "pipe"
  })
  child.stdin.on("error", () => {})
  child.stdin.end(options.stdin ?? "")
  return child
}

/** What a running child has printed so far, and its end. */
export const watch = (child: ChildProcessWithoutNullStreams) => {
  const printed = { stdout: "", stderr: "" }
  child.stdout.setEncoding("utf8").on("data", (text: string) => (printed.stdout += text))
  child.stderr.setEncoding("utf8").on("data", (text: string) => (printed.stderr += text))
  const ended = new Promise<Ran>((done) => child.on("close", (code) => done({ code, ...printed })))
  return { printed, ended }
}

/** Runs one command to its end. */
export const mcphub = (args: ReadonlyArray<string>, options: RunOptions): Effect.Effect<Ran> =>
  Effect.callback<Ran>((resume) => {
    const child = start(args, options)
    watch(child).ended.then((ran) => resume(Effect.succeed(ran)))
    return Effect.sync(() => child.kill("SIGKILL"))
  })

/** An empty folder that goes with the scope. */
export const folder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "mcphub-cli-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
)

/** A text that looks like a key, made up at run time so that no file holds one. */
export const keyPattern = new RegExp(`mcphub_[0-9a-f]{${64}}`)
