/**
 * The resources that the client wants to hear of. Stateful clients subscribe by requests of their own; for a stateless
 * client the hub subscribes at the servers while a `subscriptions/listen` stream asks for it. Either hears of those
 * resources alone. `ResourceSubscriptions` tells the servers.
 */
import { Effect, Option } from "effect"
import { timeoutAwake } from "../../domain/AwakeTimeout.ts"
import { HubConfig } from "../../domain/config/HubConfig.ts"
import type { Catalog } from "../catalog/Catalog.ts"
import * as ResourceSubscriptions from "./ResourceSubscriptions.ts"
import type { AccessInForce } from "./SessionAccess.ts"
import type { ListenFilter } from "../streams/SessionEvents.ts"
import type { SessionMemory } from "./SessionMemory.ts"
import type { CallContext, UpstreamMessage } from "../upstream/connection/UpstreamConnection.ts"
import type { UpstreamLinks } from "../upstream/links/UpstreamLinks.ts"

export interface SubscriptionOptions {
  readonly access: AccessInForce
  readonly catalog: Catalog
  readonly links: UpstreamLinks
  readonly memory: SessionMemory
  readonly onSessionMessage: (server: string, message: UpstreamMessage, context: CallContext) => void
}

export interface SessionSubscriptions extends ResourceSubscriptions.ResourceSubscriptions {
  /** Connects what a listening client wants to hear of, and subscribes to its resources; the result are those that can be. */
  readonly subscribe: (context: CallContext, filter: ListenFilter) => Effect.Effect<ReadonlyArray<string>>
  readonly unsubscribe: (context: CallContext, uris: ReadonlyArray<string>) => Effect.Effect<void>
}

export const make = Effect.fnUntraced(function* ({
  access,
  catalog,
  links,
  memory,
  onSessionMessage
}: SubscriptionOptions) {
  const hub = yield* HubConfig
  const resources = ResourceSubscriptions.make(memory, onSessionMessage)

  const ask = Effect.fnUntraced(function* (context: CallContext, uri: string, change: ResourceSubscriptions.Change) {
    const route = yield* catalog.resource(uri, access(), context)
    const connection = yield* links.get(route.server, context)
    yield* change(connection, { asked: uri, uri: route.name }, context)
  })

  return {
    ...resources,
    subscribe: Effect.fnUntraced(function* (context, filter) {
      yield* Effect.forEach(access().keys(), (server) => Effect.ignore(links.get(server, context)), {
        concurrency: "unbounded",
        discard: true
      }).pipe(timeoutAwake(hub.listTimeout, () => Effect.void))
      const answered = yield* Effect.forEach(
        filter.resourceSubscriptions ?? [],
        (uri) => ask(context, uri, resources.add).pipe(Effect.as(uri), Effect.option),
        { concurrency: "unbounded" }
      )
      return answered.flatMap((uri) => (Option.isSome(uri) ? [uri.value] : []))
    }),
    unsubscribe: (context, uris) =>
      Effect.forEach(uris, (uri) => Effect.ignore(ask(context, uri, resources.remove)), {
        discard: true
      })
  } satisfies SessionSubscriptions
})
