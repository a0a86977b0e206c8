/** `KnownServers` for one session: what it finds there by the name of a server, and what it hears of while it lives. */
import { Effect } from "effect"
import type { Principal } from "../../domain/identity/Principal.ts"
import type { JsonObject } from "../../domain/protocol/JsonRpc.ts"
import { serverType } from "../../domain/servers/ServerConfig.ts"
import { Settings } from "../../domain/servers/Settings.ts"
import { type KnownBy, type KnownServer, KnownServers, type Watcher } from "./KnownServers.ts"

export interface KnownHere {
  /** Of servers that run as child processes: what a list of theirs depends on. */
  readonly by: (server: string, who?: Principal) => KnownBy | undefined
  readonly find: (server: string) => KnownServer | undefined
  /** Hears of its changes from now on. */
  readonly watch: (server: string, known: KnownServer) => void
}

export interface KnownHereOptions {
  /** The user as of the latest message. */
  readonly principal: () => Principal
  readonly protocolVersion: string
  readonly clientCapabilities: JsonObject
  readonly watcherOf: (server: string) => Watcher
}

export const make = Effect.fnUntraced(function* (options: KnownHereOptions) {
  const { clientCapabilities, principal, protocolVersion, watcherOf } = options
  const settings = yield* Settings
  const knowledge = yield* KnownServers
  const watching = new Map<string, { readonly known: KnownServer; readonly stop: () => void }>()

  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      for (const { stop } of watching.values()) stop()
    })
  )

  const by: KnownHere["by"] = (server, who = principal()) => {
    const config = settings.current().mcpServers[server]
    if (config === undefined || serverType(config) !== "stdio") return undefined
    return { principal: who, server, config, protocolVersion, clientCapabilities }
  }

  return {
    by,
    find: (server) => {
      const key = by(server)
      return key === undefined ? undefined : knowledge.find(key)
    },
    watch: (server, known) => {
      const watched = watching.get(server)
      if (watched?.known === known) return
      watched?.stop()
      watching.set(server, { known, stop: known.watch(watcherOf(server)) })
    }
  } satisfies KnownHere as KnownHere
})
