import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Queue, Scope } from "effect"
import { TestClock } from "effect/testing"
import { SharedUpstreams } from "../../../../src/actors/upstream/links/SharedUpstreams.ts"
import type { ConnectOptions, UpstreamMessage } from "../../../../src/actors/upstream/connection/UpstreamConnection.ts"
import type { Isolation } from "../../../../src/domain/servers/ServerConfig.ts"
import { KeyState } from "../../../../src/domain/identity/Standing.ts"
import type { ScriptedCall } from "../../../../src/testkit/ScriptedCall.ts"
import { ScriptedHttpUpstream } from "../../../../src/testkit/ScriptedHttpUpstream.ts"
import * as Heard from "../../../support/Heard.ts"
import { connectOptions } from "../support/Connections.ts"
import { callTool, contextOf } from "../support/HttpCalls.ts"
import { upstreams } from "../support/UpstreamSessions.ts"

/** A reference in a scope of its own, and what it heard. */
const acquire = Effect.fnUntraced(function* (
  isolation: Isolation,
  url: string,
  username: string,
  more: Partial<ConnectOptions> = {}
) {
  const shared = yield* SharedUpstreams
  const scope = yield* Scope.fork(yield* Effect.scope)
  const heard = yield* Heard.make<UpstreamMessage>()
  const connection = yield* shared
    .acquire(
      isolation,
      connectOptions({ url }, contextOf(username), {
        name: "notes",
        clientCapabilities: {},
        onMessage: heard.add,
        ...more
      })
    )
    .pipe(Scope.provide(scope))
  return { connection, heard: heard.all, next: heard.next, release: Scope.close(scope, Exit.void) }
})

describe("what was seen of a server", () => {
  it.effect("is believed for ten minutes from the last time, and no longer", () =>
    Effect.gen(function* () {
      const shared = yield* SharedUpstreams
      assert.isFalse(shared.keepsNoState("notes"))
      shared.observe("notes", false)
      assert.isTrue(shared.keepsNoState("notes"))
      assert.isFalse(shared.keepsNoState("other"))
      yield* TestClock.adjust("9 minutes")
      shared.observe("notes", false)
      yield* TestClock.adjust(10 * 60_000 - 1)
      assert.isTrue(shared.keepsNoState("notes"))
      yield* TestClock.adjust(1)
      assert.isFalse(shared.keepsNoState("notes"))
    }).pipe(Effect.provideServiceEffect(SharedUpstreams, fresh), Effect.scoped)
  )

  it.effect("changes at once when it is seen to keep state after all", () =>
    Effect.gen(function* () {
      const shared = yield* SharedUpstreams
      shared.observe("notes", false)
      shared.observe("notes", true)
      assert.isFalse(shared.keepsNoState("notes"))
      shared.observe("notes", false)
      assert.isTrue(shared.keepsNoState("notes"))
    }).pipe(Effect.provideServiceEffect(SharedUpstreams, fresh), Effect.scoped)
  )
})

const fresh = Effect.gen(function* () {
  const { services } = yield* upstreams({})
  return yield* Effect.provideContext(SharedUpstreams, services)
})

