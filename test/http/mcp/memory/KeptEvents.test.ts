import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { ScriptedHttpUpstream, TestHub } from "../../../../src/testkit/index.ts"
import { memoryOf, until } from "../../support/Memory.ts"

const data = "x".repeat(100_000)

describe("events that are kept for a user's clients", () => {
  it.live("A64: have a bound over all sessions, beyond which a session's oldest go, and bo's are all kept", () =>
    Effect.gen(function* () {
      const upstream = yield* ScriptedHttpUpstream.make()
      const hub = yield* TestHub.make({
        servers: { news: { url: upstream.url } },
        config: { maxMemoryPerUser: 1_200_000 }
      })
      const { free, retained } = memoryOf(hub.services)
      const heldBy = ({ user }: typeof hub.ada) => retained.heldBy(user.id).events
      const adas = yield* Effect.replicateEffect(hub.connect(hub.ada), 3)
      const bo = yield* hub.connect(hub.bo)
      for (const one of [...adas, bo]) yield* one.toolNames
      // Each session has a stream of its own to the server, and nobody reads what comes by it.
      yield* until(() => upstream.push({ jsonrpc: "2.0", method: "notifications/tools/list_changed" }) === 4)
      for (let n = 0; n < 2; n++) {
        upstream.push({ jsonrpc: "2.0", method: "notifications/message", params: { level: "info", data: data + n } })
      }
      yield* until(() => heldBy(hub.bo) > 200_000 && retained.refused("events") >= 3)
      assert.isAtMost(heldBy(hub.ada), retained.bounds.events)
      assert.isAbove(heldBy(hub.ada), 200_000)

      const stream = yield* bo.stream
      const heard: Array<any> = []
      while (heard.length < 2) {
        const message: any = yield* stream.next
        if (message.method === "notifications/message") heard.push(message.params.data.slice(-1))
      }
      assert.deepStrictEqual(heard, ["0", "1"])
      for (const one of adas) yield* one.end
      yield* free(hub.ada)
      assert.isAbove(heldBy(hub.bo), 0)
    })
  )
})
