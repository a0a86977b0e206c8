/** Calls over HTTP+SSE: everything about them but the POST itself travels on the one stream. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Queue } from "effect"
import { TestHub } from "../../../../src/testkit/index.ts"
import { connect, type EventClient, introduction, open } from "../../support/EventTransportClient.ts"
import { holdingUpstream } from "../../support/HoldingUpstream.ts"

const start = Effect.gen(function* () {
  const { arrived, upstream } = yield* holdingUpstream()
  const hub = yield* TestHub.make({ servers: { files: { url: upstream.url } } })
  /** A call of this client that its server has got and keeps. */
  const hold = Effect.fnUntraced(function* (client: EventClient, id: string, meta: object = {}) {
    const params = { name: "files-hold", arguments: {}, _meta: meta }
    assert.strictEqual((yield* client.post({ jsonrpc: "2.0", id, method: "tools/call", params })).status, 202)
    return yield* Queue.take(arrived)
  })
  return { hold, hub, upstream }
})

describe("a call over HTTP+SSE", () => {
  it.live("is preceded by its own progress, in order and under its client's token, on its own stream", () =>
    Effect.gen(function* () {
      const { hold, hub } = yield* start
      const [ada, bo] = [yield* connect(hub, hub.ada), yield* connect(hub, hub.bo)]
      // Both clients count their requests and tokens from 1.
      const calls = [yield* hold(ada, "1", { progressToken: 1 }), yield* hold(bo, "1", { progressToken: 1 })]
      for (const progress of [0, 50, 100]) {
        for (const [index, call] of calls.entries()) {
          const params = { progressToken: call.progressToken, progress: progress + index, total: 101 }
          call.event({ jsonrpc: "2.0", method: "notifications/progress", params })
        }
      }
      for (const call of calls) call.content({ done: true })
      for (const [index, client] of [ada, bo].entries()) {
        const heard = yield* Effect.replicateEffect(client.next, 4)
        assert.deepStrictEqual(
          heard.slice(0, 3).map(({ method, params }) => [method, params.progressToken, params.progress]),
          [0, 50, 100].map((progress) => ["notifications/progress", 1, progress + index])
        )
        assert.deepStrictEqual([heard[3].id, heard[3].result.structuredContent], ["1", { done: true }])
      }
    })
  )

  it.live("asks its client what its server asks, and is cancelled when its client cancels it", () =>
    Effect.gen(function* () {
      const { hold, hub, upstream } = yield* start
      const ada = yield* open(hub, hub.ada)
      yield* ada.request("initialize", introduction("2025-06-18", { elicitation: {} }))
      const call = yield* hold(ada, "asking")
      const params = { message: "Which one?", requestedSchema: { type: "object", properties: {} } }
      call.event({ jsonrpc: "2.0", id: "q1", method: "elicitation/create", params })
      const question = yield* ada.next
      assert.deepInclude(question, { method: "elicitation/create", params })
      yield* ada.post({ jsonrpc: "2.0", id: question.id, result: { action: "decline" } })
      const answered = yield* upstream.await(({ body }) => body?.id === "q1" && body.method === undefined)
      assert.deepStrictEqual(answered.body!.result, { action: "decline" })
      yield* ada.post({ jsonrpc: "2.0", method: "notifications/cancelled", params: { requestId: "asking" } })
      const told = yield* upstream.await(({ body }) => body?.method === "notifications/cancelled")
      assert.strictEqual(told.body!.params!["requestId"], call.id)
      // Its slot and stream are free for the next one.
      assert.deepStrictEqual(yield* ada.callTool("files-echo", { n: 1 }), { n: 1 })
    })
  )
})
