/**
 * Requests in flight in memory; behaves as InFlightRequestsSql.
 */
import { Clock, Effect, Layer } from "effect"
import { InFlightRequests } from "../../records/InFlightRequests.ts"
import { MemoryStore } from "./MemoryStore.ts"

const make = Effect.gen(function* () {
  const { inFlight } = yield* MemoryStore

  return InFlightRequests.of({
    write: Effect.fnUntraced(function* (owner, { ended, started }) {
      const writtenAt = yield* Clock.currentTimeMillis
      for (const id of ended) inFlight.delete(id)
      for (const row of inFlight.values()) {
        if (row.owner === owner) inFlight.set(row.request.requestId, { ...row, writtenAt })
      }
      for (const request of started) inFlight.set(request.requestId, { owner, request, writtenAt })
    }),
    takeSilent: (owner, writtenBefore) =>
      Effect.sync(() => {
        const silent = [...inFlight.values()].filter((row) => row.owner !== owner && row.writtenAt < writtenBefore)
        for (const { request } of silent) inFlight.delete(request.requestId)
        return silent.map(({ request }) => request).sort((a, b) => a.startedAt - b.startedAt)
      })
  })
})

export const layer: Layer.Layer<InFlightRequests, never, MemoryStore> = Layer.effect(InFlightRequests, make)
