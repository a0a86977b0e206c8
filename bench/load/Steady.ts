/** Calls without a pause for a while: each connection asks for its clients in turn, one call after the other. */
import { setTimeout as pause } from "node:timers/promises"
import { quantile } from "../Figures.ts"
import { type Usage, usage } from "../Machine.ts"
import type { Target } from "../targets/Target.ts"
import { tools } from "../upstream/Tools.ts"
import type { Client } from "./Client.ts"
import type { Pool } from "./Pool.ts"
import { nonce, Tally } from "./Tally.ts"

/** One call; its tally is its caller's. */
export type Ask = (client: Client, count: number, tally: Tally) => Promise<void>

export const echo: Ask = async (client, count, tally) => {
  const sent = nonce(client, count)
  tally.check(client, sent, (await client.call("echo", { text: sent })).text)
}

export const list: Ask = async (client, _count, tally) => {
  const { result } = await client.request("tools/list", {})
  tally.expect((result["tools"] as ReadonlyArray<unknown>).length >= tools.length)
}

export const big =
  (bytes: number): Ask =>
  async (client, _count, tally) =>
    tally.expect((await client.call("big", { bytes })).text.length === bytes)

export const progress =
  (steps: number): Ask =>
  async (client, count, tally) => {
    const sent = nonce(client, count)
    const { notifications, text } = await client.call("progress", { steps, text: sent }, { progress: true })
    if (tally.check(client, sent, text)) tally.notifications += notifications
  }

/** The figures of one slice. */
export interface Slice {
  readonly ok: number
  readonly failed: number
  readonly crossed: number
  readonly wrong: number
  readonly notifications: number
  readonly errors: Readonly<Record<string, number>>
  readonly perSecond: number
  /** Milliseconds. */
  readonly p50: number
  readonly p95: number
  readonly p99: number
  readonly p999: number
  /** Microseconds of CPU of the target per answer; NaN where the target has no process. */
  readonly cpu: number
  /** Part of one processor that the target used. */
  readonly busy: number
  /** Bytes resident afterwards. */
  readonly resident: number
}

export const sliceOf = (tally: Tally, seconds: number, before?: Usage, after?: Usage): Slice => {
  const used = before === undefined || after === undefined ? Number.NaN : after.cpu - before.cpu
  return {
    ok: tally.ok,
    failed: tally.failed,
    crossed: tally.crossed,
    wrong: tally.wrong,
    notifications: tally.notifications,
    errors: Object.fromEntries(tally.errors),
    perSecond: tally.ok / seconds,
    p50: quantile(tally.latencies, 0.5),
    p95: quantile(tally.latencies, 0.95),
    p99: quantile(tally.latencies, 0.99),
    p999: quantile(tally.latencies, 0.999),
    cpu: (used * 1e6) / Math.max(1, tally.ok),
    busy: used / seconds,
    resident: after?.resident ?? Number.NaN
  }
}

/** A client whose calls fail again and again is given up, so that a broken target does not pass for a quick one. */
const patience = 20

export const steady = async (target: Target, pool: Pool, ms: number, ask: Ask): Promise<Slice> => {
  const tally = new Tally()
  const before = target.pid === undefined ? undefined : usage(target.pid)
  const begun = performance.now()
  let count = 0
  await Promise.all(
    pool.clients.map(async (clients) => {
      let failures = 0
      for (let turn = 0; clients.length > 0 && performance.now() < begun + ms && failures < patience; turn++) {
        const asked = performance.now()
        try {
          await ask(clients[turn % clients.length]!, ++count, tally)
          tally.latencies.push(performance.now() - asked)
        } catch (error) {
          tally.fail(error)
          failures++
          await pause(1)
        }
      }
    })
  )
  const seconds = (performance.now() - begun) / 1_000
  return sliceOf(tally, seconds, before, target.pid === undefined ? undefined : usage(target.pid))
}
