/**
 * The garbage collection of a serving hub: seldom while it is busy, and once when it has become quiet.
 *
 * By itself V8 marks the whole heap each time the process has received 64 MB
 * or the heap has grown by a third. One user's large answers cause that three times a second, which slows everybody
 * else down for a seventh of the time. Here the heap may grow by half first, and bytes on their way
 * count as part of it: to double, a hub held 540 MiB for one user's four answers of 50 MB.
 *
 * A hub that has nothing to do allocates nothing, so V8 never comes to collect what the last large bodies and answers
 * have left, and hundreds of megabytes would stay. So what is left of buffers is collected in a quiet moment.
 */
import process from "node:process"
import { type EventLoopUtilization, performance } from "node:perf_hooks"
import { Effect } from "effect"
import { getHeapStatistics, setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"

/** V8 decides alone about heaps that are smaller than this on purpose (`--max-old-space-size`, a container). */
const smallHeap = 1024 * 1024 * 1024

/** The V8 of Node 24, on which this was measured. Others may not know the second flag, and would say so in the log. */
const measuredV8 = /^13\./

/** Takes effect from the next collection on. Deno accepts no flags once it runs, and goes on as before. */
export const collectLessOften = (): void => {
  if (getHeapStatistics().heap_size_limit < smallHeap) return
  setFlagsFromString("--heap-growing-percent=50")
  if (measuredV8.test(process.versions.v8)) setFlagsFromString("--external-memory-accounted-in-global-limit")
}

const lookEvery = "2 seconds"
/** The part of that time in which a quiet hub works. */
const quietPart = 0.1
/**
 * Bytes of buffers that are worth a collection, which stops the thread for some ten milliseconds and makes the young
 * generation small again. More than a load of small calls has at any moment: between two bursts it is left alone.
 */
const worthwhile = 64 * 1024 * 1024

/** V8's own collection of everything; undefined where it cannot be had, as on Deno. */
const collector = (): (() => void) | undefined => {
  if (!measuredV8.test(process.versions.v8)) return undefined
  setFlagsFromString("--expose-gc")
  return runInNewContext("gc") as () => void
}

/** Looks at a process again and again, and says when it is time to collect: exported for its test. */
export class QuietMoments {
  private before: EventLoopUtilization | undefined
  /** Bytes of buffers that the last collection left: they are in use. */
  private kept = 0
  /** One collection finds what is to be freed, and the next one sees to it that it has been. */
  private isSecondDue = false

  isOne(now: EventLoopUtilization, bytes: number): boolean {
    const { before } = this
    this.before = now
    this.kept = Math.min(this.kept, bytes)
    if (before === undefined || !(this.isSecondDue || bytes - this.kept >= worthwhile)) return false
    const worked = now.active - before.active
    return worked <= quietPart * (worked + now.idle - before.idle)
  }

  collected(bytes: number): void {
    this.kept = bytes
    this.isSecondDue = !this.isSecondDue
  }
}

/** Never ends. */
export const collectInQuiet: Effect.Effect<void> = Effect.suspend(() => {
  const collect = collector()
  if (collect === undefined) return Effect.void
  const moments = new QuietMoments()
  const bytes = (): number => process.memoryUsage().arrayBuffers
  const look = Effect.sync(() => {
    if (!moments.isOne(performance.eventLoopUtilization(), bytes())) return
    collect()
    moments.collected(bytes())
  })
  return Effect.forever(Effect.andThen(Effect.sleep(lookEvery), look))
})
