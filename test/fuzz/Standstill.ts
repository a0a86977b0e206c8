/**
 * The time for which the machine let a fuzzing run wait: this process, which also plays the servers, woke late; the
 * hub's thread was ready and got no processor; or the hypervisor took the processors away. An exchange is given as much
 * longer, since a delay that the machine has made says nothing about the hub.
 */
import { readFileSync } from "node:fs"
import { performance } from "node:perf_hooks"
import { Effect, type Scope } from "effect"
import { stolenMs } from "../neighbour/StolenTime.ts"

/** Milliseconds between two looks at the own timer. */
const every = 50

/** Milliseconds, each counted from some moment on. */
export interface Lost {
  /** By which the timers of this process were late. */
  readonly late: number
  /** For which the hub's main thread waited for a processor (`/proc/PID/schedstat`). */
  readonly waited: number
  readonly stolen: number
}

export interface Since {
  /** At most one of them can have held up all the others: the sum. */
  readonly lostMs: () => number
  readonly told: () => string
}

export interface Standstill {
  readonly begin: () => Since
}

/** `lost` counts up. */
export const make = (lost: () => Lost): Standstill => ({
  begin: () => {
    const before = lost()
    const since = (): Lost => {
      const now = lost()
      return { late: now.late - before.late, waited: now.waited - before.waited, stolen: now.stolen - before.stolen }
    }
    return {
      lostMs: () => {
        const { late, stolen, waited } = since()
        return late + stolen + waited
      },
      told: () => {
        const { late, stolen, waited } = since()
        const ms = (value: number) => `${Math.round(value)} ms`
        return `meanwhile the machine let this process wait for ${ms(late)} and the hub for ${ms(waited)}, and ${ms(stolen)} were stolen`
      }
    }
  }
})

/** 0 where the system does not tell. */
const waitedMs = (pid: number): number => {
  try {
    return Number(readFileSync(`/proc/${pid}/schedstat`, "utf8").split(" ")[1]) / 1e6
  } catch {
    return 0
  }
}

/** Watches this process and the hub's for as long as the scope lives. */
export const watch = (hub: number): Effect.Effect<Standstill, never, Scope.Scope> =>
  Effect.gen(function* () {
    let late = 0
    let due = performance.now() + every
    const lateNow = (): number => Math.max(0, performance.now() - due)
    const timer = yield* Effect.acquireRelease(
      Effect.sync(() =>
        setInterval(() => {
          late += lateNow()
          due = performance.now() + every
        }, every)
      ),
      (running) => Effect.sync(() => clearInterval(running))
    )
    timer.unref()
    return make(() => ({ late: late + lateNow(), waited: waitedMs(hub), stolen: stolenMs() ?? 0 }))
  })
