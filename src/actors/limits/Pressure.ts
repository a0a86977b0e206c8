/**
 * The pressure on this process: too little memory, or too few descriptors. While either runs short, the hub takes
 * nothing new: it refuses sessions for want of memory and connections for want of descriptors, both with 503. What runs
 * goes on.
 *
 * It is measured once a second; in between, connections that come and go are counted, so that a flood of them cannot
 * use up the descriptors between two looks. `Measures` is a reference, so that a test or an embedder can bring their
 * own.
 */
import { Context, Effect, Layer, Schedule } from "effect"
import { readdirSync, readFileSync } from "node:fs"
import process from "node:process"
import { getHeapStatistics } from "node:v8"
import { HubMetrics } from "../observing/HubMetrics.ts"

/** How the process is measured. */
export interface MeasuresShape {
  /** Used part of the memory there is, 0 to 1: of the heap's limit or the container's, whichever is nearer. */
  readonly memory: () => number
  /** Open descriptors and their limit; undefined where the system does not tell (elsewhere than on Linux). */
  readonly descriptors: () => { readonly used: number; readonly limit: number } | undefined
}

const memory = (): number => {
  const { heap_size_limit, used_heap_size } = getHeapStatistics()
  const heap = used_heap_size / heap_size_limit
  const limit = process.constrainedMemory()
  // Without a limit this is 0, or more than any machine has.
  return limit > 0 && limit < 2 ** 50 ? Math.max(heap, process.memoryUsage.rss() / limit) : heap
}

/** The soft limit as the system has it: the runtime may have raised what the shell gave. */
const descriptorLimit = (): number | undefined => {
  try {
    const found = /^Max open files\s+(\d+)/m.exec(readFileSync("/proc/self/limits", "utf8"))
    return found === null ? undefined : Number(found[1])
  } catch {
    return undefined
  }
}

const descriptors = (limit: number | undefined) => (): ReturnType<MeasuresShape["descriptors"]> => {
  if (limit === undefined) return undefined
  try {
    return { used: readdirSync("/proc/self/fd").length, limit }
  } catch {
    // Not even the one descriptor this look needs is left.
    return { used: limit, limit }
  }
}

export class Measures extends Context.Reference<MeasuresShape>("mcphub/actors/limits/Pressure/Measures", {
  defaultValue: () => ({ memory, descriptors: descriptors(descriptorLimit()) })
}) {}

/** Parts of the memory: from here on it presses, and below this no more. */
const memoryHigh = 0.8
const memoryLow = 0.7
/** Kept free for upstream connections, child processes and files. */
const reservedPart = 0.1
const leastReserved = 24
/** How many connections may wait to be accepted: this part of the descriptors, but no more than the first number. */
const mostWaiting = 1024
const waitingPart = 1 / 16

/**
 * How many connections the system may let wait to be accepted, with that many descriptors. Deno accepts all that wait
 * before it tells of the first, and accepts none for ever after one for which there was no descriptor; so what waits
 * must have descriptors.
 */
export const backlogFor = (limit: number | undefined): number =>
  limit === undefined ? mostWaiting : Math.min(mostWaiting, Math.ceil(limit * waitingPart))

export class Pressure extends Context.Service<
  Pressure,
  {
    readonly memory: () => boolean
    readonly descriptors: () => boolean
    /** How many connections may wait to be accepted (`backlogFor`). */
    readonly backlog: number
    /** A connection was accepted. */
    readonly accepted: () => void
    /** One that was accepted has closed. */
    readonly closed: () => void
    /** Looks now instead of at the next second. */
    readonly look: Effect.Effect<void>
  }
>()("mcphub/actors/limits/Pressure") {
  static readonly layer: Layer.Layer<Pressure, never, HubMetrics> = Layer.effect(
    Pressure,
    Effect.gen(function* () {
      const measures = yield* Measures
      const metrics = yield* HubMetrics
      let ratio = 0
      let isShort = false
      let used = 0
      let most = Number.POSITIVE_INFINITY
      const backlog = backlogFor(measures.descriptors()?.limit)

      const look = Effect.suspend(() => {
        ratio = measures.memory()
        const was = isShort
        isShort = ratio >= (was ? memoryLow : memoryHigh)
        const found = measures.descriptors()
        if (found !== undefined) {
          used = found.used
          // Twice what waits: others may come while these are accepted.
          most = found.limit - Math.max(leastReserved, Math.ceil(found.limit * reservedPart)) - 2 * backlog
        }
        if (isShort === was) return Effect.void
        return isShort
          ? Effect.logWarning("Memory runs short: new sessions are refused, idle ones end").pipe(
              Effect.annotateLogs({ usedPercent: Math.round(ratio * 100) })
            )
          : Effect.logInfo("Memory suffices again, new sessions are taken")
      })

      yield* look
      yield* look.pipe(Effect.delay("1 second"), Effect.repeat(Schedule.forever), Effect.forkScoped)
      yield* metrics.gauge("mcphub_memory_used_ratio", "Used part of the heap's or the container's limit", () => ratio)
      yield* metrics.gauge("mcphub_open_descriptors", "Open descriptors of the process", () => used)

      return Pressure.of({
        memory: () => isShort,
        descriptors: () => used >= most,
        backlog,
        accepted: () => {
          used++
        },
        closed: () => {
          used--
        },
        look
      })
    })
  )
}
