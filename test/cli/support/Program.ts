/**
 * The command line as tests use it: `program` is the real program as a child process on the runtime the tests run on;
 * `mcphub` is the same command line inside this process, which takes a tenth of the time and is enough beside a hub.
 * Neither sees anything of the tests' environment.
 */
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"
import process from "node:process"
import { fileURLToPath } from "node:url"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { ConfigProvider, Console, Context, Effect, Layer, Stdio, Stream } from "effect"
import { exitCodeOf, run } from "../../../src/cli/Cli.ts"

const main = resolve(import.meta.dirname!, "../../../src/main.ts")
const prefix = "Deno" in globalThis ? ["run", "-A", "--quiet", main] : [main]

/** What a program needs to run at all. */
const bare = (): Record<string, string> =>
  Object.fromEntries(
    ["PATH", "HOME", "TMPDIR", "DENO_DIR"].flatMap((name) => {
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
  /** A program in place of `src/main.ts`. */
  readonly main?: URL | undefined
  readonly cwd: string
  readonly stdin?: string
  readonly env?: Readonly<Record<string, string>>
  /** `ulimit -n` of the process. */
  readonly descriptors?: number | undefined
  /** `ulimit -f` of the process: with 0 it makes files and writes nothing into them, as on a full disk. */
  readonly fileBlocks?: number | undefined
  /** An existing device or file for its standard error, in place of the pipe. */
  readonly stderr?: string | undefined
}

/** Starts the program; its standard input is what the options give, and ends. */
export const start = (args: ReadonlyArray<string>, options: RunOptions): ChildProcessWithoutNullStreams => {
  const main = options.main === undefined ? prefix : [...prefix.slice(0, -1), fileURLToPath(options.main)]
  const line = [process.execPath, ...main, ...args]
  // The shell is replaced by the program, so the child is the program itself.
  const limit =
    (options.descriptors === undefined ? "" : `ulimit -n ${options.descriptors}; `) +
    (options.fileBlocks === undefined ? "" : `ulimit -f ${options.fileBlocks}; `)
  const redirected = options.stderr === undefined ? "" : ` 2<>"${options.stderr}"`
  const [command, rest] =
    limit === "" && redirected === ""
      ? [line[0]!, line.slice(1)]
      : ["/bin/sh", ["-c", `${limit}exec "$0" "$@"${redirected}`, ...line]]
  const child = spawn(command, rest, {
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

/** Runs one command to its end, as a process of its own. */
export const program = (args: ReadonlyArray<string>, options: RunOptions): Effect.Effect<Ran> =>
  Effect.callback<Ran>((resume) => {
    const child = start(args, options)
    watch(child).ended.then((ran) => resume(Effect.succeed(ran)))
    return Effect.sync(() => child.kill("SIGKILL"))
  })

/** Runs one command here, on the folder's data and settings; each run of the effect starts with nothing printed. */
export const mcphub = (args: ReadonlyArray<string>, options: RunOptions): Effect.Effect<Ran> =>
  Effect.suspend(() => runHere(args, options))

const runHere = (args: ReadonlyArray<string>, options: RunOptions): Effect.Effect<Ran> => {
  const places = { "--data": ".mcphub", "--settings": "mcp_settings.json" }
  const missing = Object.entries(places).filter(([flag]) => !args.includes(flag))
  const line = [...args, ...missing.flatMap(([flag, name]) => [flag, join(options.cwd, name)])]
  let stdout = ""
  let stderr = ""
  const captured: Console.Console = Object.assign(Object.create(console), {
    log: (text: unknown) => (stdout += `${String(text)}\n`),
    error: (text: unknown) => (stderr += `${String(text)}\n`)
  })
  const platform = Layer.merge(
    NodeServices.layer,
    Stdio.layerTest({ stdin: Stream.make(new TextEncoder().encode(options.stdin ?? "")) })
  )
  return run(line, options.cwd).pipe(
    Effect.exit,
    Effect.map((exit) => ({ code: exitCodeOf(line, exit), stdout, stderr })),
    Effect.provide(platform),
    Effect.provideService(ConfigProvider.ConfigProvider, ConfigProvider.fromEnv({ env: { ...options.env } })),
    Effect.provideService(Console.Console, captured)
  )
}

export interface RunningHub {
  readonly cwd: string
  /** As printed. */
  readonly url: string
  /** Everything printed so far. */
  readonly stdout: () => string
  readonly stderr: () => string
  readonly signal: (name: "SIGTERM" | "SIGINT" | "SIGKILL") => void
  /** Resolves with the exit code. */
  readonly ended: Effect.Effect<number | null>
}

/** Starts a hub and waits until it says that it listens; it is killed with the scope if it still runs. */
export const startHub = Effect.fnUntraced(function* (args: ReadonlyArray<string>, options: RunOptions) {
  const child = yield* Effect.acquireRelease(
    Effect.sync(() => start(["start", "--port", "0", ...args], options)),
    (child) =>
      Effect.callback<void>((resume) => {
        if (child.exitCode !== null || child.signalCode !== null) return resume(Effect.void)
        child.once("close", () => resume(Effect.void))
        child.kill("SIGKILL")
      })
  )
  const { ended, printed } = watch(child)
  const url = yield* Effect.callback<string, Error>((resume) => {
    child.stdout.on("data", () => {
      const found = /^mcphub listening on (\S+)$/m.exec(printed.stdout)
      if (found !== null) resume(Effect.succeed(found[1]!))
    })
    ended.then((ran) => resume(Effect.fail(new Error(`The hub ended before it listened: ${ran.stderr}`))))
  })
  const hub: RunningHub = {
    cwd: options.cwd,
    url,
    stdout: () => printed.stdout,
    stderr: () => printed.stderr,
    // Not `child.kill`: Deno then reports the signal instead of the exit code.
    signal: (name) => void process.kill(child.pid!, name),
    ended: Effect.map(
      Effect.promise(() => ended),
      (ran) => ran.code
    )
  }
  return hub
})

/** Enough for a few starts of the embedded database on a busy machine. */
export const patience = 120_000

/** An empty folder that goes with the scope. */
export const folder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "mcphub-cli-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
)

/** One hub for a file of tests, on the embedded database in a folder of its own. */
export class Hub extends Context.Service<Hub, RunningHub>()("mcphub/test/cli/Hub") {
  static readonly layer = Layer.effect(
    Hub,
    Effect.flatMap(folder, (cwd) => startHub([], { cwd }))
  )
}

/** What a printed key looks like. */
export const keyPattern = /mcphub_[0-9a-f]{64}/
export const linkPattern = /http:\/\/[^ /]+\/signin\/once\/mcphub_once_[0-9a-f]{64}/

/** A command beside the hub that must succeed; its `--json` answer. */
export const json = (args: ReadonlyArray<string>, options: RunOptions): Effect.Effect<any, Error> =>
  Effect.flatMap(mcphub([...args, "--json"], options), (ran) =>
    ran.code === 0
      ? Effect.sync(() => JSON.parse(ran.stdout))
      : Effect.fail(new Error(`${args.join(" ")} ended with ${ran.code}: ${ran.stderr}`))
  )

/** One MCP message to the hub, as a client with this key and session label sends it. */
export const post = (
  hub: Pick<RunningHub, "url">,
  key: string,
  session: string,
  message: object
): Effect.Effect<Response> =>
  Effect.promise(() =>
    fetch(hub.url, {
      method: "POST",
      headers: { authorization: `Bearer ${key}`, "content-type": "application/json", "mcp-session-id": session },
      body: JSON.stringify({ jsonrpc: "2.0", ...message })
    })
  )

/** A call that runs for longer than any test; its answer's first bytes are its progress, so it runs once they are here. */
export const countdown = {
  name: "countdown",
  arguments: { from: 100, stepMs: 1_000 },
  _meta: { progressToken: "countdown" }
}
