/** What the operating system knows of a process: its children and its open descriptors. Linux only; empty elsewhere. */
import { existsSync, readdirSync, readFileSync, readlinkSync } from "node:fs"

const tryOr = <A>(read: () => A, otherwise: A): A => {
  try {
    return read()
  } catch {
    // The process, or the descriptor, has gone in between.
    return otherwise
  }
}

export const isKnown = existsSync("/proc/self/fd")

/** Pids of the direct children. */
export const childrenOf = (pid: number): ReadonlyArray<number> =>
  readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((name) => {
      const stat = tryOr(() => readFileSync(`/proc/${name}/stat`, "utf8"), "")
      // The command is in brackets and may hold anything; state and parent follow it.
      const [state, parent] = stat.slice(stat.lastIndexOf(")") + 2).split(" ")
      return Number(parent) === pid && state !== "Z"
    })
    .map(Number)

/** How many sockets and pipes it has open. */
export const connectionsOf = (pid: number): number =>
  tryOr(() => readdirSync(`/proc/${pid}/fd`), []).filter((fd) =>
    /^(socket|pipe):/.test(tryOr(() => readlinkSync(`/proc/${pid}/fd/${fd}`), ""))
  ).length
