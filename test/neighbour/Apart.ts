/**
 * Keeps the programs of a measurement from taking each other's processors, so that what is measured is the hub and not who
 * got to run: processors of their own on a machine with four, and on a smaller one priorities (nice(2), which takes root).
 */
import { execFileSync } from "node:child_process"
import { readdirSync } from "node:fs"
import { availableParallelism, setPriority } from "node:os"
import process from "node:process"

export type Role = keyof typeof processors

/** The hub has a second one for what V8 does beside its one thread, as anywhere else. */
const processors = { hub: "0-1", measured: "2", disturber: "3" }

const priorities = { hub: -10, measured: -20, disturber: 19 } satisfies Record<Role, number>

/** This process with all its threads, and what it starts from now on. */
export const become = (role: Role): void => {
  if (availableParallelism() < 4) {
    // A priority is a thread's; a process inherits that of the thread that starts it.
    for (const thread of readdirSync("/proc/self/task")) setPriority(Number(thread), priorities[role])
    return
  }
  execFileSync("taskset", ["-a", "-p", "-c", processors[role], String(process.pid)], { stdio: "ignore" })
}
