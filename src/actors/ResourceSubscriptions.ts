/**
 * The resources one session wants to hear about, by server: told to stateful servers one by one (`resources/subscribe`),
 * to stateless ones as the whole set (`subscriptions/listen`), and again to whatever conversation takes the place of one
 * that ended.
 */
import { Effect } from "effect"
import type { CallContext, UpstreamConnection, UpstreamMessage } from "./upstream/UpstreamConnection.ts"
import type { UpstreamError } from "./upstream/UpstreamErrors.ts"

/** Succeeds with the server's answer. */
export type Change = (
  connection: UpstreamConnection,
  uri: string,
  context: CallContext
) => Effect.Effect<unknown, UpstreamError>

export interface ResourceSubscriptions {
  readonly has: (server: string, uri: string) => boolean
  readonly add: Change
  readonly remove: Change
  /** Tells a fresh conversation what the one before it knew. */
  readonly restore: (connection: UpstreamConnection, context: CallContext) => Effect.Effect<void>
}

/** `onMessage`: what a server sends beside its answer. */
export const make = (
  onMessage: (server: string, message: UpstreamMessage, context: CallContext) => void
): ResourceSubscriptions => {
  const wanted = new Map<string, Set<string>>()

  const urisOf = (server: string): ReadonlySet<string> => wanted.get(server) ?? new Set()

  const want = (server: string, uri: string): void => {
    const uris = wanted.get(server)
    if (uris === undefined) wanted.set(server, new Set([uri]))
    else uris.add(uri)
  }

  const forget = (server: string, uri: string): void => {
    const uris = wanted.get(server)
    uris?.delete(uri)
    if (uris?.size === 0) wanted.delete(server)
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
    has: (server, uri) => urisOf(server).has(uri),
    add: (connection, uri, context) =>
      Effect.suspend(() => {
        const known = urisOf(connection.server).has(uri)
        want(connection.server, uri)
        return Effect.tapError(tell(connection, "resources/subscribe", uri, context), () =>
          Effect.sync(() => {
            if (!known) forget(connection.server, uri)
          })
        )
      }),
    remove: (connection, uri, context) =>
      Effect.suspend(() => {
        forget(connection.server, uri)
        return tell(connection, "resources/unsubscribe", uri, context)
      }),
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
