/**
 * The operating system's view of a process: whether it exists, its children, its resident memory and its open
 * descriptors, all but the first on Linux only and nothing elsewhere.
 */
import { assert } from "@effect/vitest"
import { type Duration, Effect } from "effect"
import { existsSync, readdirSync, readFileSync, readlinkSync } from "node:fs"
import process from "node:process"
import { eventually } from "./Eventually.ts"

const tryOr = <A>(read: () => A, otherwise: A): A => {
  try {
    return read()
  } catch {
    // The process, or the descriptor, has gone in between.
    return otherwise
  }
}

export const isKnown = existsSync("/proc/self/fd")

/** The parent of each process, by pid. */
const parents = (): ReadonlyMap<number, number> => {
  const found = new Map<number, number>()
  for (const name of tryOr(() => readdirSync("/proc"), [])) {
    if (!/^\d+$/.test(name)) continue
    const stat = tryOr(() => readFileSync(`/proc/${name}/stat`, "utf8"), "")
    // The command is in brackets and may hold anything; state and parent follow it.
    const [state, parent] = stat.slice(stat.lastIndexOf(")") + 2).split(" ")
    if (state !== "Z") found.set(Number(name), Number(parent))
  }
  return found
}

const childrenIn = (table: ReadonlyMap<number, number>, pid: number): ReadonlyArray<number> =>
  [...table].flatMap(([child, parent]) => (parent === pid ? [child] : []))

/** Pids of the direct children. */
export const childrenOf = (pid: number): ReadonlyArray<number> => childrenIn(parents(), pid)

/** Pids of the children, of theirs, and so on. */
export const descendantsOf = (pid: number): ReadonlyArray<number> => {
  const table = parents()
  const all = [pid]
  for (const one of all) all.push(...childrenIn(table, one))
  return all.slice(1)
}

/** Its resident memory; none where the process has gone. */
export const residentMiB = (pid: number): number =>
  Math.round(
    Number(/^VmRSS:\s+(\d+)/m.exec(tryOr(() => readFileSync(`/proc/${pid}/status`, "utf8"), ""))?.[1] ?? 0) / 1024
  )

/** How many sockets and pipes it has open. */
export const connectionsOf = (pid: number): number =>
  tryOr(() => readdirSync(`/proc/${pid}/fd`), []).filter((fd) =>
    /^(socket|pipe):/.test(tryOr(() => readlinkSync(`/proc/${pid}/fd/${fd}`), ""))
  ).length

export const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

/** Waits until none is on the system's list; an orphan stays on it until the first process has reaped it. */
export const gone = (pids: ReadonlyArray<number>, deadline: Duration.Input = "3 seconds") =>
  Effect.map(
    eventually(
      Effect.sync(() => pids.filter(isAlive)),
      (left) => left.length === 0,
      { deadline, every: "5 millis" }
    ),
    (left) => assert.deepStrictEqual(left, [], "these processes are still there")
  )
