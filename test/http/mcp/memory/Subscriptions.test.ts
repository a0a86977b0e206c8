import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { ScriptedHttpUpstream, TestHub } from "../../../../src/testkit/index.ts"
import { memoryOf } from "../../support/Memory.ts"

const start = Effect.fnUntraced(function* (maxMemoryPerUser: number) {
  const upstream = yield* ScriptedHttpUpstream.make({
    methods: {
      initialize: (call) =>
        call.result({
          protocolVersion: "2025-11-25",
          capabilities: { resources: { subscribe: true } },
          serverInfo: { name: "files", version: "1" }
        }),
      "resources/list": (call) => call.result({ resources: [] }),
      "resources/templates/list": (call) =>
        call.result({ resourceTemplates: [{ uriTemplate: "file:///{path}", name: "file" }] }),
      "resources/subscribe": (call) => call.result({}),
      "resources/unsubscribe": (call) => call.result({})
    },
    sessions: false,
    stream: false
  })
  const hub = yield* TestHub.make({ servers: { files: { url: upstream.url } }, config: { maxMemoryPerUser } })
  const [ada, bo] = yield* Effect.all([hub.connect(hub.ada), hub.connect(hub.bo)])
  return { upstream, hub, ada, bo, ...memoryOf(hub.services) }
})

const uri = (name: string | number) => `file:///${name}`

describe("subscriptions", () => {
  it.live("A61: have a bound on their number and their length in each session, typed, and none of bo's count", () =>
    Effect.gen(function* () {
      const { ada, bo, free, hub, upstream } = yield* start(64 * 1024 * 1024)
      const subscribe = (client: typeof ada, name: string | number) =>
        client.request("resources/subscribe", { uri: uri(name) })
      const refused = (answer: any) => [answer.code, answer.data.kind, answer.data.retryable, answer.status]
      assert.deepStrictEqual(refused(yield* Effect.flip(subscribe(ada, "x".repeat(9_000)))), [
        -32602,
        "subscription_limit",
        false,
        200
      ])
      yield* Effect.forEach(
        Array.from({ length: 1_000 }, (_, n) => n),
        (n) => subscribe(ada, n),
        { concurrency: 20 }
      )
      const beyond: any = yield* Effect.flip(subscribe(ada, "more"))
      assert.deepStrictEqual(refused(beyond), [-32602, "subscription_limit", false, 200])
      assert.include(beyond.message, "1000 resources")
      assert.deepStrictEqual(yield* subscribe(ada, 7), {}, "what it has it may have again")
      assert.deepStrictEqual(yield* subscribe(bo, "more"), {})
      const asked = upstream.calls("resources/subscribe").length
      assert.strictEqual(asked, 1_002)

      yield* ada.request("resources/unsubscribe", { uri: uri(7) })
      assert.deepStrictEqual(yield* subscribe(ada, "more"), {})
      yield* ada.end
      yield* free(hub.ada)
    })
  )

  it.live("A61: have a bound in memory over all sessions of a user; what a session ends with is given back", () =>
    Effect.gen(function* () {
      // A sixteenth of it.
      const { ada, bo, free, hub, retained } = yield* start(640_000)
      const other = yield* hub.connect(hub.ada)
      const long = (n: number) => ({ uri: uri(n + "x".repeat(4_000)) })
      for (let n = 0; n < 4; n++) yield* ada.request("resources/subscribe", long(n))
      const refused: any = yield* Effect.flip(other.request("resources/subscribe", long(9)))
      assert.deepStrictEqual([refused.code, refused.data.kind, refused.data.retryable], [1429, "memory_limit", true])
      assert.include(refused.message, "MAX_MEMORY_PER_USER")
      assert.isAtMost(retained.heldBy(hub.ada.user.id).subscriptions, 40_000)
      assert.deepStrictEqual(yield* bo.request("resources/subscribe", long(9)), {})
      yield* ada.end
      assert.deepStrictEqual(yield* other.request("resources/subscribe", long(9)), {})
      yield* other.end
      yield* free(hub.ada)
    })
  )
})
