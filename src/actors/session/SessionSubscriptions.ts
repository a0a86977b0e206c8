/**
 * The resources that the client wants to hear of. Stateful clients subscribe by requests of their own; for a stateless
 * client the hub subscribes at the servers while a `subscriptions/listen` stream asks for it. Either hears of those
 * resources alone. `ResourceSubscriptions` tells the servers.
 */
import { Effect, Option } from "effect"
import { timeoutAwake } from "../../domain/AwakeTimeout.ts"
import { HubConfig } from "../../domain/config/HubConfig.ts"
import type { Principal } from "../../domain/identity/Principal.ts"
import type { Catalog } from "../catalog/Catalog.ts"
import * as ResourceSubscriptions from "./ResourceSubscriptions.ts"
import type { AccessFor } from "./SessionAccess.ts"
import type { ListenFilter } from "../streams/SessionEvents.ts"
import type { SessionMemory } from "./SessionMemory.ts"
import type { CallContext, UpstreamMessage } from "../upstream/connection/UpstreamConnection.ts"
import type { UpstreamLinks } from "../upstream/links/UpstreamLinks.ts"

export interface SubscriptionOptions {
  readonly accessFor: AccessFor
  readonly catalog: Catalog
  readonly links: UpstreamLinks
  readonly memory: SessionMemory
  readonly onSessionMessage: (server: string, message: UpstreamMessage, context: CallContext) => void
}

export interface SessionSubscriptions extends ResourceSubscriptions.ResourceSubscriptions {
  /** Connects what a listening client wants to hear of, and subscribes to its resources; the result are those that can be. */
  readonly subscribe: (
    principal: Principal,
    context: CallContext,
    filter: ListenFilter
  ) => Effect.Effect<ReadonlyArray<string>>
  readonly unsubscribe: (principal: Principal, context: CallContext, uris: ReadonlyArray<string>) => Effect.Effect<void>
}

export const make = Effect.fnUntraced(function* ({
  accessFor,
  catalog,
  links,
  memory,
  onSessionMessage
}: SubscriptionOptions) {
  const hub = yield* HubConfig
  const resources = ResourceSubscriptions.make(memory, onSessionMessage)

  const ask = Effect.fnUntraced(function* (
    principal: Principal,
    context: CallContext,
    uri: string,
    change: ResourceSubscriptions.Change
  ) {
    const route = yield* catalog.resource(uri, accessFor(principal), context)
    const connection = yield* links.get(route.server, context)
    yield* change(connection, { asked: uri, uri: route.name }, context)
  })

  return {
    ...resources,
    subscribe: Effect.fnUntraced(function* (principal, context, filter) {
      const access = accessFor(principal)
      yield* Effect.forEach(access.keys(), (server) => Effect.ignore(links.get(server, context)), {
        concurrency: "unbounded",
        discard: true
      }).pipe(timeoutAwake(hub.listTimeout, () => Effect.void))
      const answered = yield* Effect.forEach(
        filter.resourceSubscriptions ?? [],
        (uri) => ask(principal, context, uri, resources.add).pipe(Effect.as(uri), Effect.option),
        { concurrency: "unbounded" }
      )
      return answered.flatMap((uri) => (Option.isSome(uri) ? [uri.value] : []))
    }),
    unsubscribe: (principal, context, uris) =>
      Effect.forEach(uris, (uri) => Effect.ignore(ask(principal, context, uri, resources.remove)), {
        discard: true
      })
  } satisfies SessionSubscriptions
})
