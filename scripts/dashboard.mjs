// Builds the dashboard: `node scripts/dashboard.mjs FOLDER`, with `deno run -A` on Deno. For the package into
// dist/dashboard; a hub in a checkout runs it when somebody first asks for the dashboard.
import { mkdir, mkdtemp, rename, rm } from "node:fs/promises"
import { dirname, join } from "node:path"
import process from "node:process"
import { fileURLToPath } from "node:url"
import { build } from "vite"

const app = fileURLToPath(new URL("../src/http/dashboard/app", import.meta.url))
const folder = process.argv[2]
if (folder === undefined) throw new Error("Usage: dashboard.mjs FOLDER")

await mkdir(dirname(folder), { recursive: true })
// Beside its place, and moved there when it is whole: another hub of the same checkout may be building as well.
const made = await mkdtemp(join(dirname(folder), "building-"))
try {
  await build({
    configFile: false,
    root: app,
    // Relative addresses, for a hub below a base path or behind a proxy that adds one.
    base: "./",
    logLevel: "warn",
    cacheDir: join(made, "vite"),
    oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
    // As data: addresses, small files would be against the page's own Content-Security-Policy.
    build: {
      outDir: join(made, "out"),
      emptyOutDir: false,
      assetsInlineLimit: 0,
      modulePreload: false,
      target: "es2023"
    }
  })
  await rm(folder, { recursive: true, force: true })
  await rename(join(made, "out"), folder)
} finally {
  await rm(made, { recursive: true, force: true })
}
