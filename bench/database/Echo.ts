/**
 * A small message to a thread and back: the least that a statement costs on SQLite, and what tells one machine's figures
 * from another's.
 */
import { Effect } from "effect"
import { Worker } from "node:worker_threads"

const program = `import { parentPort } from "node:worker_threads"
parentPort.on("message", (message) => parentPort.postMessage(message))`

export const echo = Effect.map(
  Effect.acquireRelease(
    Effect.sync(() => new Worker(new URL(`data:text/javascript,${encodeURIComponent(program)}`))),
    (worker) => Effect.promise(() => worker.terminate())
  ),
  (worker) =>
    Effect.callback<void>((resume) => {
      worker.once("message", () => resume(Effect.void))
      worker.postMessage("echo")
    })
)
