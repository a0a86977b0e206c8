/**
 * The folder with the built dashboard. The package brings it; in a checkout a program of its own builds it when somebody
 * first asks, into a folder named after the sources, so that changed sources are built anew and nobody has to clean up.
 */
import { execFile } from "node:child_process"
import { createHash } from "node:crypto"
import { readdir, readFile, rm, stat } from "node:fs/promises"
import { dirname, join, relative } from "node:path"
import process from "node:process"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { Context, Effect, Schema } from "effect"

/** `message`: the fact and the remedy in a sentence, without a path of the machine. */
export class DashboardMissing extends Schema.TaggedError<DashboardMissing>()("DashboardMissing", {
  message: Schema.String
}) {}

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url))

/** Beside `src` or `dist`, wherever this module is. */
const root = here("../../..")

export interface DashboardPlaces {
  /** Where the package has it. */
  readonly packaged: string
  /** The sources, which only a checkout has. */
  readonly sources: string
  /** Where built ones are kept. */
  readonly built: string
}

/** Where they are unless a test says otherwise. */
export const Places = Context.Reference<DashboardPlaces>("mcphub/http/dashboard/DashboardFolder/Places", {
  defaultValue: () => ({
    packaged: join(root, "dist", "dashboard"),
    sources: here("./app"),
    built: join(root, "node_modules", ".cache", "mcphub", "dashboard")
  })
})

const builder = join(root, "scripts", "dashboard.mjs")
const buildMs = 120_000

const exists = (path: string): Promise<boolean> => stat(path).then(Boolean, () => false)

const filesIn = async (folder: string): Promise<ReadonlyArray<string>> => {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort()
}

const digestOf = async (sources: string): Promise<string> => {
  const digest = createHash("sha256")
  for (const path of [...(await filesIn(sources)), builder, join(root, "package-lock.json")]) {
    digest.update(`${relative(dirname(sources), path)}\0`).update(await readFile(path))
  }
  return digest.digest("hex").slice(0, 16)
}

/** Only what a program needs to run: none of the hub's secrets. */
const inherited = ["PATH", "HOME", "LANG", "TMPDIR", "TEMP", "SystemRoot", "DENO_DIR"]
const environment = (): Record<string, string> => ({
  ...Object.fromEntries(
    inherited.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]]))
  ),
  NODE_ENV: "production"
})

const build = async (folder: string, signal: AbortSignal): Promise<void> => {
  const runtime = process.versions["deno"] === undefined ? [] : ["run", "-A"]
  const options = { cwd: root, env: environment(), maxBuffer: 1 << 20, signal, timeout: buildMs }
  await promisify(execFile)(process.execPath, [...runtime, builder, folder], options)
}

const dayMs = 86_400_000

/** Of sources as they were a day ago or longer; a hub that serves them has them in memory. */
const removeOld = async (built: string): Promise<void> => {
  for (const name of await readdir(built)) {
    const folder = join(built, name)
    if (!/^([0-9a-f]{16}|building-\w+)$/.test(name) || Date.now() - (await stat(folder)).mtimeMs < dayMs) continue
    await rm(folder, { recursive: true, force: true })
  }
}

/** The last words of a program that failed, without the folders of this machine. */
const lastWords = (error: unknown): string => {
  const { killed, message, stderr } = error as { killed?: boolean; message?: string; stderr?: string }
  if (killed === true) return `building took longer than ${buildMs / 1000} seconds`
  const text = stderr?.trim() === "" ? message : (stderr ?? message)
  const found = /^\s*(?:\w*Error\b.*|error: .*)$/m.exec(text ?? "")?.[0] ?? text?.trim().split("\n").at(-1) ?? ""
  return found.trim().replaceAll(root, ".").slice(0, 300)
}

/** The folder, built now if need be. */
export const find = ({ built, packaged, sources }: DashboardPlaces): Effect.Effect<string, DashboardMissing> =>
  Effect.tryPromise({
    try: async (signal) => {
      if (!(await exists(sources))) {
        if (await exists(packaged)) return packaged
        throw new Error("this installation has no dashboard; install the package again")
      }
      const folder = join(built, await digestOf(sources))
      if (await exists(folder)) return folder
      await build(folder, signal)
      await removeOld(built).catch(() => {})
      return folder
    },
    catch: (error) => new DashboardMissing({ message: `The dashboard cannot be built: ${lastWords(error)}` })
  })
