/**
 * `npm run bench:profile`: a CPU profile of the hub under c32, self time by what the time goes into. Needs Node, whose
 * profiler is used. `--seconds N` (8), `--top N` functions (0), `--checkout DIR` for the hub of another checkout.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"
import process from "node:process"
import { echo, steady } from "./load/Steady.ts"
import { closePool, openPool } from "./load/Pool.ts"
import { pin } from "./Machine.ts"
import { isInstalled } from "./Programs.ts"
import { byCategory, byFunction, type CpuProfile } from "./ProfileCategories.ts"
import { launch } from "./targets/Launch.ts"
import { hubOf, root } from "./targets/Plans.ts"
import type { Plan } from "./targets/Target.ts"
import { startUpstream } from "./upstream/UpstreamProcess.ts"

const warmMs = 5_000

const args = process.argv.slice(2)
const value = (flag: string, otherwise: string): string =>
  args.includes(flag) ? (args[args.indexOf(flag) + 1] ?? otherwise) : otherwise

const profiled = (plan: Plan, profiles: string): Plan => ({
  ...plan,
  start: (place) => {
    const start = plan.start!(place)
    const flags = ["--cpu-prof", "--cpu-prof-interval", "200", `--cpu-prof-dir=${profiles}`]
    return { ...start, args: [...flags, ...start.args] }
  }
})

if (process.versions["deno"] !== undefined) throw new Error("The profiler is Node's: run this on Node")
const canPin = process.platform === "linux" && isInstalled("taskset")
if (canPin) pin(process.pid, "1")
const folder = mkdtempSync(join(tmpdir(), "mcphub-profile-"))
const upstream = await startUpstream(folder, canPin ? "1" : undefined)
const plan = hubOf("hub", resolve(value("--checkout", root)))
const ground = { folder, upstreamPort: upstream.port, processor: canPin ? "0" : undefined }
const { stop, target } = await launch(profiled(plan, folder), ground)
const pool = await openPool(target, { users: 50, perUser: 2, connections: 32 })
await steady(target, pool, warmMs, echo)
const began = process.hrtime.bigint() / 1_000n
const slice = await steady(target, pool, Number(value("--seconds", "8")) * 1_000, echo)
const ended = process.hrtime.bigint() / 1_000n
await closePool(pool)
await stop()
await upstream.kill()

// One file a thread; that of the main one has the thread id 0 in its name.
const files = readdirSync(folder).filter((name) => name.endsWith(".cpuprofile"))
const main = files.find((name) => name.split(".")[4] === "0")
if (main === undefined) throw new Error("The hub wrote no profile")
const profile = JSON.parse(readFileSync(join(folder, main), "utf8")) as CpuProfile
rmSync(folder, { recursive: true, force: true })

const print = (text: string): void => void process.stdout.write(`${text}\n`)
const span = { from: Number(began), to: Number(ended) }
print(`${slice.perSecond.toFixed(0)} calls a second, ${slice.cpu.toFixed(0)} µs of CPU each, with the profiler on\n`)
print("| part of the main thread's time | % |\n| --- | --- |")
for (const [name, { part }] of byCategory(profile, span)) print(`| ${name} | ${(part * 100).toFixed(1)} |`)
const top = Number(value("--top", "0"))
if (top > 0) print("\n| function | % |\n| --- | --- |")
for (const [name, { part }] of byFunction(profile, span).slice(0, top))
  print(`| ${name} | ${(part * 100).toFixed(1)} |`)
process.exit(0)
