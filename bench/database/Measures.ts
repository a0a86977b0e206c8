/** Time that the hub's own thread works, time until an answer, and how late its timers come. */
import { Effect } from "effect"
import { performance } from "node:perf_hooks"
import process from "node:process"

/** Milliseconds this thread has worked; on Deno, which cannot say that, the whole process. */
const worked = (): number => {
  const thread = (process as { threadCpuUsage?: () => NodeJS.CpuUsage }).threadCpuUsage
  const { system, user } = thread === undefined ? process.cpuUsage() : thread.call(process)
  return (system + user) / 1_000
}

export const isPerThread = "threadCpuUsage" in process

export const median = (values: ReadonlyArray<number>): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN

export interface Cost {
  /** Microseconds of this thread, and until the answer, for each time. */
  readonly thread: number
  readonly answer: number
}

/** Runs an effect often, in rounds: the median round. */
export const cost = <E, R>(each: Effect.Effect<unknown, E, R>, times: number, rounds = 5): Effect.Effect<Cost, E, R> =>
  Effect.gen(function* () {
    yield* Effect.repeat(each, { times: Math.ceil(times / 5) })
    const costs: Array<Cost> = []
    for (let round = 0; round < rounds; round++) {
      const [cpu, begun] = [worked(), performance.now()]
      for (let time = 0; time < times; time++) yield* each
      costs.push({
        thread: ((worked() - cpu) * 1_000) / times,
        answer: ((performance.now() - begun) * 1_000) / times
      })
    }
    return { thread: median(costs.map((one) => one.thread)), answer: median(costs.map((one) => one.answer)) }
  })

/** How late a timer of one millisecond comes at most while an effect runs, in milliseconds. */
export const longestStall = <E, R>(effect: Effect.Effect<unknown, E, R>): Effect.Effect<number, E, R> =>
  Effect.suspend(() => {
    let last = performance.now()
    let longest = 0
    const timer = setInterval(() => {
      const now = performance.now()
      longest = Math.max(longest, now - last - 1)
      last = now
    }, 1)
    return Effect.ensuring(
      effect,
      Effect.sync(() => clearInterval(timer))
    ).pipe(Effect.map(() => longest))
  })
