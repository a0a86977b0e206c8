/**
 * The package as somebody gets it who has no checkout: packed, installed into an empty folder and run from there.
 *
 * npm comes from the PATH and fetches the dependencies from wherever this machine's npm does; install scripts never
 * run. Everything happens in one temporary folder.
 */
import { execFileSync, spawn } from "node:child_process"
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import process from "node:process"
import { files, root } from "../docs/Repository.ts"

const npm = (args: ReadonlyArray<string>, cwd: string): string =>
  execFileSync("npm", args, { cwd, encoding: "utf8", stdio: ["ignore", "pipe", "inherit"], maxBuffer: 2 ** 26 })

export interface Packed {
  readonly file: string
  readonly paths: ReadonlyArray<string>
}

/** Builds and packs the checkout into the folder. */
export const pack = (folder: string): Packed => {
  npm(["run", "--silent", "build"], root)
  const printed = npm(["pack", "--ignore-scripts", "--json", "--pack-destination", folder], root)
  const [one] = JSON.parse(printed) as [{ readonly filename: string; readonly files: ReadonlyArray<{ path: string }> }]
  return { file: join(folder, one.filename), paths: one.files.map(({ path }) => path) }
}

/** What the sources become, file by file; what is bundled for the browser is not among them. */
export const built = (): ReadonlyArray<string> =>
  files("src").flatMap((path) => {
    const name = /^src\/(?!http\/dashboard\/app\/)(.*)\.ts$/.exec(path)?.[1]
    return name === undefined ? [] : [`dist/${name}.js`, `dist/${name}.d.ts`]
  })

/** The dashboard, whose other files are named after what is in them. */
export const page = "dist/dashboard/index.html"

/** A file that is no source's is left over from an earlier build, one that is missing was not built. */
export const wrongFiles = (paths: ReadonlyArray<string>): ReadonlyArray<string> => {
  const own = new Set(built())
  return [
    ...[...own, page].filter((path) => !paths.includes(path)).map((path) => `${path} is missing`),
    ...paths
      .filter((path) => path.startsWith("dist/") && !path.startsWith("dist/dashboard/") && !own.has(path))
      .map((path) => `${path} is no source's`),
    ...paths
      .filter((path) => !/^(bin|dist|docs|deploy|examples|scripts)\/|^[A-Za-z.-]+$/.test(path))
      .map((path) => `${path} does not belong there`)
  ]
}

/** An empty folder with nothing but the package. */
export const install = (folder: string, { file }: Packed): void => {
  writeFileSync(join(folder, "package.json"), JSON.stringify({ private: true, type: "module" }))
  const quiet = ["--no-audit", "--no-fund", "--loglevel=error", "--prefer-offline"]
  npm(["install", "--ignore-scripts", ...quiet, file], folder)
}

/** A PATH on which there is one runtime, and what `bin/mcphub` needs besides. */
export const pathWith = (folder: string, name: "node" | "deno", binary: string): string => {
  const path = join(folder, `path-${name}`)
  mkdirSync(path)
  symlinkSync(binary, join(path, name))
  symlinkSync(
    execFileSync("/bin/sh", ["-c", "command -v readlink"], { encoding: "utf8" }).trim(),
    join(path, "readlink")
  )
  return path
}

export interface Outcome {
  readonly answer: string
  /** Statuses of the dashboard's page and of each script that it names. */
  readonly page: ReadonlyArray<number>
  readonly code: number | null
}

/**
 * `mcphub start` in the folder; once it listens a client calls the sample server's tool, a browser asks for the
 * dashboard, and then the hub is told to stop. `code` is what it ends with.
 */
export const serve = (folder: string, path: string): Promise<Outcome> =>
  new Promise((resolve, reject) => {
    const program = join(folder, "node_modules", ".bin", "mcphub")
    const data = join(path, "data")
    const { HOME = folder, DENO_DIR = join(folder, "deno") } = process.env
    const child = spawn("/bin/sh", [program, "start", "--port", "0", "--data", data], {
      cwd: folder,
      env: { PATH: path, HOME, DENO_DIR },
      stdio: ["ignore", "pipe", "pipe"]
    })
    let printed = ""
    let said = ""
    let used: Promise<Omit<Outcome, "code">> | undefined
    child.stderr.setEncoding("utf8").on("data", (text: string) => (said += text))
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      printed += text
      const url = /^mcphub listening on (\S+)$/m.exec(printed)?.[1]
      if (url === undefined || used !== undefined) return
      used = use(url, /mcphub_[0-9a-f]{64}/.exec(printed)?.[0] ?? "").finally(() => process.kill(child.pid!))
      used.catch(reject)
    })
    child.once("error", reject)
    child.once("close", (code) => {
      if (used === undefined) reject(new Error(`it ended with ${code} before it listened: ${said || printed}`))
      else void used.then((found) => resolve({ ...found, code }), reject)
    })
  })

const use = async (url: string, key: string): Promise<Omit<Outcome, "code">> => {
  const answer = await call(url, key)
  const page = await fetch(new URL("/admin/", url))
  const scripts = [...(await page.text()).matchAll(/<script[^>]* src="([^"]+)"/g)].map(([, src]) => src!)
  const loaded = await Promise.all(scripts.map((src) => fetch(new URL(src, page.url))))
  await Promise.all(loaded.map((one) => one.arrayBuffer()))
  return { answer, page: [page, ...loaded].map(({ status }) => status) }
}

const call = async (url: string, key: string): Promise<string> => {
  const params = { name: "sample-echo", arguments: { text: "from the package" } }
  const response = await fetch(url, {
    method: "POST",
    headers: { authorization: `Bearer ${key}`, "content-type": "application/json", "mcp-session-id": "package" },
    body: JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/call", params })
  })
  return response.text()
}

/** The names that each entry of the package exports, as a program that depends on it sees them. */
export const exported = (folder: string): Readonly<Record<string, number>> => {
  const entries = ["mcphub", "mcphub/testkit", "mcphub/upstream"]
  const program = `const counts = {}
for (const name of ${JSON.stringify(entries)}) counts[name] = Object.keys(await import(name)).length
console.log(JSON.stringify(counts))
process.exit(0)`
  writeFileSync(join(folder, "entries.mjs"), `import process from "node:process"\n${program}\n`)
  const args = "Deno" in globalThis ? ["run", "-A", "entries.mjs"] : ["entries.mjs"]
  return JSON.parse(execFileSync(process.execPath, args, { cwd: folder, encoding: "utf8" }))
}
