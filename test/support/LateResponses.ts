/** A tracker that reports an answer that came after its request had ended; the hub's own tracker only counts it. */
import { Effect, Layer, Queue } from "effect"
import { RequestTracker } from "../../src/actors/requests/RequestTracker.ts"

/** The tracker, and an effect that succeeds with the server's name at the next late answer, past ones first. */
export const make = Effect.gen(function* () {
  const servers = yield* Queue.unbounded<string>()
  const telling = Effect.map(RequestTracker, (tracker) =>
    RequestTracker.of({
      ...tracker,
      lateResponse: (server) => {
        tracker.lateResponse(server)
        Queue.offerUnsafe(servers, server)
      }
    })
  )
  return {
    layer: Layer.effect(RequestTracker, telling).pipe(Layer.provide(RequestTracker.layerMemory)),
    next: Queue.take(servers)
  }
})
