/**
 * `npm run package:check`: the package, packed and installed where there is no checkout, serves on Node and on Deno.
 * Exit code 2 when something is missing from it, left over in it, or does not work.
 */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import process from "node:process"
import { denoBinary } from "../../scripts/runtime.mjs"
import { root } from "../docs/Repository.ts"
import { exported, install, pack, pathWith, serve, wrongFiles } from "./Package.ts"

const started = performance.now()
const say = (text: string): void => {
  console.log(`${((performance.now() - started) / 1000).toFixed(1)} s  ${text}`)
}
const problems: Array<string> = []
const folder = mkdtempSync(join(tmpdir(), "mcphub-package-"))

/** Node only where it runs this very file: an older one would not run the hub either. */
const runtimes = [
  ...("Deno" in globalThis ? [] : [["node", process.execPath] as const]),
  ["deno", denoBinary(root)] as const
]

try {
  const packed = pack(folder)
  problems.push(...wrongFiles(packed.paths))
  say(`packed ${packed.paths.length} files`)
  install(folder, packed)
  say("installed into an empty folder")
  for (const [name, binary] of runtimes) {
    const { answer, code, page } = await serve(folder, pathWith(folder, name, binary))
    if (!answer.includes("from the package")) problems.push(`on ${name} the tool answered: ${answer}`)
    if (page.length < 2 || page.some((status) => status !== 200)) {
      problems.push(`on ${name} the dashboard's page and scripts answered: ${page.join(", ")}`)
    }
    if (code !== 0) problems.push(`on ${name} the hub ended with ${code}`)
    say(`served on ${name}`)
  }
  for (const [name, count] of Object.entries(exported(folder))) {
    if (count === 0) problems.push(`${name} exports nothing`)
  }
  say("entries load")
} catch (error) {
  problems.push(error instanceof Error ? error.message : String(error))
} finally {
  rmSync(folder, { recursive: true, force: true })
}
for (const problem of problems) console.error(problem)
say(problems.length === 0 ? "the package is whole" : `${problems.length} problems`)
process.exit(problems.length === 0 ? 0 : 2)
