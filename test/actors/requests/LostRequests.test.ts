import { assert, describe, it } from "@effect/vitest"
import { Context, Deferred, Effect, Exit, Fiber, Layer, Scope } from "effect"
import { TestClock } from "effect/testing"
import { randomUUID } from "node:crypto"
import { AuditTrail } from "../../../src/actors/observing/AuditTrail.ts"
import { HubMetrics } from "../../../src/actors/observing/HubMetrics.ts"
import * as LostRequests from "../../../src/actors/requests/LostRequests.ts"
import { RequestLog } from "../../../src/actors/observing/RequestLog.ts"
import { RequestTracker } from "../../../src/actors/requests/RequestTracker.ts"
import type { AuditEvent } from "../../../src/domain/records/AuditEvent.ts"
import { AuditLog } from "../../../src/domain/records/AuditLog.ts"
import * as AuditLogMemory from "../../../src/domain/storage/memory/AuditLogMemory.ts"
import { SessionId } from "../../../src/domain/Ids.ts"
import { type InFlightRequest, InFlightRequests } from "../../../src/domain/records/InFlightRequests.ts"
import * as InFlightRequestsMemory from "../../../src/domain/storage/memory/InFlightRequestsMemory.ts"
import { MemoryStore } from "../../../src/domain/storage/memory/MemoryStore.ts"
import { call, person } from "../support/Requests.ts"

const database = Effect.gen(function* () {
  const stores = Layer.mergeAll(InFlightRequestsMemory.layer, AuditLogMemory.layer)
  const services = yield* Layer.build(stores.pipe(Layer.provideMerge(MemoryStore.layer)))
  return {
    requests: Context.get(services, InFlightRequests),
    audit: Context.get(services, AuditLog),
    rows: Context.get(services, MemoryStore).inFlight
  }
})

type Database = Effect.Success<typeof database>

/** One run of a hub: as far as requests in flight are concerned. */
const run = Effect.fnUntraced(function* ({ audit, requests }: Pick<Database, "requests" | "audit">) {
  const lost: Array<InFlightRequest> = []
  const log = { ended: () => {}, lost: (request: InFlightRequest) => void lost.push(request) }
  const scope = yield* Effect.acquireRelease(Scope.make(), (scope) => Scope.close(scope, Exit.void))
  const services = yield* LostRequests.layer.pipe(
    Layer.provideMerge(RequestTracker.layer),
    Layer.provideMerge(AuditTrail.layer),
    Layer.provide([
      Layer.succeed(RequestLog, log),
      HubMetrics.layer,
      Layer.succeed(InFlightRequests, requests),
      Layer.succeed(AuditLog, audit)
    ]),
    Layer.fresh,
    Layer.build,
    Scope.provide(scope)
  )
  return { lost, tracker: Context.get(services, RequestTracker), stop: Scope.close(scope, Exit.void) }
})

/** A request that runs until it is told to end. */
const start = Effect.fnUntraced(function* (
  { tracker }: Effect.Success<ReturnType<typeof run>>,
  username: string,
  sessionId: string = randomUUID()
) {
  const end = yield* Deferred.make<void>()
  const tracked = tracker.track(
    call(person(username), { method: "tools/call", sessionId: SessionId.make(sessionId) }),
    (record) => {
      record.server = "files"
      record.target = "files-write"
      return Deferred.await(end)
    }
  )
  const fiber = yield* Effect.forkChild(tracked, { startImmediately: true })
  return { end: Effect.andThen(Deferred.succeed(end, undefined), Fiber.join(fiber)) }
})

const essence = ({ method, server, target, username }: InFlightRequest | AuditEvent) => ({
  method,
  server,
  target,
  username
})

describe("a request of a hub that was killed", () => {
  it.effect(
    "B24: is recorded as of unknown outcome by the next one, once, when its hub has been silent for a while",
    () =>
      Effect.gen(function* () {
        const { audit, requests, rows } = yield* database
        const connected = { ...requests }
        const killed = yield* run({ audit, requests: connected })
        const quick = yield* start(killed, "ada")
        yield* TestClock.adjust("500 millis")
        yield* quick.end
        yield* start(killed, "ada")
        yield* TestClock.adjust("2 seconds")
        yield* start(killed, "bo")
        yield* TestClock.adjust("2 seconds")
        assert.strictEqual(rows.size, 2)
        // From here on it is as if it had been killed: nothing of it reaches the database.
        connected.write = () => Effect.void
        connected.takeSilent = () => Effect.succeed([])

        const next = yield* run({ audit, requests })
        const other = yield* run({ audit, requests })
        yield* TestClock.adjust("10 seconds")
        assert.deepStrictEqual([...next.lost, ...other.lost], [])
        yield* TestClock.adjust("20 seconds")
        const call = { method: "tools/call", server: "files", target: "files-write" }
        const recorded = [...next.lost, ...other.lost]
        assert.deepStrictEqual(recorded.map(essence), [
          { ...call, username: "ada" },
          { ...call, username: "bo" }
        ])
        yield* next.stop
        yield* other.stop
        const trail = (yield* audit.find({ limit: 100 })).filter(({ outcome }) => outcome === "unknown")
        assert.sameDeepMembers(trail.map(essence), recorded.map(essence))
        for (const { errorCode, errorKind, origin } of trail)
          assert.deepStrictEqual([errorCode, errorKind, origin], [1409, "outcome_unknown", "hub"])
      })
  )
})

describe("a request of a hub that lives", () => {
  it.effect("is nobody's loss, however long it takes, and leaves no row when it ends or the hub stops in order", () =>
    Effect.gen(function* () {
      const { audit, requests, rows } = yield* database
      const hub = yield* run({ audit, requests })
      const other = yield* run({ audit, requests })
      const long = yield* start(hub, "ada")
      yield* TestClock.adjust("25 seconds")
      assert.strictEqual(rows.size, 1)
      const [written] = [...rows.values()]
      assert.isTrue(written!.writtenAt > written!.request.startedAt + 10_000)
      yield* long.end
      yield* TestClock.adjust("1 second")
      assert.strictEqual(rows.size, 0)

      const last = yield* start(hub, "ada")
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual(rows.size, 1)
      yield* last.end
      yield* hub.stop
      assert.strictEqual(rows.size, 0)
      yield* TestClock.adjust("1 minute")
      assert.lengthOf(other.lost, 0)
    })
  )
})
