/** Open clients, divided among connections so that each connection carries the sessions of many users. */
import type { Target } from "../targets/Target.ts"
import { Connection } from "../wire/Connection.ts"
import { Client } from "./Client.ts"

export interface Pool {
  readonly connections: ReadonlyArray<Connection>
  /** By connection. */
  readonly clients: ReadonlyArray<ReadonlyArray<Client>>
}

export interface PoolOptions {
  readonly users: number
  readonly perUser?: number
  readonly connections: number
  readonly isStateless?: boolean
}

export const openPool = async (target: Target, options: PoolOptions): Promise<Pool> => {
  const { isStateless, perUser = 1, users } = options
  const connections = Array.from({ length: options.connections }, () => new Connection(target))
  const clients = await Promise.all(
    connections.map(async (connection, first) => {
      const own: Array<Client> = []
      for (let index = first; index < users * perUser; index += connections.length) {
        const user = target.users[Math.floor(index / perUser) % target.users.length]!
        const client = await Client.open(target, connection, user, index, isStateless)
        // A hub connects to a server with the first call that needs it, which belongs to the set-up.
        await client.call("echo", { text: "first" })
        own.push(client)
      }
      return own
    })
  )
  return { connections, clients }
}

export const closePool = async ({ clients, connections }: Pool): Promise<void> => {
  await Promise.all(
    connections.map(async (connection, index) => {
      for (const client of clients[index] ?? []) await client.close().catch(() => {})
      connection.close()
    })
  )
}
