import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { type ScriptedCall, ScriptedHttpUpstream, TestHub } from "../../../../src/testkit/index.ts"
import { memoryOf, until } from "../../support/Memory.ts"

const method = "notifications/roots/list_changed"

const start = Effect.fnUntraced(function* (maxMemoryPerUser: number) {
  const held: Array<ScriptedCall> = []
  const upstream = yield* ScriptedHttpUpstream.make({ methods: { [method]: (call) => void held.push(call) } })
  const hub = yield* TestHub.make({ servers: { files: { url: upstream.url } }, config: { maxMemoryPerUser } })
  const [ada, bo] = yield* Effect.all([hub.connect(hub.ada), hub.connect(hub.bo)])
  for (const client of [ada, bo]) yield* client.toolNames
  return { held, hub, ada, bo, ...memoryOf(hub.services) }
})

describe("notifications that a server does not accept", () => {
  it.live("A62: are a hundred in a session; the next ones get 429, cancellations and bo's pass", () =>
    Effect.gen(function* () {
      const { ada, bo, held } = yield* start(64 * 1024 * 1024)
      const statuses = yield* Effect.forEach(
        Array.from({ length: 130 }),
        () => Effect.map(ada.notify(method), ({ status }) => status),
        { concurrency: 1 }
      )
      assert.deepStrictEqual(statuses, [...Array<number>(100).fill(202), ...Array<number>(30).fill(429)])
      const refused = yield* ada.notify(method)
      assert.strictEqual(refused.headers["retry-after"], "1")
      assert.deepInclude(JSON.parse(refused.text).error.data, { kind: "too_many_notifications", retryable: true })
      assert.strictEqual((yield* ada.notify("notifications/cancelled", { requestId: 1 })).status, 202)
      assert.deepStrictEqual(yield* ada.request("ping"), {})
      assert.strictEqual((yield* bo.notify(method)).status, 202)
      yield* until(() => held.length === 101)
      for (const call of held) call.status(202)
      yield* Effect.repeat(ada.notify(method), { until: ({ status }) => status === 202 })
    })
  )

  it.live("A62: have a bound in their user's memory, given back when they are accepted", () =>
    Effect.gen(function* () {
      const { ada, bo, held, hub, retained } = yield* start(4_000_000)
      const bytes = () => retained.heldBy(hub.ada.user.id).notifications
      const large = { text: "x".repeat(100_000) }
      assert.deepStrictEqual(
        yield* Effect.forEach([1, 2, 3], () => Effect.map(ada.notify(method, large), ({ status }) => status)),
        [202, 202, 429]
      )
      assert.isAtLeast(bytes(), 400_000)
      assert.isAtMost(bytes(), 500_000)
      assert.strictEqual((yield* bo.notify(method, large)).status, 202)
      yield* until(() => held.length === 3)
      for (const call of held) call.status(202)
      yield* until(() => bytes() === 0)
      assert.strictEqual((yield* ada.notify(method, large)).status, 202)
    })
  )
})
