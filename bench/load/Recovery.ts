/** What a target does when clients hang up, and when its server dies and comes back. */
import { setTimeout as pause } from "node:timers/promises"
import type { Target } from "../targets/Target.ts"
import { Connection } from "../wire/Connection.ts"
import { Client } from "./Client.ts"

/** The server, for those who count in it or end it. */
export interface UpstreamControl {
  readonly counts: () => Promise<Readonly<Record<string, number>>>
  readonly reset: () => Promise<unknown>
  readonly kill: () => Promise<void>
  readonly start: () => Promise<void>
}

export interface Recovered {
  /** Of the clients that hung up, those whose call the server saw ended. */
  readonly aborted: string
  /** Milliseconds of a call while the server is down, and its error. */
  readonly down: string
  /** Milliseconds from the server's return to an answer in a fresh session; NaN when there was none in ten seconds. */
  readonly fresh: number
  /** What a session from before the fall says to a call. */
  readonly old: string
}

const hangUps = 50
const freshLimitMs = 10_000

const messageOf = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error)).replaceAll(/[\s|]+/g, " ").slice(0, 60)

/** Until a count of the server fits, or for so long; how many milliseconds it took. */
const until = async (
  upstream: UpstreamControl,
  fits: (running: number) => boolean,
  limitMs: number
): Promise<number> => {
  const begun = performance.now()
  while (performance.now() - begun < limitMs && !fits((await upstream.counts())["running"] ?? 0)) await pause(20)
  return performance.now() - begun
}

/** Clients with a connection of their own each hang up in a call, in the revision in which that cancels it. */
const hangUp = async (target: Target, upstream: UpstreamControl): Promise<string> => {
  const connections = Array.from({ length: hangUps }, () => new Connection(target))
  const calls = connections.map(async (connection, index) => {
    const client = await Client.open(target, connection, target.users[index]!, index, target.offersStateless)
    await client.call("sleep", { ms: 30_000, text: "never read" }).catch(() => {})
  })
  await until(upstream, (running) => running === hangUps, 10_000)
  for (const connection of connections) connection.close()
  await Promise.all(calls)
  const ms = await until(upstream, (running) => running === 0, 3_000)
  const { aborted = 0, cancelled = 0 } = await upstream.counts()
  return `${aborted + cancelled} of ${hangUps} in ${ms.toFixed(0)} ms`
}

const echoes = async (client: Client, text: string, timeout: number): Promise<boolean> =>
  (await client.call("echo", { text }, { timeout })).text === text

export const recovery = async (target: Target, upstream: UpstreamControl): Promise<Recovered> => {
  const connection = new Connection(target)
  const old = await Client.open(target, connection, target.users[0]!, 0)
  await echoes(old, "before", 5_000)
  await upstream.reset()
  const aborted = await hangUp(target, upstream)

  await upstream.kill()
  const begun = performance.now()
  const down = await echoes(old, "down", 8_000).then(() => "answered", messageOf)
  const downMs = performance.now() - begun
  await upstream.start()

  const back = performance.now()
  let fresh = Number.NaN
  while (Number.isNaN(fresh) && performance.now() - back < freshLimitMs) {
    const own = new Connection(target)
    const isThere = await Client.open(target, own, target.users[1]!, 1)
      .then((client) => echoes(client, "fresh", 3_000))
      .catch(() => false)
    own.close()
    if (isThere) fresh = performance.now() - back
    else await pause(100)
  }
  const oldSays = await echoes(old, "old", 5_000).then((isRight) => (isRight ? "works" : "wrong"), messageOf)
  connection.close()
  return { aborted, down: `${downMs.toFixed(0)} ms: ${down}`, fresh, old: oldSays }
}
