/** What a program holds in memory, after everything that nobody holds has been collected. */
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"

/** Only a runtime that was asked to lets a program collect garbage. */
const collect: () => void = (() => {
  setFlagsFromString("--expose-gc")
  return runInNewContext("gc")
})()

/** Bytes of the heap in use. */
export const heap = (): number => {
  collect()
  return process.memoryUsage().heapUsed
}
