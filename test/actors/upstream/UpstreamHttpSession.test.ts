import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Scope } from "effect"
import { TestClock } from "effect/testing"
import type { RequestTracker } from "../../../src/actors/RequestTracker.ts"
import type { UpstreamMessage } from "../../../src/actors/upstream/UpstreamConnection.ts"
import { UserPools } from "../../../src/actors/upstream/UserPools.ts"
import type { ScriptedCall } from "../../../src/testkit/ScriptedCall.ts"
import { ScriptedHttpUpstream } from "../../../src/testkit/ScriptedHttpUpstream.ts"
import { callTool, connect, contentOf, contextOf, lateResponses, layer } from "./http.ts"

/** For counters that tell nobody when they change: looks until the condition holds. */
const until = (condition: () => boolean) =>
  Effect.callback<void>((resume) => {
    const look = () => (condition() ? resume(Effect.void) : void (timer = setTimeout(look, 5)))
    let timer: ReturnType<typeof setTimeout>
    look()
    return Effect.sync(() => clearTimeout(timer))
  }).pipe(Effect.timeout("5 seconds"))

/** A connection in a scope of its own, to be closed in the middle of a test. */
const connectApart = Effect.fnUntraced(function* (url: string, username: string) {
  const scope = yield* Scope.make()
  const connection = yield* Scope.provide(connect(url, contextOf(username)), scope)
  return { connection, close: Scope.close(scope, Exit.void) }
})

