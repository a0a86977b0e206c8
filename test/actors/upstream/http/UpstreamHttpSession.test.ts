import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Layer, Queue, Scope } from "effect"
import { UserPools } from "../../../../src/actors/upstream/http/UserPools.ts"
import type { ScriptedCall } from "../../../../src/testkit/ScriptedCall.ts"
import { ScriptedHttpUpstream } from "../../../../src/testkit/ScriptedHttpUpstream.ts"
import { eventually } from "../../../support/Eventually.ts"
import * as LateResponses from "../../../support/LateResponses.ts"
import { callTool, connect, contentOf, contextOf, lateResponses, layer } from "../support/HttpCalls.ts"

/** Sockets close in the kernel's time. */
const soon = { deadline: "5 seconds", every: "5 millis" } as const

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
        assert.strictEqual(server.calls("initialize").at(-1)!.headers["x-mcphub-user-id"], "ada-id")
        assert.deepStrictEqual(contentOf(yield* callTool(bo, contextOf("bo"), "echo", { bo: 1 })), { bo: 1 })
        assert.strictEqual(server.calls("initialize").at(-1)!.headers["x-mcphub-user-id"], "bo-id")
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
      const late = yield* LateResponses.make
      const services = yield* Layer.build(layer({}, late.layer))
      const held: Array<ScriptedCall> = []
      const server = yield* ScriptedHttpUpstream.make({ tools: { hang: (call) => void held.push(call) } })
      const ada = yield* Effect.provideContext(connect(server.url, contextOf("ada")), services)
      const fiber = yield* Effect.forkChild(callTool(ada, contextOf("ada"), "hang"))
      const sent = yield* server.await((one) => one.body?.params?.["name"] === "hang")
      yield* Fiber.interrupt(fiber)
      const told = yield* server.await((one) => one.body?.method === "notifications/cancelled")
      assert.strictEqual(told.body!.params!["requestId"], sent.body!.id)
      assert.strictEqual(told.headers["mcp-session-id"], sent.headers["mcp-session-id"])
      const next = yield* Effect.forkChild(callTool(ada, contextOf("ada"), "echo", { next: true }))
      held[0]!.content({ late: true })
      assert.deepStrictEqual(contentOf(yield* Fiber.join(next)), { next: true })
      assert.strictEqual(yield* late.next, "scripted")
      assert.strictEqual(yield* Effect.provideContext(lateResponses, services), 1)
    }).pipe(Effect.scoped)
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
      const hung = yield* Queue.unbounded<ScriptedCall>()
      const server = yield* ScriptedHttpUpstream.make({
        tools: { hang: (call) => void Queue.offerUnsafe(hung, call) }
      })
      const ada = yield* connectApart(server.url, "ada")
      const bo = yield* connect(server.url, contextOf("bo"))
      yield* server.await((one) => one.httpMethod === "GET" && one.headers["x-mcphub-user-id"] === "bo-id")
      const calls = yield* Effect.forEach(Array.from({ length: 10 }), () =>
        Effect.forkChild(Effect.flip(callTool(ada.connection, contextOf("ada"), "hang")))
      )
      yield* Queue.takeN(hung, 10)
      const started = performance.now()
      yield* ada.close
      for (const call of calls) {
        assert.deepInclude(yield* Fiber.join(call), { _tag: "UpstreamFailed", reason: "closed" })
      }
      assert.strictEqual(yield* ada.connection.closed, "session ended")
      const [ended] = server.calls("DELETE")
      assert.strictEqual(ended!.headers["x-mcphub-user-id"], "ada-id")
      const adas = new Set(
        server.received.filter((one) => one.headers["x-mcphub-user-id"] === "ada-id").map((one) => one.remotePort)
      )
      const pools = yield* UserPools
      const left = Effect.sync(() => ({ ...pools.stats(), atTheServer: server.sockets().open }))
      const { atTheServer, open } = yield* eventually(
        left,
        (now) => now.pools === 1 && now.open === now.atTheServer,
        soon
      )
      assert.strictEqual(pools.stats().pools, 1)
      assert.strictEqual(open, atTheServer)
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

  it.live("B10: a session that is refused while its connection closes fails what waits for it at once", () =>
    Effect.gen(function* () {
      const refused = yield* Deferred.make<ScriptedCall>()
      const bosServer = yield* ScriptedHttpUpstream.make()
      const server = yield* ScriptedHttpUpstream.make({
        methods: {
          DELETE: () => undefined,
          "notifications/held": (call) => void Deferred.doneUnsafe(refused, Effect.succeed(call))
        }
      })
      const bo = yield* connect(bosServer.url, contextOf("bo"))
      const ada = yield* connectApart(server.url, "ada")
      const waiting = yield* Effect.forkChild(
        Effect.flip(ada.connection.notify("notifications/held", {}, contextOf("ada")))
      )
      const held = yield* Deferred.await(refused)
      const closing = yield* Effect.forkChild(ada.close)
      yield* server.await(({ httpMethod }) => httpMethod === "DELETE")
      held.status(404)
      const failure = yield* Fiber.join(waiting)
      assert.deepInclude(failure, { _tag: "UpstreamUnavailable" })
      yield* Fiber.join(closing)
      assert.lengthOf(server.calls("initialize"), 1)
      assert.deepStrictEqual(contentOf(yield* callTool(bo, contextOf("bo"), "echo", { of: "bo" })), { of: "bo" })
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
      const left = Effect.sync(() => [pools.stats().pools, pools.stats().open, server.sockets().open])
      assert.deepStrictEqual(yield* eventually(left, (now) => now.every((count) => count === 0), soon), [0, 0, 0])
      assert.strictEqual(server.sessions.size, 0)
      assert.strictEqual(server.calls("DELETE").length, 100)
    }).pipe(Effect.scoped, Effect.provide(layer()))
  )

  it.live("what a connection of several users sends on its own account is its owner's, whoever called last", () =>
    Effect.gen(function* () {
      const server = yield* ScriptedHttpUpstream.make()
      yield* Effect.scoped(
        Effect.gen(function* () {
          const connection = yield* connect(server.url, contextOf("ada"))
          yield* callTool(connection, contextOf("ada"), "echo")
          yield* callTool(connection, contextOf("bo"), "echo")
        })
      )
      const users = (method: string) => server.calls(method).map(({ headers }) => headers["x-mcphub-user-id"])
      const [adas, bos] = users("tools/call")
      assert.notStrictEqual(adas, bos)
      assert.deepStrictEqual(users("DELETE"), [adas])
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
      // The question belonged to the session that is gone: its answer goes nowhere else.
      const lost = yield* Effect.flip(ada.respond({ jsonrpc: "2.0", id: 10, result: {} }, contextOf("ada")))
      assert.deepInclude(lost, { _tag: "UpstreamFailed", reason: "session" })
      assert.strictEqual(server.calls("initialize").length, 1)
      yield* ada.notify("notifications/roots/list_changed", undefined, contextOf("ada"))
      assert.strictEqual(server.calls("initialize").length, 2)
      server.script("notifications/other", (call) => call.status(403))
      const error = yield* Effect.flip(ada.notify("notifications/other", {}, contextOf("ada")))
      assert.deepInclude(error, { _tag: "UpstreamFailed", reason: "unauthorized" })
    }).pipe(Effect.scoped, Effect.provide(layer()))
  )

  it.live("B05: bytes that trickle do not keep a call alive past its deadline", () =>
    Effect.gen(function* () {
      const server = yield* ScriptedHttpUpstream.make({
        tools: {
          trickle: (call) => {
            call.open()
            const timer = setInterval(() => call.raw(":\n"), 20)
            call.response.once("close", () => clearInterval(timer))
          }
        }
      })
      const ada = yield* connect(server.url, contextOf("ada"))
      const started = performance.now()
      const outcome = yield* Effect.timeoutOption(callTool(ada, contextOf("ada"), "trickle"), "300 millis")
      assert.strictEqual(outcome._tag, "None")
      assert.isBelow(performance.now() - started, 600)
      yield* server.await((one) => one.body?.method === "notifications/cancelled")
    }).pipe(Effect.scoped, Effect.provide(layer()))
  )
})
