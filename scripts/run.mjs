// The one way into the project, behind `npm start`, `npm test`, `deno task …` and `bin/mcphub`:
//
//   node scripts/run.mjs <task> [arguments]      deno run -A scripts/run.mjs <task> [arguments]
//
// It installs what is missing, picks a runtime that can run the sources, and hands over. The current folder stays the
// caller's for `start` and `mcphub`, because the data and settings of a hub are looked up there.

import { existsSync, rmSync } from "node:fs"
import * as module from "node:module"
import { dirname, join } from "node:path"
import process from "node:process"
import { fileURLToPath, pathToFileURL } from "node:url"
import { allocator, commandFor, denoBinary, run, runsTypeScript } from "./runtime.mjs"
import { ensureInstalled } from "./setup.mjs"

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const main = join(root, "src", "main.ts")
const vitest = join(root, "node_modules", "vitest", "vitest.mjs")
const dashboard = join(root, "dist", "dashboard")
const tool = (path) => (args) => inRoot(commandFor(root, join(root, "node_modules", path), args))
const program = (path) => (args) => inRoot(commandFor(root, join(root, path), args))
const oxfmt = tool("oxfmt/bin/oxfmt")
const oxlint = tool("oxlint/bin/oxlint")
const tsc = tool("typescript/bin/tsc")

const tasks = {
  start: (args) => hub(["start", ...args]),
  mcphub: (args) => hub(args),
  // The hub once more whenever one of its sources is saved.
  dev: (args) => apart(watched(commandFor(root, main, ["start", ...args]))),
  test: (args) => inRoot(commandFor(root, vitest, ["run", ...args])),
  "test:watch": (args) => inRoot(commandFor(root, vitest, ["watch", ...args])),
  soak: program("test/soak/run.ts"),
  fuzz: program("test/fuzz/run.ts"),
  neighbour: program("test/neighbour/run.ts"),
  windows: program("test/windows/run.ts"),
  bench: program("bench/run.ts"),
  "bench:profile": program("bench/profile.ts"),
  format: (args) => oxfmt(args.length === 0 ? ["."] : args),
  "format:check": () => oxfmt(["--check", "."]),
  lint: (args) => oxlint(["--deny-warnings", ...args]),
  // The dashboard's app is for browsers, and has a configuration of its own.
  types: (args) =>
    all(
      () => tsc(["-p", ".", ...args]),
      () => tsc(["-p", "src/http/dashboard/app", ...args])
    ),
  // Deno finds the type declarations of the SDK's 1.x line only by the `paths` of deno.json.
  "types:deno": () => inRoot([denoBinary(root), ["check", "src", "test", "bench"]]),
  // One warm call: modules entered, bytes allocated, CPU; `--against DIR` measures another checkout in turns.
  "bench:call": program("bench/call/run.ts"),
  "bench:live": program("bench/live/run.ts"),
  // Which test guards against which hazard, from the titles of the tests into docs/internals/hazards.md.
  hazards: program("test/docs/Hazards.ts"),
  // The same for what servers and clients in use do, into docs/internals/field.md.
  field: program("test/docs/Field.ts"),
  // Breaks each rule that keeps users apart, in a copy, and asks whether a test notices: half an hour, for the night.
  mutate: program("test/mutation/run.ts"),
  // What the database costs the hub's thread, or what is left of the embedded one after kills.
  "bench:database": ([first, ...more]) =>
    first === "kills"
      ? program("bench/database/kills.ts")(more)
      : program("bench/database/figures.ts")(first === undefined ? [] : [first, ...more]),
  // Anew, so that nothing of a source that was moved or removed gets into the package.
  build: () => {
    rmSync(join(root, "dist"), { recursive: true, force: true })
    return all(
      () => tsc(["-p", "tsconfig.build.json"]),
      () => program("scripts/dashboard.mjs")([dashboard])
    )
  },
  // The package, installed where there is no checkout: needs npm.
  "package:check": program("test/package/run.ts"),
  ok
}

/** One after the other, up to the first that fails. */
async function all(...steps) {
  for (const step of steps) {
    const code = await step()
    if (code !== 0) return code
  }
  return 0
}

const inRoot = (command) => run(command, root)
/** A hub in a process of its own. */
const apart = (command) => run(command, process.cwd(), allocator)

/** The same command, started again when a file that it has loaded changes. Both runtimes call the option alike. */
const watched = ([command, args]) => {
  const at = args.indexOf(main)
  return [command, [...args.slice(0, at), "--watch", ...args.slice(at)]]
}

/**
 * The hub itself: in this process where it can run the sources (or the built package), else in one of its own, on Deno
 * where Node is too old. A process that began without the dependencies does not find them afterwards either.
 */
async function hub(args) {
  const program = existsSync(main) ? main : join(root, "dist", "main.js")
  if (program === main && (installed || !runsTypeScript)) return apart(commandFor(root, main, args))
  if (!runsTypeScript) return onDeno(program, args)
  quietTypeStripping()
  keepCompiled()
  process.argv = [process.execPath, program, ...args]
  await import(pathToFileURL(program).href)
  return undefined
}

/** The built package on a Node that is too old: Deno of the PATH runs it, if there is one. */
async function onDeno(program, args) {
  try {
    return await apart(["deno", ["run", "-A", program, ...args]])
  } catch {
    throw new Error(`mcphub needs Node 22.19 or later, or Deno 2.9 or later; this is Node ${process.version}`)
  }
}

/**
 * Node strips and compiles the sources once, not at every start. The folder is the project's own: what is in it runs as
 * code, and in the system's folder for temporary files others may write. Where it cannot be written, nothing is kept.
 */
function keepCompiled() {
  module.enableCompileCache?.(join(root, "node_modules", ".cache", "mcphub"))
}

/** Node 22 warns once per process that it strips types; that is how this project runs, so it is no news to anyone. */
function quietTypeStripping() {
  const listeners = process.listeners("warning")
  process.removeAllListeners("warning")
  process.on("warning", (warning) => {
    if (warning.name === "ExperimentalWarning" && warning.message.startsWith("Type Stripping")) return
    for (const listener of listeners) listener.call(process, warning)
  })
}

/** The gate before a commit: every step runs, also after one has failed. */
async function ok() {
  const failed = []
  for (const step of ["format:check", "lint", "types", "types:deno", "test"]) {
    process.stderr.write(`\n── ${step}\n`)
    if ((await tasks[step]([])) !== 0) failed.push(step)
  }
  process.stderr.write(failed.length === 0 ? "\nok\n" : `\nfailed: ${failed.join(", ")}\n`)
  return failed.length === 0 ? 0 : 1
}

let installed = false
const [name, ...rest] = process.argv.slice(2)
const task = Object.hasOwn(tasks, name ?? "") ? tasks[name] : undefined
if (task === undefined) {
  process.stderr.write(`Usage: run.mjs <${Object.keys(tasks).join("|")}> [arguments]\n`)
  process.exit(1)
}
try {
  // An installed package carries no lock file: its dependencies came with it.
  if (existsSync(join(root, "package-lock.json"))) installed = ensureInstalled(root)
  const code = await task(rest[0] === "--" ? rest.slice(1) : rest)
  if (code !== undefined) process.exit(code)
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
  process.exit(1)
}
