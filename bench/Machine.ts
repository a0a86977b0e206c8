/** CPU time and memory of process trees, and processors for them, from Linux's /proc and `taskset`. */
import { execFileSync } from "node:child_process"
import { readdirSync, readFileSync } from "node:fs"

const read = (path: string): string => {
  try {
    return readFileSync(path, "utf8")
  } catch {
    return ""
  }
}

const list = (path: string): ReadonlyArray<string> => {
  try {
    return readdirSync(path)
  } catch {
    return []
  }
}

/** With all its threads; what it starts from now on stays there with it. */
export const pin = (pid: number, processor: string): void =>
  void execFileSync("taskset", ["-a", "-p", "-c", processor, String(pid)], { stdio: "ignore" })

/** A process and all below it. */
export const tree = (root: number): ReadonlyArray<number> => {
  const children = new Map<number, Array<number>>()
  for (const name of list("/proc")) {
    if (!/^\d+$/.test(name)) continue
    const stat = read(`/proc/${name}/stat`)
    const parent = Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1])
    const same = children.get(parent)
    if (same === undefined) children.set(parent, [Number(name)])
    else same.push(Number(name))
  }
  const found = [root]
  for (const pid of found) found.push(...(children.get(pid) ?? []))
  return found
}

export interface Usage {
  /** Seconds on a processor, all threads together. */
  readonly cpu: number
  /** Bytes. */
  readonly resident: number
  readonly peak: number
}

const kilobytes = (status: string, name: string): number =>
  Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(status)?.[1] ?? 0) * 1024

export const usage = (root: number): Usage => {
  const total = { cpu: 0, resident: 0, peak: 0 }
  for (const pid of tree(root)) {
    for (const thread of list(`/proc/${pid}/task`)) {
      total.cpu += Number(read(`/proc/${pid}/task/${thread}/schedstat`).split(" ")[0] || 0) / 1e9
    }
    const status = read(`/proc/${pid}/status`)
    total.resident += kilobytes(status, "VmRSS")
    total.peak += kilobytes(status, "VmHWM")
  }
  return total
}

export const load = (): string => read("/proc/loadavg").split(" ").slice(0, 3).join(" ")
