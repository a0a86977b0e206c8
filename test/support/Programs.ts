/** Programs that listen, as child processes on the runtime the tests run on; ended with their scope. */
import { Effect, type Scope } from "effect"
import { type ChildProcess, spawn } from "node:child_process"
import { resolve } from "node:path"
import process from "node:process"
import { runtimeCommand } from "../../src/cli/sample/RuntimeCommand.ts"

const root = new URL("../../", import.meta.url)

/** The command line for a program of this repository, by its path from the root. */
export const command = (path: string) => runtimeCommand(new URL(path, root))

/** A running program; it is gone when the scope is closed. */
export const run = (
  path: string,
  args: ReadonlyArray<string> = [],
  env: Readonly<Record<string, string>> = {}
): Effect.Effect<ChildProcess & { readonly stdout: NodeJS.ReadableStream }, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const { args: runtimeArgs, command: runtime } = command(path)
      return spawn(runtime, [...runtimeArgs, ...args], {
        cwd: resolve(import.meta.dirname!, "../.."),
        env: { ...process.env, ...env },
        stdio: ["ignore", "pipe", "inherit"]
      })
    }),
    (child) =>
      Effect.callback<void>((resume) => {
        if (child.exitCode !== null || child.signalCode !== null) return resume(Effect.void)
        child.once("exit", () => resume(Effect.void))
        child.kill("SIGKILL")
      })
  )

/** A program that prints where it listens, e.g. a server of `examples/upstreams`; answers with what it printed. */
export const listening = (
  path: string,
  env: Readonly<Record<string, string>>,
  args: ReadonlyArray<string> = []
): Effect.Effect<string, never, Scope.Scope> =>
  Effect.flatMap(run(path, args, env), (child) =>
    Effect.callback<string>((resume) => {
      let printed = ""
      child.stdout.on("data", (chunk: Buffer) => {
        printed += chunk.toString()
        const found = /listening on (\S+)\n/.exec(printed)
        if (found !== null) resume(Effect.succeed(found[1]!))
      })
      child.once("exit", (code) => resume(Effect.die(`${path} ended with ${code} before it listened`)))
    })
  )
