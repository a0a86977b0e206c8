/**
 * Which resources the client wants to hear of. Stateful clients subscribe by requests of their own, and are told of
 * those resources alone; for a stateless client the hub subscribes at the servers while a `subscriptions/listen` stream
 * asks for it.
 */
import { Effect, Option } from "effect"
import { HubConfig } from "../domain/HubConfig.ts"
import type { Principal } from "../domain/Principal.ts"
import type { Catalog } from "./Catalog.ts"
import type { AccessFor } from "./SessionAccess.ts"
import type { ListenFilter } from "./SessionEvents.ts"
import type { CallContext, UpstreamMessage } from "./upstream/UpstreamConnection.ts"
import type { UpstreamLinks } from "./upstream/UpstreamLinks.ts"

export interface SubscriptionOptions {
  readonly accessFor: AccessFor
  readonly catalog: Catalog
  readonly links: UpstreamLinks
  readonly onSessionMessage: (server: string, message: UpstreamMessage, context: CallContext) => void
}

type Method = "resources/subscribe" | "resources/unsubscribe"

export interface SessionSubscriptions {
  /** A stateful client's own request, by the server's own URI. */
  readonly note: (method: string, uri: string) => void
  /** Whether a stateful client has subscribed to this URI. */
  readonly has: (uri: string) => boolean
  /** Connects what a listening client wants to hear of, and subscribes to its resources; the result are those that can be. */
  readonly subscribe: (
    principal: Principal,
    context: CallContext,
    filter: ListenFilter
  ) => Effect.Effect<ReadonlyArray<string>>
  readonly unsubscribe: (principal: Principal, context: CallContext, uris: ReadonlyArray<string>) => Effect.Effect<void>
}

export const make = Effect.fnUntraced(function* ({ accessFor, catalog, links, onSessionMessage }: SubscriptionOptions) {
  const hub = yield* HubConfig
  const subscribed = new Set<string>()

  const ask = Effect.fnUntraced(function* (principal: Principal, context: CallContext, uri: string, method: Method) {
    const route = yield* catalog.resource(uri, accessFor(principal), context)
    const connection = yield* links.get(route.server, context)
    const onMessage = (message: UpstreamMessage): void => onSessionMessage(route.server, message, context)
    yield* connection.request({ method, params: { uri: route.name }, context, onMessage })
  })

  return {
    note: (method, uri) => {
      if (method === "resources/subscribe") subscribed.add(uri)
      if (method === "resources/unsubscribe") subscribed.delete(uri)
    },
    has: (uri) => subscribed.has(uri),
    subscribe: Effect.fnUntraced(function* (principal, context, filter) {
      const access = accessFor(principal)
      yield* Effect.forEach(access.keys(), (server) => Effect.ignore(links.get(server, context)), {
        concurrency: "unbounded",
        discard: true
      }).pipe(Effect.timeoutOption(hub.listTimeout))
      const answered = yield* Effect.forEach(
        filter.resourceSubscriptions ?? [],
        (uri) => ask(principal, context, uri, "resources/subscribe").pipe(Effect.as(uri), Effect.option),
        { concurrency: "unbounded" }
      )
      return answered.flatMap((uri) => (Option.isSome(uri) ? [uri.value] : []))
    }),
    unsubscribe: (principal, context, uris) =>
      Effect.forEach(uris, (uri) => Effect.ignore(ask(principal, context, uri, "resources/unsubscribe")), {
        discard: true
      })
  } satisfies SessionSubscriptions
})
