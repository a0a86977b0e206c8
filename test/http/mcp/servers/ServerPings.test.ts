import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { ScriptedHttpUpstream, ScriptedStdioUpstream, TestHub } from "../../../../src/testkit/index.ts"
import * as OddServers from "../../support/OddServers.ts"

const answer = (id: unknown) => ({ jsonrpc: "2.0" as const, id: String(id), result: {} })

describe("a server that asks whether the hub is there", () => {
  for (const isolation of ["session", "user", "shared"] as const) {
    it.live(`field B5: is told so on every stream, whatever its clients speak, isolation ${isolation}`, () =>
      Effect.gen(function* () {
        const upstream = yield* ScriptedHttpUpstream.make({
          tools: {
            pinging: (call) => {
              call.event({ jsonrpc: "2.0", id: `of-${call.id}`, method: "ping" })
              call.content({ asked: `of-${call.id}` })
            }
          }
        })
        const hub = yield* TestHub.make({ servers: { odd: { url: upstream.url, isolation, context: "none" } } })
        const bo = yield* hub.connect(hub.bo)
        let pings = 0
        for (const [user, client] of [[hub.ada, "stateless"] as const, [hub.bo, bo] as const]) {
          const { before, result } = yield* OddServers.call(hub, user, client, "pinging")
          assert.deepStrictEqual(before, [])
          const answered = yield* upstream.await(({ body }) => body?.id === result.structuredContent.asked)
          assert.deepStrictEqual(answered.body, answer(result.structuredContent.asked))
          // Outside of every call: the connection's own stream.
          yield* upstream.await(({ httpMethod }) => httpMethod === "GET")
          const id = ++pings
          const streams = upstream.push({ jsonrpc: "2.0", id: `outside-${id}`, method: "ping" })
          assert.isAtLeast(streams, 1)
          const outside = yield* upstream.await(({ body }) => body?.id === `outside-${id}`)
          assert.deepStrictEqual(outside.body, answer(`outside-${id}`))
        }
      })
    )
  }

  it.live("field B5: is told so over stdio as well", () =>
    Effect.gen(function* () {
      const hub = yield* TestHub.make({ servers: { odd: ScriptedStdioUpstream.config() } })
      const bo = yield* hub.connect(hub.bo)
      for (const [user, client] of [[hub.ada, "stateless"] as const, [hub.bo, bo] as const]) {
        const { result } = yield* OddServers.call(hub, user, client, "ping")
        assert.deepStrictEqual(result.structuredContent, { value: {} })
      }
    })
  )
})
