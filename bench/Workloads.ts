/** What the bench asks of its targets: every round anew, or once on a process that has just been started. */
import { big, type Ask, echo, list, progress, type Slice, steady } from "./load/Steady.ts"
import { closePool, openPool, type PoolOptions } from "./load/Pool.ts"
import { setUp } from "./load/SetUp.ts"
import type { Target } from "./targets/Target.ts"

export interface Workload {
  readonly about: string
  /** `ms` is the length of a slice. */
  readonly run: (target: Target, ms: number) => Promise<Slice>
}

const inPool = (about: string, part: number, ask: Ask, options: PoolOptions): Workload => ({
  about,
  run: async (target, ms) => {
    const pool = await openPool(target, options)
    try {
      return await steady(target, pool, ms * part, ask)
    } finally {
      await closePool(pool)
    }
  }
})

export const bigBytes = 256 * 1024
export const progressSteps = 20

export const everyRound: Readonly<Record<string, Workload>> = {
  c1: inPool("one session, one call at a time, 200 bytes", 0.5, echo, { users: 1, connections: 1 }),
  c32: inPool("32 connections, 50 users with two sessions each, 200 bytes", 1, echo, {
    users: 50,
    perUser: 2,
    connections: 32
  }),
  list: inPool("16 connections, tools/list", 0.5, list, { users: 16, connections: 16 }),
  big: inPool("8 connections, results of 256 KiB", 0.5, big(bigBytes), { users: 8, connections: 8 }),
  progress: inPool("8 connections, 20 progress notifications per call", 0.5, progress(progressSteps), {
    users: 8,
    connections: 8
  }),
  setup: {
    about: "initialize, initialized, first call, DELETE, 8 at a time",
    run: (target, ms) => {
      const end = performance.now() + ms
      return setUp(target, { connections: 8, users: 1_000, goesOn: () => performance.now() < end })
    }
  },
  stateless: inPool("32 connections, revision 2026-07-28", 0.5, echo, {
    users: 50,
    connections: 32,
    isStateless: true
  })
}

export const once: Readonly<Record<string, string>> = {
  idle: "sessions that have made one call and rest",
  churn: "sessions opened and closed, in five parts",
  isolation: "50 users with two sessions each, all at once: who is the server told, whose state is it",
  recovery: "50 clients hang up in a call; the server is killed and started again",
  headers: "the bytes of the headers that the hub adds, by context; the hub only"
}

export const workloadNames: ReadonlyArray<string> = [...Object.keys(everyRound), ...Object.keys(once)]
