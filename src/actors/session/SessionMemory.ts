/**
 * The wishes that a client utters once for its whole session: the log level and the resources it subscribed to. They
 * hold for every connection to a server that begins later, and outlive the hub's process (`SessionStore`).
 */
import { SubscriptionRefused } from "../../domain/requests/RequestErrors.ts"
import { MemoryLimitReached } from "../../domain/requests/UpstreamErrors.ts"
import type { Room } from "../limits/Retained.ts"
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
  /** The error says why the session may not hear of it; nothing has changed then. */
  readonly want: (server: string, resource: Resource) => MemoryLimitReached | SubscriptionRefused | undefined
  /** Whether the client has no name left for it. */
  readonly forget: (server: string, resource: Resource) => boolean
  readonly subscriptions: () => ReadonlyArray<Subscription>
  /** Grows with every change. */
  readonly revision: () => number
}

/** Of one session. So many of such a length are written down within the time that a statement has. */
export const maxSubscriptions = 1_000
const maxUriLength = 8 * 1024
const maxCharacters = 1024 * 1024

/** Characters a subscription is kept and written in; what it takes besides counts as a hundred of them. */
const lengthOf = (server: string, { asked, uri }: Resource): number => 100 + server.length + asked.length + uri.length

export const make = (
  earlier: Pick<StoredClient, "logLevel" | "subscriptions"> | undefined,
  room: Room
): SessionMemory => {
  /** By server and its own URI: the client's names for it. */
  const wanted = new Map<string, Map<string, Set<string>>>()
  let logLevel = earlier?.logLevel
  let revision = 0
  let count = 0
  let characters = 0

  /** Why one more may not be wanted. */
  const refusal = (length: number, uri: string): MemoryLimitReached | SubscriptionRefused | undefined => {
    if (uri.length > maxUriLength) return tooLong
    if (count >= maxSubscriptions || characters + length > maxCharacters) return tooMany
    return room.hold(length) ? undefined : noRoom
  }

  const want: SessionMemory["want"] = (server, resource) => {
    const { asked, uri } = resource
    const length = lengthOf(server, resource)
    if (wanted.get(server)?.get(uri)?.has(asked) === true) return undefined
    const refused = refusal(length, uri)
    if (refused !== undefined) return refused
    revision++
    count++
    characters += length
    const uris = wanted.get(server) ?? new Map<string, Set<string>>()
    wanted.set(server, uris.set(uri, new Set(uris.get(uri)).add(asked)))
    return undefined
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
    forget: (server, resource) => {
      const { asked, uri } = resource
      revision++
      const uris = wanted.get(server)
      const left = uris?.get(uri)
      if (left?.delete(asked) === true) {
        const length = lengthOf(server, resource)
        count--
        characters -= length
        room.release(length)
      }
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

const tooLong = new SubscriptionRefused({
  message: `The address of a resource to subscribe to may have ${maxUriLength} characters`
})

const tooMany = new SubscriptionRefused({
  message: `A session may subscribe to ${maxSubscriptions} resources, in ${maxCharacters} characters; unsubscribe from some`
})

const noRoom = new MemoryLimitReached({
  message:
    "There is no room for more subscriptions of this user's sessions (a sixteenth of MAX_MEMORY_PER_USER); unsubscribe from some, or end sessions that are not needed"
})
