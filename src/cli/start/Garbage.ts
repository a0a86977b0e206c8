/**
 * How V8 collects the garbage of a hub that serves. By itself it marks the whole heap each time 64 MB have been received
 * or the heap has grown by a third, which one user's large answers do three times a second: for a seventh of the time
 * all the others are served more slowly. Here the heap may double first, and bytes on their way count as part of it.
 */
import process from "node:process"
import { getHeapStatistics, setFlagsFromString } from "node:v8"

/** Heaps that are kept smaller than this on purpose (`--max-old-space-size`, a container) grow as V8 thinks best. */
const smallHeap = 1024 * 1024 * 1024

/** The V8 of Node 24, where this was measured. Others may not know the second flag, and would say so in the log. */
const measuredV8 = /^13\./

/** From the next collection on. Deno takes no flags once it runs, and goes on as before. */
export const collectLessOften = (): void => {
  if (getHeapStatistics().heap_size_limit < smallHeap) return
  setFlagsFromString("--heap-growing-percent=100")
  if (measuredV8.test(process.versions.v8)) setFlagsFromString("--external-memory-accounted-in-global-limit")
}
