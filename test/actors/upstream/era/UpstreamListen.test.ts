/** The one subscription to a server of revision 2026-07-28, over real sockets and the test's clock. */
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Queue } from "effect"
import { TestClock } from "effect/testing"
import * as UpstreamHttpStateless from "../../../../src/actors/upstream/http/UpstreamHttpStateless.ts"
import type { UpstreamMessage } from "../../../../src/actors/upstream/connection/UpstreamConnection.ts"
import { metaKeys } from "../../../../src/domain/protocol/eras/RequestMeta.ts"
import type { ScriptedCall } from "../../../../src/testkit/index.ts"
import * as StatelessUpstream from "../../../support/StatelessUpstream.ts"
import { eventually } from "../../../support/Eventually.ts"
import { callTool, contextOf, layer } from "../support/HttpCalls.ts"

const ada = contextOf("ada")

const connect = Effect.fnUntraced(function* (url: string) {
  const heard = yield* Queue.unbounded<UpstreamMessage>()
  const connection = yield* UpstreamHttpStateless.connect({
    name: "notes",
    config: { url },
    protocolVersion: "2026-07-28",
    clientCapabilities: {},
    clientInfo: { name: "test", version: "1" },
    context: ada,
    onMessage: (message) => void Queue.offerUnsafe(heard, message)
  })
  return { connection, heard }
})

const acknowledge = (call: ScriptedCall, accepted: object): void =>
  call.event({
    jsonrpc: "2.0",
    method: "notifications/subscriptions/acknowledged",
    params: { notifications: accepted, _meta: { [metaKeys.subscriptionId]: call.id } }
  })

const urisOf = (call: ScriptedCall): unknown =>
  (call.params["notifications"] as { readonly resourceSubscriptions?: unknown }).resourceSubscriptions

