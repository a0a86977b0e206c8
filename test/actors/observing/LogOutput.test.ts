import { spawn } from "node:child_process"
import { pathToFileURL } from "node:url"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"

/** Logs from a process of its own, as the hub does, until the reader of its standard error has gone away. */
const program = `
  import { Effect } from "effect"
  import { LogOutput } from "${pathToFileURL("src/actors/observing/LogOutput.ts")}"
  const run = Effect.gen(function* () {
    const output = yield* LogOutput
    output.line("first")
    yield* output.flush
    yield* Effect.callback((resume) => process.stdin.once("data", () => resume(Effect.void)))
    for (let i = 0; i < 20; i++) {
      output.line("x".repeat(100_000))
      yield* output.flush
      yield* Effect.yieldNow
    }
    console.log("still alive")
    process.exit(0)
  })
  Effect.runPromise(Effect.provide(run, LogOutput.layerStderr))
`

describe("LogOutput on a real stream", () => {
  it.live("B31: a log reader that goes away does not end the process", () =>
    Effect.gen(function* () {
      const args =
        "Deno" in globalThis ? ["eval", "--ext=ts", program] : ["--input-type=module-typescript", "--eval", program]
      const child = yield* Effect.acquireRelease(
        Effect.sync(() => spawn(process.execPath, args, { stdio: "pipe" })),
        (process) => Effect.sync(() => process.kill("SIGKILL"))
      )
      const result = yield* Effect.callback<{
        readonly code: number | null
        readonly out: string
        readonly log: string
      }>((resume) => {
        let out = ""
        let log = ""
        child.stdout.on("data", (chunk) => (out += chunk))
        child.stderr.on("data", (chunk) => {
          log += chunk
          if (!log.includes("\n")) return
          child.stderr.destroy()
          child.stdin.write("gone\n")
        })
        child.on("close", (code) => resume(Effect.succeed({ code, out, log })))
      })
      assert.deepStrictEqual(result, { code: 0, out: "still alive\n", log: "first\n" })
    }).pipe(Effect.scoped)
  )
})
