import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect } from "effect"
import { TestClock } from "effect/testing"
import type { UpstreamMessage } from "../../../../src/actors/upstream/connection/UpstreamConnection.ts"
import type { ScriptedCall } from "../../../../src/testkit/ScriptedCall.ts"
import { ScriptedHttpUpstream } from "../../../../src/testkit/ScriptedHttpUpstream.ts"
import { callTool, connect, contentOf, contextOf, layer } from "../support/HttpCalls.ts"

describe("the event stream of an HTTP upstream", () => {
  it.live("what the server sends on its own reaches this connection and no other user's", () =>
    Effect.gen(function* () {
      const server = yield* ScriptedHttpUpstream.make({
        methods: {
          GET: (call) => {
            const user = call.received.headers["x-mcphub-user-id"]
            call.event({ jsonrpc: "2.0", method: "notifications/message", params: { data: user } })
            call.event({ jsonrpc: "2.0", id: 5, method: "ping" })
          }
        }
      })
      const open = Effect.fnUntraced(function* (username: string) {
        const got: Array<UpstreamMessage> = []
        const both = yield* Deferred.make<void>()
        yield* connect(server.url, contextOf(username), {
          onMessage: (message) => {
            got.push(message)
            if (got.length === 2) Deferred.doneUnsafe(both, Effect.void)
          }
        })
        yield* Deferred.await(both)
        return got
      })
      const [ada, bo] = yield* Effect.all([open("ada"), open("bo")], { concurrency: "unbounded" })
      assert.deepStrictEqual(
        ada.map((message) => message.params?.["data"] ?? message.method),
        ["ada-id", "ping"]
      )
      assert.deepStrictEqual(
        bo.map((message) => message.params?.["data"] ?? message.method),
        ["bo-id", "ping"]
      )
    }).pipe(Effect.scoped, Effect.provide(layer()))
  )

  it.live("progress that comes on it still finds its call", () =>
    Effect.gen(function* () {
      const server = yield* ScriptedHttpUpstream.make({
        tools: {
          work: (call) => {
            server.push({
              jsonrpc: "2.0",
              method: "notifications/progress",
              params: { progressToken: call.progressToken, progress: 1 }
            })
            held = call
          }
        }
      })
      let held: ScriptedCall | undefined
      const ada = yield* connect(server.url, contextOf("ada"))
      yield* server.await((one) => one.httpMethod === "GET")
      const got: Array<UpstreamMessage> = []
      yield* callTool(
        ada,
        contextOf("ada"),
        "work",
        {},
        {
          meta: { progressToken: "mine" },
          onMessage: (message) => {
            got.push(message)
            held!.content({})
          }
        }
      )
      assert.deepStrictEqual(
        got.map((message) => message.params!["progressToken"]),
        ["mine"]
      )
    }).pipe(Effect.scoped, Effect.provide(layer()))
  )

  it.effect("a server without one is asked once and serves calls all the same", () =>
    Effect.gen(function* () {
      const server = yield* ScriptedHttpUpstream.make({ stream: false })
      const ada = yield* connect(server.url, contextOf("ada"))
      yield* server.await((one) => one.httpMethod === "GET")
      for (let hour = 0; hour < 5; hour++) {
        yield* callTool(ada, contextOf("ada"), "echo")
        yield* TestClock.adjust("1 hour")
      }
      yield* callTool(ada, contextOf("ada"), "echo")
      assert.strictEqual(server.calls("GET").length, 1)
    }).pipe(Effect.scoped, Effect.provide(layer()))
  )

  it.live("B12: a stream the server ends is opened again, not before a second has passed, from the last event", () =>
    Effect.gen(function* () {
      const server = yield* ScriptedHttpUpstream.make()
      const got: Array<UpstreamMessage> = []
      const first = yield* Deferred.make<void>()
      const ada = yield* connect(server.url, contextOf("ada"), {
        onMessage: (message) => {
          got.push(message)
          Deferred.doneUnsafe(first, Effect.void)
        }
      })
      yield* server.await((one) => one.httpMethod === "GET")
      // What arrived before this call has been dealt with: the stream is open.
      yield* callTool(ada, contextOf("ada"), "echo")
      assert.strictEqual(server.push({ jsonrpc: "2.0", method: "notifications/tools/list_changed" }, "e-17"), 1)
      yield* Deferred.await(first)
      const ended = performance.now()
      server.endStreams()
      const again = yield* server.await((one) => one.httpMethod === "GET" && one.headers["last-event-id"] !== undefined)
      assert.isAtLeast(performance.now() - ended, 990)
      assert.strictEqual(again.headers["last-event-id"], "e-17")
      assert.strictEqual(got.length, 1)
    }).pipe(Effect.scoped, Effect.provide(layer()))
  )

  it.live(
    "SEP-1699: a call whose stream the server closes early is polled for from its last event, after the time it names",
    () =>
      Effect.gen(function* () {
        let closedAt = 0
        let polledAt = 0
        let polls = 0
        const server = yield* ScriptedHttpUpstream.make({
          tools: {
            slow: (call) => {
              server.script("GET", (poll) => {
                if (poll.received.headers["last-event-id"] === undefined) return poll.status(405)
                polledAt ||= performance.now()
                polls++
                // The first poll brings a message and another early end, the second the answer.
                if (polls === 1) {
                  poll.event({ jsonrpc: "2.0", method: "notifications/message", params: { data: "half" } }, "p-2")
                  return poll.end()
                }
                poll.event({
                  jsonrpc: "2.0",
                  id: call.id,
                  result: { structuredContent: { from: poll.received.headers["last-event-id"] } }
                })
              })
              call.open()
              call.raw("id: p-1\nretry: 300\ndata:\n\n")
              call.end()
              closedAt = performance.now()
            }
          }
        })
        server.script("GET", (call) => call.status(405))
        const ada = yield* connect(server.url, contextOf("ada"))
        const got: Array<UpstreamMessage> = []
        const result = yield* callTool(
          ada,
          contextOf("ada"),
          "slow",
          {},
          { onMessage: (message) => void got.push(message) }
        )
        assert.deepStrictEqual(contentOf(result), { from: "p-2" })
        assert.isAtLeast(polledAt - closedAt, 290)
        assert.deepStrictEqual(
          got.map((message) => message.params!["data"]),
          ["half"]
        )
        assert.strictEqual(server.calls("tools/call").length, 1)
      }).pipe(Effect.scoped, Effect.provide(layer()))
  )

  it.live("SEP-1699: a stream that may not be resumed fails the call", () =>
    Effect.gen(function* () {
      const server = yield* ScriptedHttpUpstream.make({
        stream: false,
        tools: {
          slow: (call) => {
            call.open()
            call.raw("id: p-1\nretry: 10\ndata:\n\n")
            call.end()
          }
        }
      })
      const ada = yield* connect(server.url, contextOf("ada"))
      const error = yield* Effect.flip(callTool(ada, contextOf("ada"), "slow"))
      assert.deepInclude(error, { _tag: "UpstreamFailed", reason: "closed", phase: "stream" })
      assert.strictEqual(server.calls("tools/call").length, 1)
    }).pipe(Effect.scoped, Effect.provide(layer()))
  )
})
