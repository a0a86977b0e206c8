/**
 * Another hub on the same users, keys, settings and stored sessions: the hub after a restart, or in a second process.
 */
import { Context, Effect, Layer, Queue } from "effect"
import { Sessions } from "../../../src/actors/registry/Sessions.ts"
import { MemoryStore } from "../../../src/domain/storage/memory/MemoryStore.ts"
import { SessionStore } from "../../../src/domain/records/SessionStore.ts"
import * as SessionStoreMemory from "../../../src/domain/storage/memory/SessionStoreMemory.ts"
import * as Hub from "../../../src/Hub.ts"
import { HubServer } from "../../../src/http/runtime/NodeServer.ts"
import { type McpClient, RawHttp } from "../../../src/testkit/index.ts"

type Services = Context.Context<
  Layer.Services<typeof Hub.layerActors> | Exclude<Layer.Services<typeof Hub.layerServer>, Sessions>
>

/** `send` goes to it with the session that the client has at the first hub. */
export const secondHub = Effect.fnUntraced(function* (services: Services) {
  const layer = Layer.fresh(Hub.layerServer.pipe(Layer.provideMerge(Hub.layerActors)))
  const own = yield* Layer.build(layer).pipe(Effect.provideContext(services))
  const http = yield* RawHttp.make(new URL(Context.get(own, HubServer).url).origin)
  const send = (client: McpClient.McpClient, message: object, headers: Readonly<Record<string, string>> = {}) =>
    http.send({ path: client.path, headers: { ...client.headers, ...headers }, body: JSON.stringify(message) })
  return { http, send, sessions: Context.get(own, Sessions) }
})

/** Stored sessions that count what is looked up, and can be made to stand still. */
export const watchedStore = Effect.gen(function* () {
  const built = yield* Layer.build(SessionStoreMemory.layer.pipe(Layer.provide(MemoryStore.layer)))
  const memory = Context.get(built, SessionStore)
  const claims: Array<string> = []
  const asked = yield* Queue.unbounded<void>()
  let gate: Effect.Effect<unknown> = Effect.void
  const held = <A, E>(effect: Effect.Effect<A, E>) =>
    Effect.andThen(
      Effect.suspend(() => gate),
      effect
    )
  const store = SessionStore.of({
    ...memory,
    save: (...args) => held(memory.save(...args)),
    claim: (...args) => {
      claims.push(args[1])
      return held(memory.claim(...args))
    },
    sweep: () => Effect.succeed(0)
  })
  return {
    layer: Layer.succeed(SessionStore, store),
    claims,
    /** From now on nothing is answered. */
    stop: () => void (gate = Effect.andThen(Queue.offer(asked, undefined), Effect.never)),
    /** Resolves when a statement has come that is not answered. */
    asked: Queue.take(asked),
    go: () => void (gate = Effect.void)
  }
})
