/** Published command line clients as child processes: one that runs to its end, and one that converses line by line. */
import { Effect, Queue, type Scope } from "effect"
import { spawn } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import process from "node:process"

export interface Ran {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** An environment with an empty home, so that no program finds what another run or a user has left there. */
const isolated = (home: string) => ({
  PATH: process.env["PATH"] ?? "",
  HOME: home,
  XDG_CONFIG_HOME: home,
  MCP_REMOTE_CONFIG_DIR: home,
  NO_COLOR: "1"
})

const home: Effect.Effect<string, never, Scope.Scope> = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "mcphub-client-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true, maxRetries: 5 }))
)

const child = (command: string, args: ReadonlyArray<string>, input: "ignore" | "pipe") =>
  Effect.flatMap(home, (folder) =>
    Effect.acquireRelease(
      Effect.sync(() => spawn(command, args, { cwd: folder, env: isolated(folder), stdio: [input, "pipe", "pipe"] })),
      (running) =>
        Effect.callback<void>((resume) => {
          if (running.exitCode !== null || running.signalCode !== null) return resume(Effect.void)
          running.once("close", () => resume(Effect.void))
          running.kill("SIGKILL")
        })
    )
  )

/** Runs a program to its end, with nothing on its standard input. */
export const run = (command: string, args: ReadonlyArray<string>): Effect.Effect<Ran> =>
  Effect.flatMap(child(command, args, "ignore"), (running) =>
    Effect.callback<Ran>((resume) => {
      const printed = { stdout: "", stderr: "" }
      running.stdout!.setEncoding("utf8").on("data", (text: string) => (printed.stdout += text))
      running.stderr!.setEncoding("utf8").on("data", (text: string) => (printed.stderr += text))
      running.once("close", (code) => resume(Effect.succeed({ code, ...printed })))
    })
  ).pipe(Effect.scoped)

export interface Conversation {
  readonly send: (message: object) => Effect.Effect<void>
  /** The next message with this id; other messages are dropped. */
  readonly answer: (id: number) => Effect.Effect<any>
}

/** A program that speaks JSON-RPC, one message a line, on its standard input and output. */
export const converse = Effect.fnUntraced(function* (command: string, args: ReadonlyArray<string>) {
  const running = yield* child(command, args, "pipe")
  const messages = yield* Queue.unbounded<any>()
  let rest = ""
  let said = ""
  running.stderr!.setEncoding("utf8").on("data", (text: string) => (said += text))
  running.stdout!.setEncoding("utf8").on("data", (text: string) => {
    const lines = (rest + text).split("\n")
    rest = lines.pop()!
    for (const line of lines) if (line.startsWith("{")) Queue.offerUnsafe(messages, JSON.parse(line))
  })
  running.once("close", (code) => Queue.offerUnsafe(messages, { ended: `The program ended with ${code}: ${said}` }))
  const answer = (id: number): Effect.Effect<any> =>
    Effect.flatMap(Queue.take(messages), (message) =>
      message.ended !== undefined ? Effect.die(message.ended) : message.id === id ? Effect.succeed(message) : answer(id)
    )
  const conversation: Conversation = {
    send: (message) =>
      Effect.sync(() => void running.stdin!.write(`${JSON.stringify({ jsonrpc: "2.0", ...message })}\n`)),
    answer
  }
  return conversation
})
