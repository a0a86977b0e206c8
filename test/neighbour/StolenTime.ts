/**
 * Times at which the hypervisor took the processors away (`steal` of `/proc/stat`, proc_stat(5)). A delay then says
 * nothing about the hub, and the more a program works, the more time is stolen.
 */
import { readFileSync } from "node:fs"
import { performance } from "node:perf_hooks"
import { Effect, type Scope } from "effect"

/** Milliseconds between two looks; the system counts in steps of ten. */
const every = 25

/** Milliseconds of a tick. */
const tickMs = 10

/** Milliseconds over all processors since the system began; undefined where it does not tell. */
export const stolenMs = (): number | undefined => {
  try {
    return tickMs * Number(readFileSync("/proc/stat", "utf8").split("\n", 1)[0]!.trim().split(/\s+/)[8])
  } catch {
    return undefined
  }
}

export interface StolenTime {
  /** Whether time was stolen between these moments (`performance.now`), or may have been. */
  readonly between: (from: number, to: number) => boolean
}

/** Watches for as long as the scope lives. */
export const watch: Effect.Effect<StolenTime, never, Scope.Scope> = Effect.gen(function* () {
  const moments: Array<number> = []
  let before = stolenMs()
  const timer = yield* Effect.acquireRelease(
    Effect.sync(() =>
      setInterval(() => {
        const now = stolenMs()
        if (now !== before) moments.push(performance.now())
        before = now
      }, every)
    ),
    (running) => Effect.sync(() => clearInterval(running))
  )
  timer.unref()
  return {
    // It is seen a look later, and counted up to a tick later than that.
    between: (from, to) => moments.some((moment) => moment >= from && moment <= to + 2 * every)
  }
})
