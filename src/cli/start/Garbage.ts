/**
 * The garbage collection of a serving hub. By itself V8 marks the whole heap each time the process has received 64 MB
 * or the heap has grown by a third. One user's large answers cause that three times a second, which slows everybody
 * else down for a seventh of the time. Here the heap may double first, and bytes on their way count as part of it.
 */
import process from "node:process"
import { getHeapStatistics, setFlagsFromString } from "node:v8"

/** V8 decides alone about heaps that are smaller than this on purpose (`--max-old-space-size`, a container). */
const smallHeap = 1024 * 1024 * 1024

/** The V8 of Node 24, on which this was measured. Others may not know the second flag, and would say so in the log. */
const measuredV8 = /^13\./

/** Takes effect from the next collection on. Deno accepts no flags once it runs, and goes on as before. */
export const collectLessOften = (): void => {
  if (getHeapStatistics().heap_size_limit < smallHeap) return
  setFlagsFromString("--heap-growing-percent=100")
  if (measuredV8.test(process.versions.v8)) setFlagsFromString("--external-memory-accounted-in-global-limit")
}
