import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Queue } from "effect"
import { TestClock } from "effect/testing"
import type { ScriptedCall } from "../../../../src/testkit/ScriptedCall.ts"
import { ScriptedHttpUpstream } from "../../../../src/testkit/ScriptedHttpUpstream.ts"
import { eventually } from "../../../support/Eventually.ts"
import { callTool, contentOf } from "../support/HttpCalls.ts"
import { introduce, openedBy } from "../support/Openings.ts"
import { upstreams } from "../support/UpstreamSessions.ts"
import type { UpstreamSummary } from "../../../../src/actors/upstream/links/UpstreamLinks.ts"

/** A server that answers initialize when the test says so: `arrived` is the next one, past or to come. */
const holding = Effect.gen(function* () {
  const held = yield* Queue.unbounded<ScriptedCall>()
  const server = yield* ScriptedHttpUpstream.make({
    sessions: false,
    methods: { initialize: (call) => void Queue.offerUnsafe(held, call) }
  })
  return { server, arrived: Queue.take(held) }
})

const statesOf = (summaries: ReadonlyArray<UpstreamSummary>) => summaries.map(({ server, state }) => [server, state])

describe("the links of a session", () => {
  it.effect("open a connection once for all calls that ask at the same time, and for each user their own", () =>
    Effect.gen(function* () {
      const { arrived, server } = yield* holding
      const hub = yield* upstreams({ notes: { url: server.url } })
      const ada = yield* hub.session("ada")
      const bo = yield* hub.session("bo")
      const adas = yield* Effect.forkChild(
        Effect.all(
          Array.from({ length: 20 }, () => ada.get("notes")),
          { concurrency: "unbounded" }
        )
      )
      const bos = yield* Effect.forkChild(bo.get("notes"))
      const calls = [yield* arrived, yield* arrived]
      assert.deepStrictEqual(statesOf(ada.links.summaries()), [["notes", "connecting"]])
      for (const call of calls) introduce(call)
      assert.strictEqual(new Set(yield* Fiber.join(adas)).size, 1)
      assert.notStrictEqual(yield* Fiber.join(bos), yield* ada.get("notes"))
      assert.deepStrictEqual(openedBy(server).sort(), ["ada-id", "bo-id"])
      assert.deepStrictEqual(statesOf(ada.links.summaries()), [["notes", "connected"]])
      assert.strictEqual([...ada.links.live()].length, 1)
    }).pipe(Effect.scoped)
  )

  it.effect("go on opening what others wait for when the caller who began it is cancelled", () =>
    Effect.gen(function* () {
      const { arrived, server } = yield* holding
      const ada = yield* (yield* upstreams({ notes: { url: server.url } })).session("ada")
      const first = yield* Effect.forkChild(ada.get("notes"))
      const call = yield* arrived
      const second = yield* Effect.forkChild(ada.get("notes"), { startImmediately: true })
      yield* Fiber.interrupt(first)
      introduce(call)
      const connection = yield* Fiber.join(second)
      assert.deepStrictEqual(contentOf(yield* callTool(connection, ada.context(), "echo", { a: 1 })), { a: 1 })
      assert.strictEqual(server.calls("initialize").length, 1)
    }).pipe(Effect.scoped)
  )

  it.effect("keep for the next call what was opened for one that has been cancelled", () =>
    Effect.gen(function* () {
      const { arrived, server } = yield* holding
      const ada = yield* (yield* upstreams({ notes: { url: server.url } })).session("ada")
      const only = yield* Effect.forkChild(ada.get("notes"))
      const call = yield* arrived
      yield* Fiber.interrupt(only)
      introduce(call)
      yield* ada.get("notes")
      assert.strictEqual(server.calls("initialize").length, 1)
    }).pipe(Effect.scoped)
  )

  it.effect("B11: leave a server alone for a pause that doubles with every failure, up to 30 seconds", () =>
    Effect.gen(function* () {
      const server = yield* ScriptedHttpUpstream.make()
      server.script("initialize", (call) => call.status(503))
      const hub = yield* upstreams({ notes: { url: server.url } })
      const ada = yield* hub.session("ada")
      const refusal = Effect.flip(ada.get("notes"))
      let attempts = 0
      for (const seconds of [1, 2, 4, 8, 16, 30, 30]) {
        assert.deepInclude(yield* refusal, { _tag: "UpstreamUnavailable", reason: "status" })
        assert.deepInclude(yield* refusal, { reason: "backoff", retryAfterMs: seconds * 1_000 })
        yield* TestClock.adjust(seconds * 1_000 - 1)
        assert.deepInclude(yield* refusal, { reason: "backoff", retryAfterMs: 1 })
        assert.strictEqual(server.calls("initialize").length, ++attempts)
        yield* TestClock.adjust(1)
        assert.deepStrictEqual(statesOf(ada.links.summaries()), [["notes", attempts < 5 ? "failed" : "paused"]])
      }
      assert.deepStrictEqual((yield* hub.session("bo")).links.summaries(), [])
    }).pipe(Effect.scoped)
  )

  it.effect("begin with the shortest pause again after a success, and pause for each session apart", () =>
    Effect.gen(function* () {
      const server = yield* ScriptedHttpUpstream.make({ sessions: false })
      const hub = yield* upstreams({ notes: { url: server.url, isolation: "session" } })
      const ada = yield* hub.session("ada")
      let failing = true
      server.script("initialize", (call) => (failing ? call.status(503) : introduce(call)))
      yield* Effect.flip(ada.get("notes"))
      yield* TestClock.adjust("1 second")
      yield* Effect.flip(ada.get("notes"))
      assert.deepInclude(yield* Effect.flip(ada.get("notes")), { retryAfterMs: 2_000 })
      failing = false
      yield* (yield* hub.session("bo")).get("notes")
      assert.deepInclude(yield* Effect.flip(ada.get("notes")), { reason: "backoff" })
      yield* TestClock.adjust("2 seconds")
      yield* ada.get("notes")
      failing = true
      yield* ada.links.drop("notes", "test")
      yield* Effect.flip(ada.get("notes"))
      assert.deepInclude(yield* Effect.flip(ada.get("notes")), { reason: "backoff", retryAfterMs: 1_000 })
    }).pipe(Effect.scoped)
  )

  it.effect("name a server once while it is tried again after a failure", () =>
    Effect.gen(function* () {
      const { arrived, server } = yield* holding
      const ada = yield* (yield* upstreams({ notes: { url: server.url } })).session("ada")
      const failed = yield* Effect.forkChild(Effect.flip(ada.get("notes")))
      ;(yield* arrived).status(503)
      yield* Fiber.join(failed)
      yield* TestClock.adjust("1 second")
      const again = yield* Effect.forkChild(ada.get("notes"))
      const call = yield* arrived
      assert.deepStrictEqual(statesOf(ada.links.summaries()), [["notes", "connecting"]])
      introduce(call)
      yield* Fiber.join(again)
      assert.deepStrictEqual(statesOf(ada.links.summaries()), [["notes", "connected"]])
    }).pipe(Effect.scoped)
  )

  it.effect("try again at once where only the user's token was missing", () =>
    Effect.gen(function* () {
      const server = yield* ScriptedHttpUpstream.make()
      const config = { url: server.url, headers: { authorization: "Bearer ${USER_NOTES_TOKEN}" } }
      const hub = yield* upstreams({ notes: config })
      const tokens: Record<string, string> = {}
      const ada = yield* hub.session("ada", { tokens })
      const bo = yield* hub.session("bo", { tokens: { NOTES_TOKEN: "canary-bo" } })
      const error = yield* Effect.flip(ada.get("notes"))
      assert.deepInclude(error, { _tag: "CredentialMissing", token: "NOTES_TOKEN" })
      yield* bo.get("notes")
      tokens["NOTES_TOKEN"] = "canary-ada"
      yield* ada.get("notes")
      const seen = server.calls("initialize").map(({ headers }) => [headers["x-mcphub-user-id"], headers.authorization])
      assert.deepStrictEqual(seen, [
        ["bo-id", "Bearer canary-bo"],
        ["ada-id", "Bearer canary-ada"]
      ])
    }).pipe(Effect.scoped)
  )

  it.effect("give up on a server that does not answer initialize in time, and tell it so", () =>
    Effect.gen(function* () {
      const { arrived, server } = yield* holding
      const ada = yield* (yield* upstreams({ notes: { url: server.url } }, { initTimeout: 3_000 })).session("ada")
      const failing = yield* Effect.forkChild(Effect.flip(ada.get("notes")))
      yield* arrived
      yield* TestClock.adjust(2_999)
      assert.isUndefined(failing.pollUnsafe())
      yield* TestClock.adjust(1)
      const error = yield* Fiber.join(failing)
      assert.deepInclude(error, { _tag: "UpstreamUnavailable", reason: "timeout" })
      assert.include(error.message, "3000 ms")
    }).pipe(Effect.scoped)
  )

  it.effect("know no server that is absent or switched off", () =>
    Effect.gen(function* () {
      const server = yield* ScriptedHttpUpstream.make()
      const hub = yield* upstreams({ off: { url: server.url, enabled: false } })
      const ada = yield* hub.session("ada")
      for (const name of ["off", "absent"]) {
        assert.deepInclude(yield* Effect.flip(ada.get(name)), { _tag: "UpstreamUnavailable", reason: "disabled" })
      }
      assert.strictEqual(server.received.length, 0)
      yield* hub.change({ off: { url: server.url } })
      yield* ada.get("off")
    }).pipe(Effect.scoped)
  )

  it.effect("set a connection up before its first call, with the context of whoever opened it", () =>
    Effect.gen(function* () {
      const server = yield* ScriptedHttpUpstream.make({ methods: { "logging/setLevel": (call) => call.result({}) } })
      const hub = yield* upstreams({ notes: { url: server.url } })
      const ada = yield* hub.session("ada", {
        onOpen: (connection, context) =>
          Effect.orDie(
            Effect.asVoid(
              connection.request({
                method: "logging/setLevel",
                params: { level: "error" },
                context,
                onMessage: () => undefined
              })
            )
          )
      })
      const connection = yield* ada.get("notes")
      yield* callTool(connection, ada.context(), "echo")
      const order = server.received.flatMap((one) => one.body?.method ?? [])
      assert.isBelow(order.indexOf("logging/setLevel"), order.indexOf("tools/call"))
      assert.strictEqual(server.calls("logging/setLevel")[0]!.headers["x-mcphub-user-id"], "ada-id")
    }).pipe(Effect.scoped)
  )

  it.effect("forget a connection that has ended, once, and open another for the next call", () =>
    Effect.gen(function* () {
      const server = yield* ScriptedHttpUpstream.make({ tools: { lost: (call) => call.status(404) } })
      const hub = yield* upstreams({ notes: { url: server.url } })
      const ada = yield* hub.session("ada")
      const bo = yield* hub.session("bo")
      const bos = yield* bo.get("notes")
      const connection = yield* ada.get("notes")
      yield* Effect.flip(callTool(connection, ada.context(), "lost"))
      yield* connection.closed
      yield* ada.nextClosed
      const next = yield* ada.get("notes")
      assert.notStrictEqual(next, connection)
      assert.deepStrictEqual(contentOf(yield* callTool(next, ada.context(), "echo", { a: 1 })), { a: 1 })
      assert.deepStrictEqual(ada.closed, ["notes"])
      assert.strictEqual(yield* bo.get("notes"), bos)
      assert.deepStrictEqual(bo.closed, [])
    }).pipe(Effect.scoped)
  )
})

