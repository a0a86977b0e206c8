/** The ways to start a hub, in a checkout whose hub says what it was given and waits for a signal. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { execFileSync, spawn } from "node:child_process"
import { cpSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import process from "node:process"
import { allocator } from "../../scripts/runtime.mjs"
import { root } from "../docs/Repository.ts"
import * as HubProcess from "../support/HubProcess.ts"

const hub = `import process from "node:process"
const { MALLOC_ARENA_MAX, MALLOC_MMAP_THRESHOLD_, MALLOC_TRIM_THRESHOLD_ } = process.env
const given = { MALLOC_ARENA_MAX, MALLOC_MMAP_THRESHOLD_, MALLOC_TRIM_THRESHOLD_ }
process.once("SIGTERM", () => process.exit(7))
setInterval(() => {}, 1_000)
console.log(JSON.stringify({ args: process.argv.slice(2), given }))
`

/** A checkout that depends on nothing, and a PATH with nothing but this runtime and what `bin/mcphub` needs. */
const checkout = Effect.map(HubProcess.folder, (folder) => {
  for (const path of ["bin/mcphub", "scripts/run.mjs", "scripts/runtime.mjs", "scripts/setup.mjs"]) {
    cpSync(join(root, path), join(folder, path))
  }
  const path = join(folder, "path")
  for (const name of ["src", "path"]) mkdirSync(join(folder, name))
  writeFileSync(join(folder, "src", "main.ts"), hub)
  writeFileSync(join(folder, "package.json"), JSON.stringify({ type: "module" }))
  symlinkSync(process.execPath, join(path, "Deno" in globalThis ? "deno" : "node"))
  symlinkSync(
    execFileSync("/bin/sh", ["-c", "command -v readlink"], { encoding: "utf8" }).trim(),
    join(path, "readlink")
  )
  return { folder, path }
})

/** Starts the hub, ends it once it has spoken, and answers with its words and the exit code. */
const start = (
  { folder, path }: Effect.Success<typeof checkout>,
  [command, ...args]: ReadonlyArray<string>,
  env: Readonly<Record<string, string>> = {}
) =>
  Effect.callback<{ readonly said: any; readonly code: number | null }>((resume) => {
    const { DENO_DIR = join(folder, "deno"), HOME = folder } = process.env
    const child = spawn(command!, args, {
      cwd: folder,
      env: { PATH: path, HOME, DENO_DIR, ...env },
      stdio: ["ignore", "pipe", "inherit"]
    })
    let printed = ""
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      printed += text
      // By pid: Deno's `ChildProcess.kill` reports the signal instead of the exit code.
      if (printed.endsWith("\n")) process.kill(child.pid!, "SIGTERM")
    })
    child.once("close", (code) => resume(Effect.sync(() => ({ said: JSON.parse(printed), code }))))
    return Effect.sync(() => child.kill("SIGKILL"))
  })

const task = (name: string): ReadonlyArray<string> => {
  const prefix = "Deno" in globalThis ? ["run", "-A", "--no-config"] : []
  return [process.execPath, ...prefix, "scripts/run.mjs", name]
}

describe("glibc's allocator is set for a hub", () => {
  it.live("that bin/mcphub starts, where the environment says nothing else", () =>
    Effect.gen(function* () {
      const here = yield* checkout
      const plain = yield* start(here, ["./bin/mcphub", "start", "--port", "0"])
      assert.deepStrictEqual(plain, { said: { args: ["start", "--port", "0"], given: allocator }, code: 7 })
      const { said } = yield* start(here, ["./bin/mcphub", "start"], { MALLOC_ARENA_MAX: "8" })
      assert.deepStrictEqual(said.given, { ...allocator, MALLOC_ARENA_MAX: "8" })
    })
  )

  it.live("that gets a process of its own, as after an installation; signal and exit code pass through", () =>
    Effect.gen(function* () {
      const here = yield* checkout
      // Nothing is there to be installed, by an npm that does nothing.
      const npm = join(here.folder, "npm-cli.js")
      for (const [file, text] of [
        [npm, ""],
        [join(here.folder, "package-lock.json"), JSON.stringify({ packages: { "": {} } })],
        [join(here.folder, "deno.json"), "{}"]
      ] as const) {
        writeFileSync(file, text)
      }
      mkdirSync(join(here.folder, "node_modules"))
      const first = yield* start(here, task("start"), { MALLOC_ARENA_MAX: "8", npm_execpath: npm })
      const given = { ...allocator, MALLOC_ARENA_MAX: "8" }
      assert.deepStrictEqual(first, { said: { args: ["start"], given }, code: 7 })
    })
  )
})
