/**
 * The wishes that a client utters once for its whole session: the log level and the resources it subscribed to. They
 * hold for every connection to a server that begins later, and outlive the hub's process (`SessionStore`).
 */
import type { StoredClient, Subscription } from "../../domain/records/SessionStore.ts"

/** A resource as its client names it (`{server}+{uri}` where several servers offer it), and as its server does. */
export type Resource = Omit<Subscription, "server">

export interface SessionMemory {
  /** As set by a stateful client. */
  readonly logLevel: () => string | undefined
  readonly setLogLevel: (level: string) => void
  /** The resources of one server that the session hears about. */
  readonly urisOf: (server: string) => Iterable<string>
  /** The client's names for one of them. */
  readonly names: (server: string, uri: string) => Iterable<string>
  readonly want: (server: string, resource: Resource) => void
  /** Whether the client has no name left for it. */
  readonly forget: (server: string, resource: Resource) => boolean
  readonly subscriptions: () => ReadonlyArray<Subscription>
  /** Grows with every change. */
  readonly revision: () => number
}

export const make = (earlier: Pick<StoredClient, "logLevel" | "subscriptions"> | undefined): SessionMemory => {
  /** By server and its own URI: the client's names for it. */
  const wanted = new Map<string, Map<string, Set<string>>>()
  let logLevel = earlier?.logLevel
  let revision = 0

  const want = (server: string, { asked, uri }: Resource): void => {
    revision++
    const uris = wanted.get(server) ?? new Map<string, Set<string>>()
    wanted.set(server, uris.set(uri, new Set(uris.get(uri)).add(asked)))
  }

  for (const { server, ...resource } of earlier?.subscriptions ?? []) want(server, resource)

  return {
    logLevel: () => logLevel,
    setLogLevel: (level) => {
      revision++
      logLevel = level
    },
    urisOf: (server) => wanted.get(server)?.keys() ?? [],
    names: (server, uri) => wanted.get(server)?.get(uri) ?? [],
    want,
    forget: (server, { asked, uri }) => {
      revision++
      const uris = wanted.get(server)
      const left = uris?.get(uri)
      left?.delete(asked)
      if (left !== undefined && left.size > 0) return false
      uris?.delete(uri)
      if (uris?.size === 0) wanted.delete(server)
      return true
    },
    subscriptions: () =>
      [...wanted].flatMap(([server, uris]) =>
        [...uris].flatMap(([uri, names]) => [...names].map((asked) => ({ server, uri, asked })))
      ),
    revision: () => revision
  }
}
