/**
 * The least that a statement costs on SQLite, and what tells one machine's figures from another's: a small message to a
 * thread and back, at once, and once the thread has put two pages on the disk, as every commit does. A thread that waited
 * for the disk wakes the one that waits for it from a deeper sleep, which costs that one far more.
 */
import { Effect } from "effect"
import { join } from "node:path"
import { Worker } from "node:worker_threads"

const program = `import { fdatasyncSync, openSync, writeSync } from "node:fs"
import { parentPort, workerData } from "node:worker_threads"
const file = openSync(workerData, "w")
const pages = Buffer.alloc(8192, 7)
parentPort.on("message", (message) => {
  if (message === "sync") {
    writeSync(file, pages)
    fdatasyncSync(file)
  }
  parentPort.postMessage(message)
})`

export const echo = (folder: string) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => {
        const url = new URL(`data:text/javascript,${encodeURIComponent(program)}`)
        return new Worker(url, { workerData: join(folder, "echo") })
      }),
      (worker) => Effect.promise(() => worker.terminate())
    ),
    (worker) =>
      (message: "echo" | "sync"): Effect.Effect<void> =>
        Effect.callback<void>((resume) => {
          worker.once("message", () => resume(Effect.void))
          worker.postMessage(message)
        })
  )
