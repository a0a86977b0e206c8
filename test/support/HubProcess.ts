/**
 * The real hub, `src/main.ts start`, as a child process on the runtime the tests run on: in a folder of its own, with
 * the settings and users a test writes down. Gone with its scope, the folder too.
 */
import { Effect, Schema, type Scope } from "effect"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { request } from "node:http"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { program, type Ran, start, watch } from "../cli/support/Program.ts"

export interface HubProcessOptions {
  /** The settings file; without it the hub serves its own sample. */
  readonly settings?: { readonly mcpServers: Readonly<Record<string, unknown>> } | undefined
  /** The provisioning file. */
  readonly provision?: { readonly users: ReadonlyArray<object> } | undefined
  readonly env?: Readonly<Record<string, string>> | undefined
  /** As many descriptors as the process may have (`ulimit -n`); default: the tests' own limit. */
  readonly descriptors?: number | undefined
  /** A device or file its standard error goes to, e.g. one that is always full; default: kept here as `stderr`. */
  readonly stderr?: string | undefined
  /** A program in place of `src/main.ts`, with the same arguments. */
  readonly main?: URL | undefined
  /** A folder of an earlier hub; default: a new one. */
  readonly folder?: string | undefined
  /** The port of an earlier hub; default: a free one. */
  readonly port?: number | undefined
}

/** The provisioning file of users who have one key each and nothing else. */
export const withKeys = (users: ReadonlyArray<{ readonly username: string; readonly key: string }>) => ({
  users: users.map(({ key, username }) => ({ username, keys: [{ key }] }))
})

/** One line of the hub's log. */
export type LogLine = Readonly<Record<string, unknown>>

export interface HubProcess {
  /** The MCP endpoint as printed by the hub. */
  readonly url: string
  readonly origin: string
  readonly pid: number
  readonly folder: string
  readonly dataDir: string
  readonly stdout: () => string
  readonly stderr: () => string
  /** The log so far; what is no JSON line is left out. */
  readonly log: () => ReadonlyArray<LogLine>
  /** Waits until so many lines of the log match; they are the answer. */
  readonly logged: (count: number, match: (line: LogLine) => boolean) => Effect.Effect<ReadonlyArray<LogLine>>
  /** The text of `/metrics`, on a connection of its own that is closed again. */
  readonly scrape: Effect.Effect<string>
  /** Values by metric name, all series of a name added up. */
  readonly gauges: Effect.Effect<ReadonlyMap<string, number>>
  /** Runs a command of the same program beside this hub. */
  readonly cli: (...args: ReadonlyArray<string>) => Effect.Effect<Ran>
  /** Once the process has gone by itself: its exit code, or the signal that ended it. */
  readonly hasEnded: () => boolean
  readonly ended: Effect.Effect<number | string | null>
  /** SIGTERM; once the process has gone its exit code, or the signal that ended it. Idempotent. */
  readonly terminate: Effect.Effect<number | string | null>
  /** SIGTERM without waiting; sent once, whatever is called how often. */
  readonly beginTerminate: Effect.Effect<void>
  /** SIGKILL, and until the process has gone. */
  readonly kill: Effect.Effect<void>
}

class HubDidNotStart extends Schema.TaggedError<HubDidNotStart>()("HubDidNotStart", { message: Schema.String }) {}

/** A fresh folder, removed with the scope. */
export const folder: Effect.Effect<string, never, Scope.Scope> = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "mcphub-e2e-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true, maxRetries: 5 }))
)

/** GET on a connection of its own. */
export const get = (url: string): Effect.Effect<{ readonly status: number; readonly text: string }> =>
  Effect.callback((resume) => {
    const sent = request(url, { agent: false, headers: { connection: "close" } }, (response) => {
      let text = ""
      response.setEncoding("utf8").on("data", (chunk: string) => (text += chunk))
      response.on("end", () => resume(Effect.succeed({ status: response.statusCode ?? 0, text })))
    })
    sent.on("error", () => resume(Effect.succeed({ status: 0, text: "" })))
    sent.end()
    return Effect.sync(() => sent.destroy())
  })

