/**
 * The resources one session wants to hear about, by server: told to stateful servers one by one (`resources/subscribe`),
 * to stateless ones as the whole set (`subscriptions/listen`), and again to whatever conversation takes the place of one
 * that ended.
 */
import { Effect } from "effect"
import type { CallContext, UpstreamConnection, UpstreamMessage } from "./upstream/UpstreamConnection.ts"
import type { UpstreamError } from "./upstream/UpstreamErrors.ts"

/** A resource as its client names it (`{server}+{uri}` where several servers offer it), and as its server does. */
export interface Resource {
  readonly asked: string
  readonly uri: string
}

/** Succeeds with the server's answer. */
export type Change = (
  connection: UpstreamConnection,
  resource: Resource,
  context: CallContext
) => Effect.Effect<unknown, UpstreamError>

export interface ResourceSubscriptions {
  /** What the client calls the resource of a server it wants to hear of; nothing where it does not. */
  readonly names: (server: string, uri: string) => Iterable<string>
  readonly add: Change
  readonly remove: Change
  /** Tells a fresh conversation what the one before it knew. */
  readonly restore: (connection: UpstreamConnection, context: CallContext) => Effect.Effect<void>
}

/** `onMessage`: what a server sends beside its answer. */
export const make = (
  onMessage: (server: string, message: UpstreamMessage, context: CallContext) => void
): ResourceSubscriptions => {
  /** By server and its own URI: the client's names for it. */
  const wanted = new Map<string, Map<string, Set<string>>>()

  const urisOf = (server: string): Iterable<string> => wanted.get(server)?.keys() ?? []

  const names: ResourceSubscriptions["names"] = (server, uri) => wanted.get(server)?.get(uri) ?? []

  const want = (server: string, { asked, uri }: Resource): void => {
    const uris = wanted.get(server) ?? new Map<string, Set<string>>()
    wanted.set(server, uris.set(uri, new Set(uris.get(uri)).add(asked)))
  }

  /** Whether the client has no name left for it. */
  const forget = (server: string, { asked, uri }: Resource): boolean => {
    const uris = wanted.get(server)
    const left = uris?.get(uri)
    left?.delete(asked)
    if (left !== undefined && left.size > 0) return false
    uris?.delete(uri)
    if (uris?.size === 0) wanted.delete(server)
    return true
  }

  const tell = (
    connection: UpstreamConnection,
    method: "resources/subscribe" | "resources/unsubscribe",
    uri: string,
    context: CallContext
  ): Effect.Effect<unknown, UpstreamError> => {
    const { listen, server } = connection
    if (listen !== undefined) return Effect.as(listen([...urisOf(server)], context), {})
    return connection.request({
      method,
      params: { uri },
      context,
      onMessage: (message) => onMessage(server, message, context)
    })
  }

  return {
    names,
    add: (connection, resource, context) =>
      Effect.suspend(() => {
        const { server } = connection
        const known = new Set(names(server, resource.uri)).has(resource.asked)
        want(server, resource)
        return Effect.tapError(tell(connection, "resources/subscribe", resource.uri, context), () =>
          Effect.sync(() => {
            if (!known) forget(server, resource)
          })
        )
      }),
    remove: (connection, resource, context) =>
      Effect.suspend(() =>
        forget(connection.server, resource)
          ? tell(connection, "resources/unsubscribe", resource.uri, context)
          : Effect.succeed({})
      ),
    restore: (connection, context) =>
      Effect.suspend(() => {
        const uris = [...urisOf(connection.server)]
        if (uris.length === 0) return Effect.void
        if (connection.listen !== undefined) return Effect.ignore(connection.listen(uris, context))
        return Effect.forEach(uris, (uri) => Effect.ignore(tell(connection, "resources/subscribe", uri, context)), {
          concurrency: "unbounded",
          discard: true
        })
      })
  }
}
