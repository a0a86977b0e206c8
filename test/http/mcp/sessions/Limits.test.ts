import { assert, describe, it } from "@effect/vitest"
import { Context, Effect } from "effect"
import { TestClock } from "effect/testing"
import { Sessions } from "../../../../src/actors/registry/Sessions.ts"
import { UserLimits } from "../../../../src/actors/limits/UserLimits.ts"
import type { HubConfigShape } from "../../../../src/domain/config/HubConfig.ts"
import { TestHub } from "../../../../src/testkit/index.ts"
import { holdingUpstream } from "../../support/HoldingUpstream.ts"

const start = Effect.fnUntraced(function* (config: Partial<HubConfigShape>) {
  const { hold, upstream } = yield* holdingUpstream()
  const hub = yield* TestHub.make({ servers: { files: { url: upstream.url } }, config })
  return { hold, upstream, hub, sessions: Context.get(hub.services, Sessions) }
})

const echo = { jsonrpc: "2.0", id: 1, method: "tools/call", params: { name: "files-echo", arguments: {} } }

describe("the limits of one user", () => {
  it.live(
    "A34: requests in flight beyond the limit are 429 with Retry-After, over all sessions, and nobody else's matter",
    () =>
      Effect.gen(function* () {
        const { hold, hub } = yield* start({ maxInflightPerUser: 2 })
        const [one, two, bo] = yield* Effect.all([hub.connect(hub.ada), hub.connect(hub.ada), hub.connect(hub.bo)])
        const waiting = [yield* hold(one), yield* hold(two)]
        for (const client of [one, two]) {
          const refused = yield* client.send(echo)
          assert.strictEqual(refused.status, 429)
          assert.match(refused.headers["retry-after"]!, /^[1-9]\d*$/)
          const { error, id } = JSON.parse(refused.text)
          assert.deepStrictEqual([id, error.code, error.data.kind, error.data.retryable], [1, 1429, "overloaded", true])
        }
        assert.deepStrictEqual(yield* bo.callTool("files-echo", { bo: 1 }), { bo: 1 })
        for (const { call } of waiting) call.content({})
        for (const { answer } of waiting) yield* answer
        assert.strictEqual((yield* one.send(echo)).status, 200)
        assert.strictEqual(Context.get(hub.services, UserLimits).taken(hub.ada.user.id, "inFlight"), 0)
      })
  )

  it.effect(
    "A34, defect 33: one session more than allowed makes the longest idle one give way, and never one in use",
    () =>
      Effect.gen(function* () {
        const { hold, hub, sessions } = yield* start({
          maxSessionsPerUser: 3,
          maxRequestTimeout: 3_600_000,
          requestTimeout: 3_600_000
        })
        const busy = yield* hub.connect(hub.ada)
        const running = yield* hold(busy)
        const listening = yield* hub.connect(hub.ada)
        const stream = yield* listening.stream
        yield* TestClock.adjust("1 second")
        const idle = yield* hub.connect(hub.ada)
        const refused = yield* Effect.flip(hub.connect(hub.ada))
        assert.deepStrictEqual([refused.status, refused.code], [429, 1429])
        yield* hub.connect(hub.bo)

        yield* TestClock.adjust("2 minutes")
        const newest = yield* hub.connect(hub.ada)
        assert.strictEqual((yield* idle.send(echo)).status, 404)
        assert.deepStrictEqual(yield* newest.callTool("files-echo", { n: 1 }), { n: 1 })
        // Now all three are in use, for however long.
        const newestStream = yield* newest.stream
        yield* TestClock.adjust("10 minutes")
        assert.strictEqual((yield* Effect.flip(hub.connect(hub.ada))).status, 429)
        running.call.content({ done: true })
        assert.deepStrictEqual((yield* running.answer).result.structuredContent, { done: true })
        assert.strictEqual(sessions.size(), 4)
        for (const client of [busy, listening, newest]) assert.strictEqual(yield* client.end, 204)
        yield* Effect.all([stream.ended, newestStream.ended])
      })
  )

  it.live(
    "A34: a flood of initialize requests of one user leaves no more sessions than allowed and bo none the poorer",
    () =>
      Effect.gen(function* () {
        const { hub, sessions } = yield* start({ maxSessionsPerUser: 5 })
        const bo = yield* hub.connect(hub.bo)
        const outcomes = yield* Effect.forEach(
          Array.from({ length: 500 }, (_, index) => index),
          () => Effect.map(Effect.exit(hub.connect(hub.ada)), ({ _tag }) => _tag),
          { concurrency: 50 }
        )
        assert.strictEqual(outcomes.filter((tag) => tag === "Success").length, 5)
        assert.strictEqual(sessions.size(), 6)
        assert.deepStrictEqual(yield* bo.callTool("files-echo", { bo: 1 }), { bo: 1 })
      })
  )
})

describe("an idle session", () => {
  it.effect("defect 10: ends after its idle time, upstream too, and its id is 404 from then on", () =>
    Effect.gen(function* () {
      const { hub, sessions, upstream } = yield* start({})
      const [ada, bo] = yield* Effect.all([hub.connect(hub.ada), hub.connect(hub.bo)])
      yield* Effect.all([ada.callTool("files-echo"), bo.callTool("files-echo")])
      yield* TestClock.adjust("14 minutes")
      yield* bo.request("ping")
      // No further than the next look at idle sessions: leaving the upstream has a limit on this clock, too.
      yield* TestClock.adjust("60500 millis")
      yield* upstream.await(({ httpMethod }) => httpMethod === "DELETE")
      assert.strictEqual((yield* ada.send(echo)).status, 404)
      assert.deepStrictEqual(yield* bo.callTool("files-echo", { bo: 1 }), { bo: 1 })
      assert.deepStrictEqual(
        (yield* sessions.list).map(({ username }) => username),
        ["bo"]
      )
    })
  )

  it.effect("is none while a request runs or a stream is open", () =>
    Effect.gen(function* () {
      const { hold, hub, sessions } = yield* start({ sessionIdleMs: 10_000 })
      const [busy, listening] = yield* Effect.all([hub.connect(hub.ada), hub.connect(hub.bo)])
      const running = yield* hold(busy)
      const stream = yield* listening.stream
      yield* TestClock.adjust("25 seconds")
      assert.strictEqual(sessions.size(), 2)
      running.call.content({ done: true })
      assert.deepStrictEqual((yield* running.answer).result.structuredContent, { done: true })
      yield* TestClock.adjust("11 seconds")
      assert.strictEqual((yield* busy.send(echo)).status, 404)
      assert.strictEqual((yield* listening.send(echo)).status, 200)
      yield* listening.end
      yield* stream.ended
    })
  )
})
