import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { UserId } from "../../../../src/domain/Ids.ts"
import { UserPools, type UserPool } from "../../../../src/actors/upstream/http/UserPools.ts"
import { ScriptedHttpUpstream } from "../../../../src/testkit/ScriptedHttpUpstream.ts"

const ada = UserId.make("ada")
const bo = UserId.make("bo")

/** One GET, succeeding with the status. */
const get = (pool: UserPool) =>
  Effect.callback<number, Error>((resume) => {
    let status = 0
    pool.dispatch(
      { method: "GET", path: "/", headers: [] },
      {
        onRequestStart: () => undefined,
        onResponseStart: (_, code) => void (status = code),
        onResponseData: () => undefined,
        onResponseEnd: () => resume(Effect.succeed(status)),
        onResponseError: (_, error) => resume(Effect.fail(error))
      }
    )
  })

describe("UserPools", () => {
  it.live("R42: sockets grow with demand, are reused afterwards, and are never another user's", () =>
    Effect.gen(function* () {
      const waiting: Array<() => void> = []
      const all = yield* Deferred.make<void>()
      const server = yield* ScriptedHttpUpstream.make({
        methods: {
          GET: (call) => {
            waiting.push(() => call.status(200))
            if (waiting.length === 30) Deferred.doneUnsafe(all, Effect.void)
          }
        }
      })
      const pools = yield* UserPools
      const adas = yield* pools.acquire(ada, server.origin)
      const bos = yield* pools.acquire(bo, server.origin)
      const burst = yield* Effect.forkChild(
        Effect.all(
          Array.from({ length: 30 }, () => get(adas)),
          { concurrency: "unbounded" }
        )
      )
      yield* Deferred.await(all)
      assert.strictEqual(pools.stats().open, 30)
      for (const answer of waiting) answer()
      yield* Fiber.join(burst)
      server.script("GET", (call) => call.status(200))
      for (let index = 0; index < 500; index++) yield* get(adas)
      // undici keeps one client in hand, which may take the first call after the burst.
      const connects = pools.stats().connects
      assert.isAtMost(connects, 31)
      const ports = new Set(server.received.map((one) => one.remotePort))
      yield* get(bos)
      assert.strictEqual(pools.stats().connects, connects + 1)
      assert.isFalse(ports.has(server.received.at(-1)!.remotePort))
      assert.deepInclude(pools.stats(), { pools: 2, requests: 531 })
    }).pipe(Effect.scoped, Effect.provide(UserPools.layer))
  )

  it.live("what a user sends to one origin reaches no other, and each user's goes by a socket of their own", () =>
    Effect.gen(function* () {
      const servers = yield* Effect.all([ScriptedHttpUpstream.make(), ScriptedHttpUpstream.make()])
      const pools = yield* UserPools
      for (const server of servers) {
        server.script("GET", (call) => call.status(200))
        for (const user of [ada, bo]) yield* Effect.flatMap(pools.acquire(user, server.origin), get)
      }
      assert.deepStrictEqual(
        servers.map(({ received }) => received.length),
        [2, 2]
      )
      assert.deepInclude(pools.stats(), { pools: 4, connects: 4 })
    }).pipe(Effect.scoped, Effect.provide(UserPools.layer))
  )

  it.effect("a pool outlives a session by a moment, for the next one, and then closes its sockets", () =>
    Effect.gen(function* () {
      const server = yield* ScriptedHttpUpstream.make({ methods: { GET: (call) => call.status(200) } })
      const pools = yield* UserPools
      const visit = Effect.scoped(Effect.flatMap(pools.acquire(ada, server.origin), get))
      yield* visit
      yield* TestClock.adjust("200 millis")
      yield* visit
      assert.deepInclude(pools.stats(), { pools: 1, connects: 1 })
      yield* TestClock.adjust("1 second")
      yield* visit
      assert.deepInclude(pools.stats(), { pools: 1, connects: 2 })
    }).pipe(Effect.scoped, Effect.provide(UserPools.layer))
  )
})
