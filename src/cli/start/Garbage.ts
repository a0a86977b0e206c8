/**
 * How V8 collects the garbage of a hub that serves. After a quiet while it lets the heap grow by a third only before it
 * marks all of it again. Bytes on their way from a server to a client are counted toward that, so one user's large
 * answers had it mark three times a second: a seventh of the time in which all the others are served more slowly.
 */
import { getHeapStatistics, setFlagsFromString } from "node:v8"

/** Heaps that are kept smaller than this on purpose (`--max-old-space-size`, a container) grow as V8 thinks best. */
const smallHeap = 1024 * 1024 * 1024
/** How much the heap may grow, in percent of what lives in it. */
const growth = 200

/** Takes effect with the next collection. Deno takes no flags once it runs, and goes on as it is. */
export const collectLessOften = (): void => {
  if (getHeapStatistics().heap_size_limit >= smallHeap) setFlagsFromString(`--heap-growing-percent=${growth}`)
}
