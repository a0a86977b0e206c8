/**
 * The resources one session wants to hear about, by server: told to stateful servers one by one (`resources/subscribe`),
 * to stateless ones as the whole set (`subscriptions/listen`), and again to whatever connection takes the place of one
 * that ended, also after a restart of the hub.
 */
import { Effect } from "effect"
import type { Resource, SessionMemory } from "./SessionMemory.ts"
import type { CallContext, UpstreamConnection, UpstreamMessage } from "../upstream/connection/UpstreamConnection.ts"
import type { SubscriptionRefused } from "../../domain/requests/RequestErrors.ts"
import type { UpstreamError } from "../../domain/requests/UpstreamErrors.ts"

/** Succeeds with the server's answer. */
export type Change = (
  connection: UpstreamConnection,
  resource: Resource,
  context: CallContext
) => Effect.Effect<unknown, UpstreamError | SubscriptionRefused>

export interface ResourceSubscriptions {
  /** What the client calls the resource of a server it wants to hear of; nothing where it does not. */
  readonly names: (server: string, uri: string) => Iterable<string>
  readonly add: Change
  readonly remove: Change
  /** Tells a fresh connection what the one before it knew. */
  readonly restore: (connection: UpstreamConnection, context: CallContext) => Effect.Effect<void>
}

/** `onMessage`: what a server sends beside its answer. */
export const make = (
  { forget, names, urisOf, want }: SessionMemory,
  onMessage: (server: string, message: UpstreamMessage, context: CallContext) => void
): ResourceSubscriptions => {
  const tell = (
    connection: UpstreamConnection,
    method: "resources/subscribe" | "resources/unsubscribe",
    uri: string,
    context: CallContext,
    own = false
  ): Effect.Effect<unknown, UpstreamError> => {
    const { listen, server } = connection
    if (listen !== undefined) return Effect.as(listen([...urisOf(server)], context), {})
    return connection.request({
      method,
      params: { uri },
      context,
      own,
      onMessage: (message) => onMessage(server, message, context)
    })
  }

  return {
    names,
    add: (connection, resource, context) =>
      Effect.suspend((): Effect.Effect<unknown, UpstreamError | SubscriptionRefused> => {
        const { server } = connection
        const known = new Set(names(server, resource.uri)).has(resource.asked)
        const refused = want(server, resource)
        if (refused !== undefined) return Effect.fail(refused)
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
        return Effect.forEach(
          uris,
          (uri) => Effect.ignore(tell(connection, "resources/subscribe", uri, context, true)),
          {
            concurrency: "unbounded",
            discard: true
          }
        )
      })
  }
}