describe("the subscription to a server of 2026-07-28", () => {
  it.effect("that is never acknowledged fails in time and holds up no call", () =>
    Effect.gen(function* () {
      const upstream = yield* StatelessUpstream.make({
        tools: { plain: (call) => call.content({ ok: true }) },
        methods: { "subscriptions/listen": (call) => call.open() }
      })
      const { connection } = yield* connect(upstream.url)
      const listening = yield* Effect.forkChild(Effect.flip(connection.listen!(["note://a"], ada)), {
        startImmediately: true
      })
      assert.property(yield* callTool(connection, ada, "plain") as Effect.Effect<object>, "structuredContent")
      yield* TestClock.adjust("5 seconds")
      const error = yield* Fiber.join(listening)
      assert.strictEqual(error._tag, "UpstreamFailed")
      assert.include(error.message, "did not acknowledge a subscription within 5000 ms")
    }).pipe(Effect.scoped, Effect.provide(layer()))
  )

  it.effect("that ends is opened again after a pause, and whatever was listened to counts as changed", () =>
    Effect.gen(function* () {
      const streams: Array<ScriptedCall> = []
      const second = yield* Deferred.make<void>()
      const upstream = yield* StatelessUpstream.make({
        methods: {
          "subscriptions/listen": (call) => {
            acknowledge(call, call.params["notifications"] as object)
            if (urisOf(call) === undefined) return
            streams.push(call)
            if (streams.length === 2) Deferred.doneUnsafe(second, Effect.void)
          }
        }
      })
      const { connection, heard } = yield* connect(upstream.url)
      yield* connection.listen!(["note://a"], ada)
      streams[0]!.end()
      yield* Effect.raceFirst(
        Deferred.await(second),
        Effect.forever(
          Effect.andThen(
            TestClock.adjust("1 second"),
            Effect.promise(() => new Promise(setImmediate))
          )
        )
      )
      const methods: Array<unknown> = []
      for (let index = 0; index < 3; index++) {
        const { method, params } = yield* Queue.take(heard)
        methods.push(params === undefined ? method : [method, params])
      }
      assert.deepStrictEqual(methods, [
        "notifications/tools/list_changed",
        "notifications/resources/list_changed",
        ["notifications/resources/updated", { uri: "note://a" }]
      ])
    }).pipe(Effect.scoped, Effect.provide(layer()))
  )

  it.live("that is never acknowledged is closed when another takes its place", () =>
    Effect.gen(function* () {
      let open = 0
      const asked = yield* Queue.unbounded<unknown>()
      const upstream = yield* StatelessUpstream.make({
        methods: {
          "subscriptions/listen": (call) => {
            open++
            call.open()
            call.response.once("close", () => void open--)
            Queue.offerUnsafe(asked, urisOf(call))
          }
        }
      })
      const { connection } = yield* connect(upstream.url)
      assert.isUndefined(yield* Queue.take(asked))
      for (let count = 1; count <= 5; count++) {
        const uris = Array.from({ length: count }, (_, index) => `note://${index}`)
        yield* Effect.forkChild(Effect.ignore(connection.listen!(uris, ada)))
        assert.deepStrictEqual(yield* Queue.take(asked), uris)
      }
      const left = yield* eventually(
        Effect.sync(() => open),
        (streams) => streams === 1
      )
      assert.strictEqual(left, 1)
    }).pipe(Effect.scoped, Effect.provide(layer()))
  )

  it.effect("that broke and is replaced before it was opened again counts as changed all the same", () =>
    Effect.gen(function* () {
      const streams = yield* Queue.unbounded<ScriptedCall>()
      const upstream = yield* StatelessUpstream.make({
        tools: { plain: (call) => call.content({ ok: true }) },
        methods: {
          "subscriptions/listen": (call) => {
            acknowledge(call, call.params["notifications"] as object)
            if (urisOf(call) !== undefined) Queue.offerUnsafe(streams, call)
          }
        }
      })
      const { connection, heard } = yield* connect(upstream.url)
      yield* connection.listen!(["note://a"], ada)
      const first = yield* Queue.take(streams)
      first.end()
      // The test's clock stands, so it is not opened again; its end is known here once later calls have been answered.
      for (let call = 1; call <= 3; call++) yield* callTool(connection, ada, "plain")
      yield* connection.listen!(["note://a", "note://b"], ada)
      const changed: Array<unknown> = []
      while (!changed.includes("note://a")) changed.push((yield* Queue.take(heard)).params?.["uri"])
      assert.include(changed, "note://a")
    }).pipe(Effect.scoped, Effect.provide(layer()))
  )

  it.live("to another set of resources stands before the one it replaces is closed", () =>
    Effect.gen(function* () {
      const upstream = yield* StatelessUpstream.make()
      const { connection, heard } = yield* connect(upstream.url)
      yield* connection.listen!(["note://a"], ada)
      const asked = yield* Deferred.make<ScriptedCall>()
      upstream.script("subscriptions/listen", (call) => void Deferred.doneUnsafe(asked, Effect.succeed(call)))
      const listening = yield* Effect.forkChild(connection.listen!(["note://a", "note://b"], ada))
      const call = yield* Deferred.await(asked)
      // The new one is not acknowledged yet.
      assert.strictEqual(upstream.updated("note://a"), 1)
      assert.deepStrictEqual((yield* Queue.take(heard)).params, { uri: "note://a" })
      assert.deepStrictEqual(upstream.subscribed(), [["note://a"]])
      acknowledge(call, call.params["notifications"] as object)
      yield* Fiber.join(listening)
      yield* eventually(Effect.sync(upstream.subscribed), (subscribed) => subscribed.length === 0)
    }).pipe(Effect.scoped, Effect.provide(layer()))
  )

  it.live("to a resource the server does not accept is refused, and the others stay", () =>
    Effect.gen(function* () {
      const upstream = yield* StatelessUpstream.make({
        methods: {
          "subscriptions/listen": (call) => {
            const wanted = (urisOf(call) ?? []) as ReadonlyArray<string>
            acknowledge(call, { resourceSubscriptions: wanted.filter((uri) => uri !== "note://secret") })
          }
        }
      })
      const { connection } = yield* connect(upstream.url)
      yield* connection.listen!(["note://a"], ada)
      const error = yield* Effect.flip(connection.listen!(["note://a", "note://secret"], ada))
      assert.include(error.message, "did not accept the subscription")
      yield* connection.listen!(["note://a"], ada)
    }).pipe(Effect.scoped, Effect.provide(layer()))
  )
})
