/**
 * The program `mcphub`, with a defect planted beside it: SIGUSR2 makes a timer throw, SIGWINCH leaves a promise rejected
 * that nobody waits for.
 */
import process from "node:process"
import { setTimeout } from "node:timers"

const defect = (): Error => new TypeError("canary-planted-secret")

process.on("SIGUSR2", () => {
  setTimeout(() => {
    throw defect()
  }, 0)
})
process.on("SIGWINCH", () => void Promise.reject(defect()))

await import("../../../../src/main.ts")