describe("a shared connection", () => {
  it.effect("is per user, key, server, capabilities and settings; only an administrator's choice joins users", () =>
    Effect.gen(function* () {
      const { url } = yield* ScriptedHttpUpstream.make()
      const of = (username: string, more: Partial<ConnectOptions> = {}, isolation: Isolation = "user") =>
        // Each holder has its own handle; what the server said of itself is the connection's.
        Effect.map(acquire(isolation, url, username, more), ({ connection }) => connection.info)
      const ada = yield* of("ada")
      assert.strictEqual(yield* of("ada"), ada)
      const { principal, ...rest } = contextOf("ada")
      const otherKey = { ...rest, principal: { ...principal, keyId: contextOf("bo").principal.keyId } }
      const apart = [
        ada,
        yield* of("bo"),
        yield* of("ada", { context: otherKey }),
        yield* of("ada", { name: "other" }),
        yield* of("ada", { clientCapabilities: { roots: {} } }),
        yield* of("ada", { protocolVersion: "2025-06-18" }),
        yield* of("ada", { config: { url, headers: { "x-plan": "new" } } })
      ]
      assert.strictEqual(new Set(apart).size, apart.length)
      const everyones = yield* of("ada", {}, "shared")
      assert.strictEqual(yield* of("bo", {}, "shared"), everyones)
      assert.notInclude(apart, everyones)
    }).pipe(Effect.provideServiceEffect(SharedUpstreams, fresh), Effect.scoped)
  )

  it.effect("tells what belongs to no call to each of its holders, and to nobody who has left or never held it", () =>
    Effect.gen(function* () {
      const streams = new Map<unknown, ScriptedCall>()
      const opened = yield* Queue.unbounded<void>()
      const server = yield* ScriptedHttpUpstream.make({
        methods: {
          GET: (call) => {
            call.open()
            streams.set(call.received.headers["x-mcphub-user-id"], call)
            Queue.offerUnsafe(opened, undefined)
          }
        }
      })
      const bo = yield* acquire("user", server.url, "bo")
      const one = yield* acquire("user", server.url, "ada")
      const other = yield* acquire("user", server.url, "ada")
      const left = yield* acquire("user", server.url, "ada")
      yield* left.release
      yield* Queue.takeN(opened, 2)
      streams.get("ada-id")!.event({ jsonrpc: "2.0", method: "notifications/tools/list_changed" })
      yield* Effect.all([one.next, other.next])
      streams.get("bo-id")!.event({ jsonrpc: "2.0", method: "notifications/prompts/list_changed" })
      yield* bo.next
      assert.deepStrictEqual(
        [one, other, left, bo].map(({ heard }) => heard.map(({ method }) => method)),
        [
          ["notifications/tools/list_changed"],
          ["notifications/tools/list_changed"],
          [],
          ["notifications/prompts/list_changed"]
        ]
      )
    }).pipe(Effect.provideServiceEffect(SharedUpstreams, fresh), Effect.scoped)
  )

  it.effect("tells of a resource only who asked for it, and gives it up when the last of them does", () =>
    Effect.gen(function* () {
      const streams = yield* Queue.unbounded<ScriptedCall>()
      const server = yield* ScriptedHttpUpstream.make({
        methods: {
          GET: (call) => {
            call.open()
            Queue.offerUnsafe(streams, call)
          },
          "resources/subscribe": (call) =>
            call.params["uri"] === "note://secret" ? call.error(-32602, "No") : call.result({}),
          "resources/unsubscribe": (call) => call.result({})
        }
      })
      const ada = yield* acquire("shared", server.url, "ada")
      const bo = yield* acquire("shared", server.url, "bo")
      const change = (holder: typeof ada, what: "subscribe" | "unsubscribe", uri: string) =>
        holder.connection.request({
          method: `resources/${what}`,
          params: { uri },
          context: contextOf("ada"),
          onMessage: () => {}
        })
      for (const uri of ["note://a", "note://both"]) yield* change(ada, "subscribe", uri)
      for (const uri of ["note://b", "note://both"]) yield* change(bo, "subscribe", uri)
      yield* Effect.flip(change(bo, "subscribe", "note://secret"))
      const stream = yield* Queue.take(streams)
      const updated = (uri: string) =>
        stream.event({ jsonrpc: "2.0", method: "notifications/resources/updated", params: { uri } })
      for (const uri of ["note://secret", "note://a", "note://b", "note://both"]) updated(uri)
      yield* Effect.all([ada.next, ada.next, bo.next, bo.next])
      const heard = ({ heard: messages }: typeof ada) => messages.map(({ params }) => params!["uri"])
      assert.deepStrictEqual(heard(ada), ["note://a", "note://both"])
      assert.deepStrictEqual(heard(bo), ["note://b", "note://both"])
      const givenUp = () => server.calls("resources/unsubscribe").map(({ body }) => body!.params!["uri"])
      assert.deepStrictEqual(yield* change(bo, "unsubscribe", "note://both"), {})
      assert.deepStrictEqual(givenUp(), [])
      yield* change(ada, "unsubscribe", "note://both")
      assert.deepStrictEqual(givenUp(), ["note://both"])
      // Who leaves takes what nobody else wants with them, and nothing else.
      yield* change(bo, "subscribe", "note://a")
      yield* bo.release
      assert.deepStrictEqual(givenUp(), ["note://both", "note://b"])
      updated("note://a")
      yield* ada.next
    }).pipe(Effect.provideServiceEffect(SharedUpstreams, fresh), Effect.scoped)
  )

  it.effect(
    "asks the only session of one user what comes with no call, and never one of several, nor another user",
    () =>
      Effect.gen(function* () {
        const streams = yield* Queue.unbounded<ScriptedCall>()
        const server = yield* ScriptedHttpUpstream.make({
          methods: {
            GET: (call) => {
              call.open()
              Queue.offerUnsafe(streams, call)
            }
          }
        })
        const ask = Effect.fnUntraced(function* (stream: ScriptedCall, id: string, method = "elicitation/create") {
          stream.event({ jsonrpc: "2.0", id, method, params: { message: "ada, delete the repository?" } })
          return () => server.await(({ body }) => body?.id === id && body.method === undefined)
        })
        const options = { clientCapabilities: { elicitation: {} } }

        // Shared by users: ada alone holds it first, and even then it may be about somebody who has just left.
        const ada = yield* acquire("shared", server.url, "ada", options)
        const everyones = yield* Queue.take(streams)
        const alone = yield* (yield* ask(everyones, "q-1"))()
        assert.strictEqual((alone.body as any).error.code, -32601)
        const bo = yield* acquire("shared", server.url, "bo", options)
        const both = yield* (yield* ask(everyones, "q-2"))()
        assert.strictEqual((both.body as any).error.code, -32601)
        assert.deepStrictEqual((yield* (yield* ask(everyones, "p-1", "ping"))()).body!.result, {})
        assert.strictEqual(server.received.filter(({ body }) => body?.id === "p-1").length, 1)

        const one = yield* acquire("user", server.url, "ada", options)
        const own = yield* Queue.take(streams)
        yield* ask(own, "q-3")
        assert.strictEqual(((yield* one.next) as { readonly id?: unknown }).id, "q-3")
        const other = yield* acquire("user", server.url, "ada", options)
        const unclear = yield* (yield* ask(own, "q-4"))()
        assert.strictEqual((unclear.body as any).error.code, -32601)

        assert.deepStrictEqual(
          [ada, bo, one, other].map(({ heard }) => heard.length),
          [0, 0, 1, 0]
        )
      }).pipe(Effect.provideServiceEffect(SharedUpstreams, fresh), Effect.scoped)
  )

  it.effect("A53: answers the server's pings for those who stay when the key of who opened it has ended", () =>
    Effect.gen(function* () {
      const streams = yield* Queue.unbounded<ScriptedCall>()
      const server = yield* ScriptedHttpUpstream.make({
        methods: {
          GET: (call) => {
            call.open()
            Queue.offerUnsafe(streams, call)
          }
        }
      })
      const key = new KeyState()
      const shared = yield* SharedUpstreams
      const scope = yield* Scope.fork(yield* Effect.scope)
      const context = contextOf("ada")
      const adas = { ...context, principal: { ...context.principal, standing: key.standing } }
      yield* shared
        .acquire("shared", connectOptions({ url: server.url }, adas, { name: "notes", clientCapabilities: {} }))
        .pipe(Scope.provide(scope))
      yield* acquire("shared", server.url, "bo")
      const stream = yield* Queue.take(streams)
      key.revoke()
      yield* Scope.close(scope, Exit.void)
      stream.event({ jsonrpc: "2.0", id: "p-2", method: "ping" })
      const answered = yield* server
        .await(({ body }) => body?.id === "p-2")
        .pipe(Effect.timeoutOption(2_000), TestClock.withLive)
      assert.strictEqual(answered._tag, "Some")
    }).pipe(Effect.provideServiceEffect(SharedUpstreams, fresh), Effect.scoped)
  )

  it.effect("that could not be opened is opened by the next who asks, not remembered as broken", () =>
    Effect.gen(function* () {
      const server = yield* ScriptedHttpUpstream.make()
      let failing = true
      server.script("initialize", (call) =>
        failing
          ? call.status(503)
          : call.result({ protocolVersion: "2025-11-25", capabilities: {}, serverInfo: { name: "s", version: "1" } })
      )
      server.script("notifications/initialized", (call) => call.status(202))
      const error = yield* Effect.flip(acquire("user", server.url, "ada"))
      assert.deepInclude(error, { _tag: "UpstreamUnavailable", reason: "status" })
      failing = false
      const { connection } = yield* acquire("user", server.url, "ada")
      assert.strictEqual(connection.info.serverInfo["name"], "s")
    }).pipe(Effect.provideServiceEffect(SharedUpstreams, fresh), Effect.scoped)
  )

  it.effect("that has ended is not given to whoever comes next", () =>
    Effect.gen(function* () {
      const server = yield* ScriptedHttpUpstream.make({ tools: { lost: (call) => call.status(404) } })
      const first = yield* acquire("user", server.url, "ada")
      yield* Effect.flip(callTool(first.connection, contextOf("ada"), "lost"))
      yield* first.connection.closed
      yield* first.release
      const next = yield* acquire("user", server.url, "ada")
      assert.notStrictEqual(next.connection, first.connection)
      yield* callTool(next.connection, contextOf("ada"), "echo")
    }).pipe(Effect.provideServiceEffect(SharedUpstreams, fresh), Effect.scoped)
  )
})