describe("dropping a link", () => {
  it.effect("ends that session's connection at the server, and the next call opens one under the new settings", () =>
    Effect.gen(function* () {
      const server = yield* ScriptedHttpUpstream.make()
      const hub = yield* upstreams({ notes: { url: server.url, headers: { "x-plan": "old" } } })
      const ada = yield* hub.session("ada")
      const bo = yield* hub.session("bo")
      yield* ada.get("notes")
      const bos = yield* bo.get("notes")
      yield* hub.change({ notes: { url: server.url, headers: { "x-plan": "new" } } })
      yield* ada.links.drop("notes", "settings changed")
      yield* server.await((one) => one.httpMethod === "DELETE" && one.headers["x-mcphub-user-id"] === "ada-id")
      assert.deepStrictEqual(ada.closed, ["notes"])
      assert.deepStrictEqual(ada.links.summaries(), [])
      yield* ada.get("notes")
      assert.deepStrictEqual(
        server.calls("initialize").map(({ headers }) => [headers["x-mcphub-user-id"], headers["x-plan"]]),
        [
          ["ada-id", "old"],
          ["bo-id", "old"],
          ["ada-id", "new"]
        ]
      )
      assert.strictEqual(yield* bo.get("notes"), bos)
      assert.strictEqual(server.calls("DELETE").length, 1)
    }).pipe(Effect.scoped)
  )

  it.effect("makes what is still being opened begin again under the new settings, for everyone who waits", () =>
    Effect.gen(function* () {
      const slow = yield* holding
      const server = yield* ScriptedHttpUpstream.make()
      const hub = yield* upstreams({ notes: { url: slow.server.url } })
      const ada = yield* hub.session("ada")
      const calls = yield* Effect.forkChild(
        Effect.all([ada.get("notes"), ada.get("notes")], { concurrency: "unbounded" })
      )
      const call = yield* slow.arrived
      yield* hub.change({ notes: { url: server.url } })
      yield* ada.links.drop("notes", "settings changed")
      const [one, other] = yield* Fiber.join(calls)
      assert.strictEqual(one, other)
      assert.deepStrictEqual(contentOf(yield* callTool(one, ada.context(), "echo", { a: 1 })), { a: 1 })
      assert.deepStrictEqual(openedBy(server), ["ada-id"])
      introduce(call)
      assert.strictEqual([...ada.links.live()].length, 1)
    }).pipe(Effect.scoped)
  )

  it.effect("ends the pause after failures: other settings may well work", () =>
    Effect.gen(function* () {
      const broken = yield* ScriptedHttpUpstream.make({ methods: { initialize: (call) => call.status(503) } })
      const server = yield* ScriptedHttpUpstream.make()
      const hub = yield* upstreams({ notes: { url: broken.url } })
      const ada = yield* hub.session("ada")
      yield* Effect.flip(ada.get("notes"))
      yield* hub.change({ notes: { url: server.url } })
      assert.deepInclude(yield* Effect.flip(ada.get("notes")), { reason: "backoff" })
      yield* ada.links.drop("notes", "settings changed")
      yield* ada.get("notes")
      assert.deepStrictEqual(openedBy(server), ["ada-id"])
    }).pipe(Effect.scoped)
  )
})

describe("the end of a session", () => {
  it.effect("ends its connections and what it was opening, and nobody else's", () =>
    Effect.gen(function* () {
      const slow = yield* holding
      const server = yield* ScriptedHttpUpstream.make()
      const hub = yield* upstreams({ notes: { url: server.url }, slow: { url: slow.server.url } })
      const ada = yield* hub.session("ada")
      const bo = yield* hub.session("bo")
      yield* ada.get("notes")
      const bos = yield* bo.get("notes")
      const waiting = yield* Effect.forkChild(ada.get("slow"))
      yield* slow.arrived
      yield* ada.end
      yield* Fiber.await(waiting)
      yield* server.await((one) => one.httpMethod === "DELETE" && one.headers["x-mcphub-user-id"] === "ada-id")
      const open = Effect.sync(() => slow.server.sockets().open)
      assert.strictEqual(yield* eventually(open, (sockets) => sockets === 0, { every: "5 millis" }), 0)
      assert.deepStrictEqual(contentOf(yield* callTool(bos, bo.context(), "echo", { b: 1 })), { b: 1 })
      assert.strictEqual(server.sessions.size, 1)
    }).pipe(Effect.scoped)
  )
})
