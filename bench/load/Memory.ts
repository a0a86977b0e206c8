/** Memory of a target's process tree: what an idle session takes, and whether it comes back. */
import { setTimeout as pause } from "node:timers/promises"
import { usage } from "../Machine.ts"
import { pidOf, type Target } from "../targets/Target.ts"
import { Connection } from "../wire/Connection.ts"
import { Client } from "./Client.ts"
import { setUp } from "./SetUp.ts"
import { nonce, Tally } from "./Tally.ts"

const connectionCount = 8
/** Over which the sessions are spread. */
const userCount = 50
/** For what a target does after a burst, before its memory is read. */
const settleMs = 1_500

const resident = async (target: Target): Promise<number> => {
  await pause(settleMs)
  return usage(pidOf(target)).resident
}

export interface IdleMemory {
  readonly sessions: number
  /** Sessions that answered at the end. */
  readonly alive: number
  readonly failed: number
  readonly crossed: number
  readonly wrong: number
  /** Bytes per session; from the second fifth of them on, so that what a process makes once does not count. */
  readonly perSession: number
  /** Bytes per session that are still resident after all have been closed. */
  readonly kept: number
  readonly residentBefore: number
  readonly residentIdle: number
}

/** Sessions that have made one call and rest; at the end each is asked once more. */
export const idleMemory = async (target: Target, count: number): Promise<IdleMemory> => {
  const tally = new Tally()
  const connections = Array.from({ length: connectionCount }, () => new Connection(target))
  const clients: Array<Array<Client>> = connections.map(() => [])
  const each = (what: (connection: Connection, at: number) => Promise<void>) => Promise.all(connections.map(what))
  const ask = async (client: Client, turn: number): Promise<boolean> => {
    const sent = nonce(client, turn)
    return tally.check(client, sent, (await client.call("echo", { text: sent })).text)
  }
  const fill = (from: number, to: number) =>
    each(async (connection, at) => {
      for (let index = from + at; index < to; index += connectionCount) {
        try {
          const client = await Client.open(target, connection, target.users[index % userCount]!, index)
          await ask(client, 0)
          clients[at]!.push(client)
        } catch (error) {
          tally.fail(error)
        }
      }
    })
  const opened = () => clients.reduce((sum, own) => sum + own.length, 0)

  const residentBefore = usage(pidOf(target)).resident
  await fill(0, Math.floor(count / 5))
  const first = { resident: await resident(target), sessions: opened() }
  await fill(Math.floor(count / 5), count)
  const residentIdle = await resident(target)
  const sessions = opened()
  let alive = 0
  await each(async (_connection, at) => {
    for (const client of clients[at]!) if (await ask(client, 1).catch(() => false)) alive++
  })
  await each(async (connection, at) => {
    for (const client of clients[at]!) await client.close().catch(() => {})
    connection.close()
  })
  const after = await resident(target)
  const counted = Math.max(1, sessions - first.sessions)
  return {
    sessions,
    alive,
    failed: tally.failed,
    crossed: tally.crossed,
    wrong: tally.wrong,
    perSession: (residentIdle - first.resident) / counted,
    kept: (after - first.resident) / counted,
    residentBefore,
    residentIdle
  }
}

export interface ChurnMemory {
  readonly sessions: number
  readonly failed: number
  readonly crossed: number
  readonly wrong: number
  /** Bytes resident after each fifth of the sessions, all of them closed. */
  readonly resident: ReadonlyArray<number>
  /** Bytes that a session adds for good, from the second fifth to the last. */
  readonly kept: number
}

/** Sessions opened and closed again, in five parts: after the second, memory must not grow with their number. */
export const churnMemory = async (target: Target, count: number): Promise<ChurnMemory> => {
  const parts = 5
  const total = { ok: 0, failed: 0, crossed: 0, wrong: 0 }
  const after: Array<number> = []
  for (let part = 0; part < parts; part++) {
    const goesOn = (begun: number) => begun < count / parts
    const { crossed, failed, ok, wrong } = await setUp(target, {
      connections: connectionCount,
      users: userCount,
      goesOn
    })
    total.ok += ok
    total.failed += failed
    total.crossed += crossed
    total.wrong += wrong
    after.push(await resident(target))
  }
  const kept = (after[parts - 1]! - after[1]!) / Math.max(1, (count * (parts - 2)) / parts)
  const { crossed, failed, ok, wrong } = total
  return { sessions: ok, failed, crossed, wrong, resident: after, kept }
}
