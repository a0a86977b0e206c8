/**
 * Runs lanes of strange steps against the real hub until both sides have said enough. What breaks is taken again on a hub
 * of its own and made as short as it still breaks; steps follow from the seed, only their interleaving does not.
 */
import { Effect, Exit, Scope } from "effect"
import { Broken } from "./Exchange.ts"
import { smaller } from "./Smaller.ts"
import { batchOf, shown, type Step } from "./Steps.ts"
import * as World from "./World.ts"

export interface FuzzOptions {
  readonly seed: number
  /** Of clients, and of servers. */
  readonly messages: number
  /** The run ends after so long, however much has been said. */
  readonly minutes?: number
  readonly lanes?: number
  /** Steps between two checks. */
  readonly batch?: number
  /** What is said meanwhile, for a long run. */
  readonly tell?: (line: string) => void
}

export interface FuzzResult {
  readonly clients: number
  readonly servers: number
  readonly seconds: number
  /** Bytes that the hub held at most. */
  readonly memory: number
  /** The shortest steps that break the hub, and how. */
  readonly broken: string | undefined
  /** Distinct defects in the hub's log, each with the number of its lines. */
  readonly defects: ReadonlyMap<string, number>
}

interface Taken {
  readonly lane: number
  readonly step: Step
}

/** Milliseconds between two lines of what has happened so far, and for making a failing list of steps shorter. */
const tellEveryMs = 10_000
const shorteningMs = 180_000

const withWorld = async <A>(lanes: number, use: (world: World.World) => Promise<A>): Promise<A> => {
  const scope = Scope.makeUnsafe()
  try {
    return await use(await Effect.runPromise(Scope.provide(World.make(lanes), scope)))
  } finally {
    await Effect.runPromise(Scope.close(scope, Exit.void))
  }
}

/** How these steps break a hub of their own, one after another; undefined where they do not. */
const breaks = (lanes: number, taken: ReadonlyArray<Taken>): Promise<string | undefined> =>
  withWorld(lanes, async (world) => {
    try {
      for (const { lane, step } of taken) await world.take(lane, step)
      await world.check()
      return undefined
    } catch (error) {
      return messageOf(error)
    }
  })

const messageOf = (error: unknown): string =>
  error instanceof Broken ? error.message : error instanceof Error ? (error.stack ?? error.message) : String(error)

const shorten = async (lanes: number, taken: ReadonlyArray<Taken>, why: string): Promise<string> => {
  const until = Date.now() + shorteningMs
  const list = (steps: ReadonlyArray<Taken>) =>
    steps.map(({ lane, step }) => `  lane ${lane}: ${shown(step)}`).join("\n")
  if ((await breaks(lanes, taken)) === undefined) {
    return `${why}\nnot seen again on another hub; the steps under way were\n${list(taken)}`
  }
  let last = why
  const shortest = await smaller(taken, async (part) => {
    if (Date.now() > until) return false
    const found = await breaks(lanes, part)
    last = found ?? last
    return found !== undefined
  })
  return `${last}\n${list(shortest)}`
}

/** Where in the code, whoever it happened to. */
const kindOf = (line: string): string => {
  try {
    const { defect = "", frames, message, msg } = JSON.parse(line) as Record<string, unknown>
    const at = Array.isArray(frames) ? frames.slice(0, 3).join(" ") : ""
    return `${String(message ?? msg)}: ${String(defect)} ${at}`
  } catch {
    return line.slice(0, 300)
  }
}

export const fuzz = async (options: FuzzOptions): Promise<FuzzResult> => {
  const { batch: size = 50, lanes = 8, messages, minutes = Infinity, seed, tell = () => {} } = options
  const began = performance.now()
  const defects = new Map<string, number>()
  /** Of each lane, as far as they have been taken since its last check. */
  const current: Array<ReadonlyArray<Step>> = Array.from({ length: lanes }, () => [])
  let why: string | undefined
  let toldAt = began

  const result = await withWorld(lanes, async (world) => {
    const seconds = () => (performance.now() - began) / 1000
    const isEnough = () => Math.min(world.told().clients, world.told().servers) >= messages || seconds() >= minutes * 60
    const figures = () => {
      const { clients, servers } = world.told()
      return `${Math.round(seconds())} s: ${clients} messages of clients, ${servers} of servers, at most ${Math.round(world.memory() / 1024 / 1024)} MiB, ${defects.size} defects`
    }
    const collect = () => {
      for (const line of world.defects()) {
        const kind = kindOf(line)
        if (!defects.has(kind)) tell(`DEFECT ${line.slice(0, 2_000)}`)
        defects.set(kind, (defects.get(kind) ?? 0) + 1)
      }
    }
    const run = async (lane: number): Promise<void> => {
      for (let batch = 0; why === undefined && !isEnough(); batch++) {
        const steps = batchOf(seed, lane, batch, size)
        try {
          for (const [at, step] of steps.entries()) {
            current[lane] = steps.slice(0, at + 1)
            await world.take(lane, step)
            if (why !== undefined || isEnough()) break
          }
          await world.check()
        } catch (error) {
          const step = current[lane]!.at(-1)
          why ??= `seed ${seed}, lane ${lane}, batch ${batch}: ${messageOf(error)}${step === undefined ? "" : `\n  last step: ${shown(step)}`}`
          return
        }
        collect()
        if (performance.now() - toldAt > tellEveryMs) {
          toldAt = performance.now()
          tell(figures())
        }
      }
    }
    await Promise.all(current.map((_, lane) => run(lane)))
    collect()
    tell(figures())
    return { ...world.told(), memory: world.memory(), seconds: seconds() }
  })

  const taken = current.flatMap((steps, lane) => steps.map((step) => ({ lane, step })))
  const broken = why === undefined ? undefined : await shorten(lanes, taken, why)
  return { ...result, broken, defects }
}
