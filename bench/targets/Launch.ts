/** Starts a target, waits for its first right answer, and learns from it what the tools are called there. */
import type { ChildProcess } from "node:child_process"
import { mkdirSync, readFileSync, rmSync } from "node:fs"
import { join } from "node:path"
import { setTimeout as pause } from "node:timers/promises"
import { Client } from "../load/Client.ts"
import { freePort, hasEnded, run, stop } from "../Programs.ts"
import { Connection } from "../wire/Connection.ts"
import { type Plan, type Target, users } from "./Target.ts"

export interface Launched {
  readonly target: Target
  readonly stop: () => Promise<void>
}

export interface Ground {
  readonly folder: string
  readonly upstreamPort: number
  readonly processor: string | undefined
}

const bootLimitMs = 60_000

/** The hub puts the server's name before a tool's. */
const prefixOf = async (target: Target): Promise<string> => {
  const connection = new Connection(target)
  try {
    const client = await Client.open(target, connection, target.users[0]!, 0)
    const { result } = await client.request("tools/list", {})
    const names = (result["tools"] as ReadonlyArray<{ readonly name: string }>).map(({ name }) => name)
    const own = names.find((name) => name.endsWith("echo"))
    if (own === undefined) throw new Error(`no tool echo among ${names.slice(0, 5).join(", ")}`)
    await client.close()
    return own.slice(0, -"echo".length)
  } finally {
    connection.close()
  }
}

const untilReady = async (target: Target, child: ChildProcess | undefined, log: string): Promise<string> => {
  const begun = performance.now()
  for (;;) {
    try {
      return await prefixOf(target)
    } catch (error) {
      const isGone = child !== undefined && hasEnded(child)
      if (isGone || performance.now() - begun > bootLimitMs) {
        const said = child === undefined ? "" : readFileSync(log, "utf8").slice(-500)
        throw new Error(`${target.plan.name} did not start: ${(error as Error).message}\n${said}`, { cause: error })
      }
      await pause(50)
    }
  }
}

export const launch = async (plan: Plan, ground: Ground): Promise<Launched> => {
  const folder = join(ground.folder, plan.name)
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  const log = join(ground.folder, `${plan.name}.log`)
  const port = plan.start === undefined ? ground.upstreamPort : await freePort()
  const upstream = `http://127.0.0.1:${ground.upstreamPort}`
  const begun = performance.now()
  const start = plan.start?.({ port, folder, upstream, users })
  const child = start && run({ ...start, cwd: folder, log, processor: ground.processor })
  const base: Target = {
    plan,
    host: "127.0.0.1",
    port,
    path: "/mcp",
    users,
    pid: child?.pid,
    readyMs: 0,
    offersStateless: plan.skip?.includes("stateless") !== true,
    tool: (name) => name,
    identity: plan.identity ?? ((headers) => headers["x-mcphub-user-id"])
  }
  try {
    const prefix = await untilReady(base, child, log)
    const readyMs = performance.now() - begun
    const target = { ...base, readyMs, tool: (name: string) => prefix + name }
    return { target, stop: async () => child && (await stop(child)) }
  } catch (error) {
    if (child !== undefined) await stop(child)
    throw error
  }
}