describe("a session with an HTTP upstream", () => {
  it.live(
    "defect 23, B10: a forgotten session is opened once for all calls that meet the 404, each sent again once",
    () =>
      Effect.gen(function* () {
        const server = yield* ScriptedHttpUpstream.make()
        const bo = yield* connect(server.url, contextOf("bo"))
        const ada = yield* connect(server.url, contextOf("ada", { GITHUB_TOKEN: "tok-ada" }), {
          config: { url: server.url, headers: { authorization: "Bearer ${USER_GITHUB_TOKEN}" } }
        })
        server.forgetSessions()
        const results = yield* Effect.forEach(
          Array.from({ length: 20 }, (_, index) => index),
          (index) => callTool(ada, contextOf("ada", { GITHUB_TOKEN: "tok-ada" }), "echo", { index }),
          { concurrency: "unbounded" }
        )
        assert.deepStrictEqual(
          results.map((result) => contentOf(result)["index"]),
          results.map((_, index) => index)
        )
        assert.strictEqual(server.calls("initialize").length, 3)
        const times = new Map<unknown, number>()
        for (const one of server.calls("tools/call")) times.set(one.body!.id, (times.get(one.body!.id) ?? 0) + 1)
        assert.isAtMost(Math.max(...times.values()), 2)
        // The user's own token is on the new session's first request, as on all others.
        assert.strictEqual(server.calls("initialize").at(-1)!.headers["authorization"], "Bearer tok-ada")
        assert.strictEqual(server.calls("initialize").at(-1)!.headers["x-mcphub-user-id"], "id-ada")
        assert.deepStrictEqual(contentOf(yield* callTool(bo, contextOf("bo"), "echo", { bo: 1 })), { bo: 1 })
        assert.strictEqual(server.calls("initialize").at(-1)!.headers["x-mcphub-user-id"], "id-bo")
      }).pipe(Effect.scoped, Effect.provide(layer()))
  )

  it.live("B10: a session refused twice fails the call and ends the connection", () =>
    Effect.gen(function* () {
      const server = yield* ScriptedHttpUpstream.make({ tools: { lost: (call) => call.status(404) } })
      const ada = yield* connect(server.url, contextOf("ada"))
      const error = yield* Effect.flip(callTool(ada, contextOf("ada"), "lost"))
      assert.deepInclude(error, { _tag: "UpstreamFailed", reason: "session" })
      assert.strictEqual(server.calls("tools/call").length, 2)
      assert.strictEqual(yield* ada.closed, "session refused twice")
      const after = yield* Effect.flip(callTool(ada, contextOf("ada"), "echo"))
      assert.strictEqual(after._tag, "UpstreamUnavailable")
      assert.strictEqual(server.calls("tools/call").length, 2)
    }).pipe(Effect.scoped, Effect.provide(layer()))
  )

  it.live("a 404 without a session is an ordinary failure", () =>
    Effect.gen(function* () {
      const server = yield* ScriptedHttpUpstream.make({ sessions: false, tools: { lost: (call) => call.status(404) } })
      const ada = yield* connect(server.url, contextOf("ada"))
      const error = yield* Effect.flip(callTool(ada, contextOf("ada"), "lost"))
      assert.deepInclude(error, { _tag: "UpstreamFailed", reason: "status" })
      assert.strictEqual(server.calls("initialize").length, 1)
    }).pipe(Effect.scoped, Effect.provide(layer()))
  )

  it.live("a session that cannot be opened again fails every waiting call alike, and the next call tries anew", () =>
    Effect.gen(function* () {
      const server = yield* ScriptedHttpUpstream.make()
      const ada = yield* connect(server.url, contextOf("ada"))
      server.forgetSessions()
      let refusals = 0
      server.script("initialize", (call) => {
        refusals++
        call.status(503)
      })
      const call = Effect.flip(callTool(ada, contextOf("ada"), "echo"))
      const errors = yield* Effect.all([call, call, call], { concurrency: "unbounded" })
      for (const error of errors) assert.deepInclude(error, { _tag: "UpstreamUnavailable", reason: "status" })
      assert.isAtLeast(refusals, 1)
      yield* call
      assert.isAtLeast(refusals, 2)
    }).pipe(Effect.scoped, Effect.provide(layer()))
  )

  it.live("B01, B02: an interrupted call is cancelled upstream; its late answer is counted and given to nobody", () =>
    Effect.gen(function* () {
      const held: Array<ScriptedCall> = []
      const server = yield* ScriptedHttpUpstream.make({ tools: { hang: (call) => void held.push(call) } })
      const ada = yield* connect(server.url, contextOf("ada"))
      const fiber = yield* Effect.forkChild(callTool(ada, contextOf("ada"), "hang"))
      const sent = yield* server.await((one) => one.body?.params?.["name"] === "hang")
      yield* Fiber.interrupt(fiber)
      const told = yield* server.await((one) => one.body?.method === "notifications/cancelled")
      assert.strictEqual(told.body!.params!["requestId"], sent.body!.id)
      assert.strictEqual(told.headers["mcp-session-id"], sent.headers["mcp-session-id"])
      const next = yield* Effect.forkChild(callTool(ada, contextOf("ada"), "echo", { next: true }))
      held[0]!.content({ late: true })
      assert.deepStrictEqual(contentOf(yield* Fiber.join(next)), { next: true })
      const services = yield* Effect.context<RequestTracker>()
      yield* until(() => Effect.runSyncWith(services)(lateResponses) === 1)
    }).pipe(Effect.scoped, Effect.provide(layer()))
  )

  it.live("a cancelled call that is never answered gives its socket up within a second", () =>
    Effect.gen(function* () {
      const gone = yield* Deferred.make<void>()
      const server = yield* ScriptedHttpUpstream.make({
        tools: { hang: (call) => void call.response.once("close", () => Deferred.doneUnsafe(gone, Effect.void)) }
      })
      const ada = yield* connect(server.url, contextOf("ada"))
      yield* callTool(ada, contextOf("ada"), "hang").pipe(
        Effect.raceFirst(server.await((one) => one.body?.params?.["name"] === "hang"))
      )
      const started = performance.now()
      yield* server.await((one) => one.body?.method === "notifications/cancelled")
      assert.isBelow(performance.now() - started, 250)
      yield* Deferred.await(gone)
      assert.isBelow(performance.now() - started, 1_500)
    }).pipe(Effect.scoped, Effect.provide(layer()))
  )

  it.live("what a session had set up is set up again in the one that replaces it, before any call goes on", () =>
    Effect.gen(function* () {
      const server = yield* ScriptedHttpUpstream.make({ methods: { "logging/setLevel": (call) => call.result({}) } })
      const ada = yield* connect(server.url, contextOf("ada"), {
        onRenew: (connection, context) =>
          Effect.ignore(
            connection.request({
              method: "logging/setLevel",
              params: { level: "debug" },
              context,
              onMessage: () => undefined
            })
          )
      })
      assert.strictEqual(server.calls("logging/setLevel").length, 0)
      server.forgetSessions()
      yield* callTool(ada, contextOf("ada"), "echo")
      const methods = server.received.map((one) => one.body?.method).filter((method) => method !== undefined)
      assert.deepStrictEqual(methods.slice(2), [
        "tools/call",
        "initialize",
        "notifications/initialized",
        "logging/setLevel",
        "tools/call"
      ])
    }).pipe(Effect.scoped, Effect.provide(layer()))
  )

  it.live("defects 19 and 34: closing fails what is in flight, ends the upstream session and frees every socket", () =>
    Effect.gen(function* () {
      const server = yield* ScriptedHttpUpstream.make({ tools: { hang: () => undefined } })
      const ada = yield* connectApart(server.url, "ada")
      const bo = yield* connect(server.url, contextOf("bo"))
      yield* server.await((one) => one.httpMethod === "GET" && one.headers["x-mcphub-user-id"] === "id-bo")
      const calls = yield* Effect.forEach(Array.from({ length: 10 }), () =>
        Effect.forkChild(Effect.flip(callTool(ada.connection, contextOf("ada"), "hang")))
      )
      yield* until(() => server.calls("tools/call").length === 10)
      const started = performance.now()
      yield* ada.close
      for (const call of calls) {
        assert.deepInclude(yield* Fiber.join(call), { _tag: "UpstreamFailed", reason: "closed" })
      }
      assert.strictEqual(yield* ada.connection.closed, "session ended")
      const [ended] = server.calls("DELETE")
      assert.strictEqual(ended!.headers["x-mcphub-user-id"], "id-ada")
      const adas = new Set(
        server.received.filter((one) => one.headers["x-mcphub-user-id"] === "id-ada").map((one) => one.remotePort)
      )
      const pools = yield* UserPools
      yield* until(() => pools.stats().pools === 1)
      yield* until(() => pools.stats().open === server.sockets().open)
      assert.isBelow(performance.now() - started, 1_000)
      assert.strictEqual(server.sessions.size, 1)
      assert.strictEqual(server.calls("DELETE").length, 1)
      // What is left open is bo's alone.
      assert.deepStrictEqual(contentOf(yield* callTool(bo, contextOf("bo"), "echo", { bo: 1 })), { bo: 1 })
      assert.isFalse(adas.has(server.received.at(-1)!.remotePort))
    }).pipe(Effect.scoped, Effect.provide(layer()))
  )

  it.live("B23: a server that hangs on DELETE does not hold the session back", () =>
    Effect.gen(function* () {
      const server = yield* ScriptedHttpUpstream.make({ methods: { DELETE: () => undefined } })
      const ada = yield* connectApart(server.url, "ada")
      const started = performance.now()
      yield* ada.close
      assert.isBelow(performance.now() - started, 1_000)
      assert.strictEqual(server.calls("DELETE").length, 1)
    }).pipe(Effect.scoped, Effect.provide(layer()))
  )

  it.live("a hundred connections opened and closed leave neither session nor socket", () =>
    Effect.gen(function* () {
      const server = yield* ScriptedHttpUpstream.make()
      yield* Effect.forEach(
        Array.from({ length: 100 }, (_, index) => (index % 2 === 0 ? "ada" : "bo")),
        (username) =>
          Effect.scoped(
            Effect.flatMap(connect(server.url, contextOf(username)), (one) =>
              callTool(one, contextOf(username), "echo")
            )
          ),
        { concurrency: 10 }
      )
      const pools = yield* UserPools
      yield* until(() => pools.stats().pools === 0 && pools.stats().open === 0 && server.sockets().open === 0)
      assert.strictEqual(server.sessions.size, 0)
      assert.strictEqual(server.calls("DELETE").length, 100)
    }).pipe(Effect.scoped, Effect.provide(layer()))
  )
})

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
        ["id-ada", "ping"]
      )
      assert.deepStrictEqual(
        bo.map((message) => message.params?.["data"] ?? message.method),
        ["id-bo", "ping"]
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
      yield* connect(server.url, contextOf("ada"), {
        onMessage: (message) => {
          got.push(message)
          Deferred.doneUnsafe(first, Effect.void)
        }
      })
      yield* until(() => server.push({ jsonrpc: "2.0", method: "notifications/tools/list_changed" }, "e-17") === 1)
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

  it.live("notifications and answers are accepted by the server before they succeed", () =>
    Effect.gen(function* () {
      const server = yield* ScriptedHttpUpstream.make()
      const ada = yield* connect(server.url, contextOf("ada"))
      yield* ada.notify("notifications/roots/list_changed", undefined, contextOf("ada"))
      assert.strictEqual(server.calls("notifications/roots/list_changed").length, 1)
      yield* ada.respond({ jsonrpc: "2.0", id: 9, error: { code: -1, message: "no" } }, contextOf("ada"))
      assert.deepInclude(server.received.at(-1)!.body, { id: 9, error: { code: -1, message: "no" } })
      server.forgetSessions()
      yield* ada.notify("notifications/roots/list_changed", undefined, contextOf("ada"))
      assert.strictEqual(server.calls("initialize").length, 2)
      server.script("notifications/other", (call) => call.status(403))
      const error = yield* Effect.flip(ada.notify("notifications/other", {}, contextOf("ada")))
      assert.deepInclude(error, { _tag: "UpstreamFailed", reason: "status" })
    }).pipe(Effect.scoped, Effect.provide(layer()))
  )
})