export const parseMetrics = (text: string): ReadonlyMap<string, number> => {
  const values = new Map<string, number>()
  for (const line of text.split("\n")) {
    const match = /^([a-zA-Z_:][\w:]*)(?:\{[^}]*\})? (\S+)/.exec(line)
    if (match !== null) values.set(match[1]!, (values.get(match[1]!) ?? 0) + Number(match[2]))
  }
  return values
}

export const make = Effect.fnUntraced(function* (options: HubProcessOptions = {}) {
  const home = options.folder ?? (yield* folder)
  const dataDir = join(home, "data")
  const args = ["start", "--data", dataDir, "--port", String(options.port ?? 0)]
  const write = (flag: string, name: string, document: object | undefined) => {
    if (document === undefined) return
    writeFileSync(join(home, name), JSON.stringify(document))
    args.push(flag, join(home, name))
  }
  write("--settings", "mcp_settings.json", options.settings)
  write("--provision", "users.json", options.provision)

  const child = yield* Effect.acquireRelease(
    Effect.sync(() => {
      // What a killed hub cannot clean up any more goes with its folder.
      const started = start(args, {
        cwd: home,
        env: { TMPDIR: home, ...options.env },
        descriptors: options.descriptors,
        stderr: options.stderr,
        main: options.main
      })
      return { process: started, ...watch(started) }
    }),
    ({ ended, process }) =>
      Effect.gen(function* () {
        if (process.exitCode !== null || process.signalCode !== null) return
        process.kill("SIGTERM")
        yield* Effect.promise(() => ended).pipe(
          Effect.timeoutOrElse({ duration: "10 seconds", orElse: () => Effect.sync(() => process.kill("SIGKILL")) })
        )
        yield* Effect.promise(() => ended)
      })
  )
  const { ended, printed, process } = child

  const ready = /^mcphub listening on (\S+)$/m
  const url = yield* Effect.callback<string, HubDidNotStart>((resume) => {
    const look = () => {
      const found = ready.exec(printed.stdout)
      if (found !== null) resume(Effect.succeed(found[1]!))
    }
    process.stdout.on("data", look)
    const gone = () => resume(new HubDidNotStart({ message: `The hub ended before it listened: ${printed.stderr}` }))
    process.once("close", gone)
    return Effect.sync(() => {
      process.stdout.off("data", look)
      process.off("close", gone)
    })
  })
  const { origin } = new URL(url)
  const scrape = Effect.map(get(`${origin}/metrics`), ({ text }) => text)
  const waitForEnd = Effect.map(
    Effect.promise(() => ended),
    ({ code }) => code ?? process.signalCode
  )
  // By pid: Deno's `ChildProcess.kill` reports the signal as what ended the process, whatever the process made of it.
  const signal = (name: NodeJS.Signals) => Effect.sync(() => void globalThis.process.kill(process.pid!, name))

  const log: HubProcess["log"] = () =>
    printed.stderr
      .split("\n")
      // The last piece is a line only once its end is here.
      .slice(0, -1)
      .filter((line) => line.startsWith("{"))
      .map((line) => JSON.parse(line) as LogLine)

  // Once only: a hub that is told again while it stops in order ends at once.
  let isTold = false
  const beginTerminate = Effect.suspend(() => {
    if (isTold || process.exitCode !== null || process.signalCode !== null) return Effect.void
    isTold = true
    return signal("SIGTERM")
  })

  const hub: HubProcess = {
    url,
    origin,
    pid: process.pid!,
    folder: home,
    dataDir,
    stdout: () => printed.stdout,
    stderr: () => printed.stderr,
    log,
    logged: (count, match) =>
      Effect.callback((resume) => {
        const look = () => {
          const lines = log().filter(match)
          if (lines.length >= count) resume(Effect.succeed(lines))
        }
        process.stderr.on("data", look)
        look()
        return Effect.sync(() => process.stderr.off("data", look))
      }),
    scrape,
    gauges: Effect.map(scrape, parseMetrics),
    cli: (...command) =>
      program([...command, "--data", dataDir], {
        cwd: home,
        ...(options.env === undefined ? {} : { env: options.env })
      }),
    beginTerminate,
    ended: waitForEnd,
    hasEnded: () => process.exitCode !== null || process.signalCode !== null,
    terminate: Effect.andThen(beginTerminate, waitForEnd),
    kill: Effect.andThen(signal("SIGKILL"), Effect.asVoid(waitForEnd))
  }
  return hub
})
