/** `npm run bench`: measures, prints the report, and keeps it with every round behind it in bench/results. */
import { tmpdir } from "node:os"
import { mkdtempSync, rmSync } from "node:fs"
import { join } from "node:path"
import process from "node:process"
import { fileURLToPath } from "node:url"
import { bench, write } from "./Bench.ts"
import { load, pin } from "./Machine.ts"
import { fromArguments, type Options } from "./Options.ts"
import { isInstalled } from "./Programs.ts"
import { report } from "./Report.ts"
import { selftest } from "./Selftest.ts"

const args = process.argv.slice(2)
const say = (text: string): void => void process.stderr.write(`${text}\n`)

const asked = (): Options | undefined => {
  try {
    return fromArguments(args, process.platform === "linux" && isInstalled("taskset"))
  } catch (error) {
    say((error as Error).message)
    return undefined
  }
}

const options = asked()
if (options === undefined) process.exit(1)
if (options.selftest) {
  await selftest()
  process.stdout.write("the bench measures what it says\n")
  process.exit(0)
}
if (options.processors !== undefined) pin(process.pid, options.processors.load)
const folder = mkdtempSync(join(tmpdir(), "mcphub-bench-"))
process.on("exit", () => rmSync(folder, { recursive: true, force: true }))
const begun = performance.now()
const results = await bench(options, folder, say)
const runtime = process.versions["deno"] === undefined ? `Node ${process.version}` : `Deno ${process.versions["deno"]}`
const text = report(results, {
  runtime,
  command: ["npm run bench --", ...args].join(" "),
  load: load(),
  seconds: (performance.now() - begun) / 1_000
})
write(
  fileURLToPath(new URL("results", import.meta.url)),
  new Date().toISOString().replaceAll(/[:.]/g, "-"),
  results,
  text
)
process.stdout.write(text)
process.exit(results.some(({ problems }) => problems.length > 0) ? 1 : 0)
