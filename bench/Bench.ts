/**
 * One run: all targets side by side, every workload on each of them in turns and in another order each round, so that a
 * busy moment of the machine meets all alike. Then what needs a fresh process, one target after the other.
 */
import process from "node:process"
import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import type { HeaderBytes } from "./load/HeaderBytes.ts"
import { headerBytes } from "./load/HeaderBytes.ts"
import { isolation, type IsolationFound } from "./load/Isolation.ts"
import { churnMemory, type ChurnMemory, idleMemory, type IdleMemory } from "./load/Memory.ts"
import { recovery, type Recovered } from "./load/Recovery.ts"
import type { Slice } from "./load/Steady.ts"
import type { Options } from "./Options.ts"
import { isInstalled } from "./Programs.ts"
import { type Ground, launch, type Launched } from "./targets/Launch.ts"
import { contextsPlan, isolationPlans, plans } from "./targets/Plans.ts"
import type { Plan, Target } from "./targets/Target.ts"
import { startUpstream, type UpstreamProcess } from "./upstream/UpstreamProcess.ts"
import { everyRound, Load } from "./Workloads.ts"

export interface Once {
  isolation?: IsolationFound
  idle?: IdleMemory
  churn?: ChurnMemory
  recovery?: Recovered
  headers?: ReadonlyArray<HeaderBytes>
}

export interface Measured {
  readonly plan: Plan
  readonly readyMs: number
  /** By round, then by workload. */
  readonly rounds: Array<Record<string, Slice>>
  readonly once: Once
  /** What could not be measured, and why. */
  readonly problems: Array<string>
}

const skips = ({ skip = [] }: Plan, workload: string): boolean => skip.includes(workload)

const chosen = (options: Options): ReadonlyArray<Plan> => {
  const all = options.isolation ? isolationPlans : plans(options.against, process.env["BENCH_DATABASE_URL"])
  const wanted = options.only
  if (wanted === undefined) return all.filter(({ name }) => name !== "nginx" || isInstalled("nginx"))
  const known = all.map(({ name }) => name)
  for (const name of wanted)
    if (!known.includes(name)) throw new Error(`There is no target ${name}: ${known.join(", ")}`)
  return all.filter(({ name }) => wanted.includes(name))
}

/** A fresh process of the target, for as long as it is asked something. */
const onFresh = async (plan: Plan, ground: Ground, ask: (target: Target) => Promise<void>): Promise<void> => {
  const { stop, target } = await launch(plan, ground)
  try {
    await ask(target)
  } finally {
    await stop()
  }
}

/** In this order: memory first, while the process is new, and last what kills the server. */
const askOnce = async (measured: Measured, ground: Ground, upstream: UpstreamProcess, options: Options) => {
  const { once, plan, problems } = measured
  const questions: Readonly<Record<string, (target: Target) => Promise<unknown>>> = {
    idle: async (target) => (once.idle = await idleMemory(target, options.sessions)),
    churn: async (target) => (once.churn = await churnMemory(target, options.sessions)),
    isolation: async (target) =>
      (once.isolation = await isolation(target, 10, { users: 50, perUser: 2, connections: 50 })),
    recovery: async (target) => (once.recovery = await recovery(target, upstream))
  }
  const told = (what: string) => (error: unknown) => void problems.push(`${what}: ${(error as Error).message}`)
  const asked = Object.entries(questions).filter(([name]) => options.workloads.includes(name) && !skips(plan, name))
  if (asked.length > 0) {
    const ask = async (target: Target) => {
      for (const [name, question] of asked) await question(target).catch(told(name))
    }
    await onFresh(plan, ground, ask).catch(told("a fresh process"))
  }
  if (options.workloads.includes("headers") && ["hub", "isolation-on"].includes(plan.name)) {
    const ask = async (target: Target) => void (once.headers = await headerBytes(target))
    await onFresh(contextsPlan, ground, ask).catch(told("headers"))
  }
}

export const bench = async (options: Options, folder: string, say: (text: string) => void) => {
  mkdirSync(folder, { recursive: true })
  const upstream = await startUpstream(folder, options.processors?.load)
  const ground = { folder, upstreamPort: upstream.port, processor: options.processors?.hub }
  const begun = performance.now()
  const seconds = (): string => `${((performance.now() - begun) / 1_000).toFixed(0)} s`
  const results: Array<Measured> = []
  const live: Array<Launched & { readonly measured: Measured; readonly load: Load }> = []

  const inRounds = options.workloads.filter((name) => everyRound.includes(name))
  for (const plan of chosen(options)) {
    const measured: Measured = { plan, readyMs: Number.NaN, rounds: [], once: {}, problems: [] }
    try {
      const launched = await launch(plan, ground)
      const started = { ...measured, readyMs: launched.target.readyMs }
      results.push(started)
      live.push({ ...launched, measured: started, load: new Load(launched.target) })
      say(`${plan.name}: ready after ${(launched.target.readyMs / 1_000).toFixed(1)} s`)
    } catch (error) {
      measured.problems.push((error as Error).message)
      results.push(measured)
      say(`${plan.name}: ${(error as Error).message}`)
    }
  }
  if (inRounds.length > 0) {
    for (const { load } of live) await load.run("c32", options.warmMs)
    say(`warm after ${seconds()}`)
  }
  for (let round = 0; round < options.rounds && inRounds.length > 0; round++) {
    const order = live.map((_, at) => live[(at + round) % live.length]!)
    for (const { measured } of live) measured.rounds.push({})
    for (const workload of inRounds) {
      for (const { load, measured, target } of order) {
        if (skips(target.plan, workload)) continue
        try {
          const slice = await load.run(workload, options.ms)
          measured.rounds[round]![workload] = slice
          if (slice.failed > 0) say(`${target.plan.name}, ${workload}: ${JSON.stringify(slice.errors)}`)
        } catch (error) {
          measured.problems.push(`${workload}: ${(error as Error).message}`)
        }
      }
    }
    say(`round ${round + 1} of ${options.rounds} after ${seconds()}`)
  }
  for (const { load, stop } of live) {
    await load.close()
    await stop()
  }
  for (const { measured } of live) {
    await askOnce(measured, ground, upstream, options)
    say(`${measured.plan.name}: done after ${seconds()}`)
  }
  await upstream.kill()
  return results
}

export const write = (folder: string, name: string, results: ReadonlyArray<Measured>, report: string): void => {
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, `${name}.json`), JSON.stringify(results, undefined, 1))
  writeFileSync(join(folder, `${name}.md`), report)
}
