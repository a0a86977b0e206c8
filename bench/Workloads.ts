/** What the bench asks of its targets: every round anew, or once on a process that has just been started. */
import { closePool, openPool, type Pool, type PoolOptions } from "./load/Pool.ts"
import { setUp } from "./load/SetUp.ts"
import { type Ask, big, echo, list, progress, type Slice, steady } from "./load/Steady.ts"
import type { Target } from "./targets/Target.ts"

interface Workload {
  readonly ask: Ask
  /** Of the length of a slice. */
  readonly part: number
  readonly pool: PoolOptions
}

export const bigBytes = 256 * 1024
const progressSteps = 20

/** Of clients that are there already; `setup` is the one workload without them. */
const steadily: Readonly<Record<string, Workload>> = {
  c1: { ask: echo, part: 0.5, pool: { users: 1, connections: 1 } },
  c32: { ask: echo, part: 1, pool: { users: 50, perUser: 2, connections: 32 } },
  list: { ask: list, part: 0.5, pool: { users: 16, connections: 16 } },
  big: { ask: big(bigBytes), part: 0.5, pool: { users: 8, connections: 8 } },
  progress: { ask: progress(progressSteps), part: 0.5, pool: { users: 8, connections: 8 } },
  stateless: { ask: echo, part: 0.5, pool: { users: 50, connections: 32, isStateless: true } }
}

export const everyRound = ["c1", "c32", "list", "big", "progress", "setup", "stateless"]

/** In the order in which they run: memory first, while the process is new, and last what kills the server. */
export const once = ["idle", "churn", "isolation", "recovery", "headers"]

export const workloadNames: ReadonlyArray<string> = [...everyRound, ...once]

/** The workloads on one target. Clients stay from round to round, so that a slice holds nothing but their calls. */
export class Load {
  readonly #target: Target
  readonly #pools = new Map<string, Pool>()

  constructor(target: Target) {
    this.#target = target
  }

  async run(name: string, ms: number): Promise<Slice> {
    const workload = steadily[name]
    if (workload === undefined) {
      const end = performance.now() + ms
      return setUp(this.#target, { connections: 8, users: 1_000, goesOn: () => performance.now() < end })
    }
    const pool = this.#pools.get(name) ?? (await openPool(this.#target, workload.pool))
    this.#pools.set(name, pool)
    return steady(this.#target, pool, ms * workload.part, workload.ask)
  }

  async close(): Promise<void> {
    for (const pool of this.#pools.values()) await closePool(pool)
  }
}
