/** Servers that have forgotten a session, as restarted ones have, and say so in words of their own. */
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber } from "effect"
import type { Isolation } from "../../../../src/domain/servers/ServerConfig.ts"
import { ScriptedHttpUpstream, TestHub } from "../../../../src/testkit/index.ts"
import type { ScriptedCall, Script } from "../../../../src/testkit/ScriptedCall.ts"
import * as OddServers from "../../support/OddServers.ts"

const refusing = (call: ScriptedCall, status: number, id: unknown, message: string) =>
  call.body(status, "application/json", JSON.stringify({ jsonrpc: "2.0", id, error: { code: -32000, message } }))

const noSession = "Bad Request: No valid session ID provided"

/** The words of servers in use; what names the request differs from one to the next. */
const refusals: Readonly<Record<string, Script>> = {
  "an anonymous error": (call) => refusing(call, 400, null, noSession),
  "an error that repeats the id": (call) => refusing(call, 400, call.id, noSession),
  "an error with an id of its own": (call) => refusing(call, 400, "server-error", noSession),
  "a text": (call) => call.body(400, "text/plain", "Invalid session ID"),
  gone: (call) => call.body(410, "text/plain", "This session has gone")
}

/** Of a session they say nothing; the call may have been executed. */
const wordless: Readonly<Record<string, Script>> = {
  "no words": (call) => call.status(400),
  "words that say nothing": (call) => call.body(400, "text/plain", "Bad Request"),
  gone: (call) => call.status(410)
}

const start = Effect.fnUntraced(function* (forgotten: Script, isolation: Isolation, tools = {}) {
  const upstream = yield* ScriptedHttpUpstream.make({ forgotten, tools })
  const hub = yield* TestHub.make({ servers: { odd: { url: upstream.url, isolation, context: "none" } } })
  const [ada, bo] = yield* Effect.all([hub.connect(hub.ada), hub.connect(hub.bo)])
  const named = (name: string) => upstream.calls("tools/call").filter(({ body }) => body?.params?.["name"] === name)
  return { ada, bo, hub, named, opened: () => upstream.calls("initialize").length, upstream }
})

describe("a server that answers a forgotten session by 400", () => {
  for (const [words, forgotten] of Object.entries(refusals)) {
    it.live(
      `field A2: with ${words}, gets a new session, once for all that meet it, and no call is lost or doubled`,
      () =>
        Effect.gen(function* () {
          for (const isolation of ["session", "user", "shared"] as const) {
            const done: Array<unknown> = []
            const { ada, bo, hub, opened, upstream } = yield* start(forgotten, isolation, {
              does: (call: ScriptedCall) => {
                done.push(call.arguments["n"])
                call.content({ n: call.arguments["n"] })
              }
            })
            const clients = [[ada, hub.ada] as const, [bo, hub.bo] as const, ["stateless", hub.ada] as const]
            const does = ([client, user]: (typeof clients)[number], n: unknown) =>
              OddServers.call(hub, user, client, "does", { n })
            for (const client of clients) assert.isUndefined((yield* does(client, 0)).error)
            const before = opened()
            upstream.forgetSessions()
            done.length = 0
            const asked = clients.flatMap((client, index) => [1, 2, 3].map((n) => [client, 10 * index + n] as const))
            const answers = yield* Effect.forEach(asked, ([client, n]) => does(client, n), { concurrency: "unbounded" })
            answers.forEach((answer, index) => {
              assert.deepStrictEqual(answer.result?.structuredContent, { n: asked[index]![1] }, JSON.stringify(answer))
            })
            // Each was executed once, whoever asked, and each connection has one new session.
            assert.deepStrictEqual([...done].sort(), asked.map(([, n]) => n).sort())
            assert.strictEqual(opened() - before, before)
          }
        })
    )
  }

  it.live(
    "field A2: in words that may mean the call, gets it no second time; its client is told that it may repeat it",
    () =>
      Effect.gen(function* () {
        const { ada, bo, hub, named, opened, upstream } = yield* start(
          (call) => call.body(400, "text/plain", `No session for ${JSON.stringify(call.received.body)}`),
          "shared"
        )

        for (const client of [ada, bo]) assert.deepStrictEqual(yield* client.callTool("odd-echo", { n: 0 }), { n: 0 })
        upstream.forgetSessions()
        const { code, data } = yield* Effect.flip(ada.callTool("odd-echo", { n: 1 }))
        assert.deepInclude(data, { kind: "upstream_session", retryable: true })
        assert.strictEqual(code, 1502)
        assert.strictEqual(
          named("echo").filter(({ body }) => body!.params!["arguments"]!["n" as never] === 1).length,
          1
        )
        assert.strictEqual(opened(), 2)
        for (const client of [ada, bo]) assert.deepStrictEqual(yield* client.callTool("odd-echo", { n: 2 }), { n: 2 })
        // What only reads is sent again whatever the words are.
        upstream.forgetSessions()
        assert.include(yield* (yield* hub.connect(hub.ada)).toolNames, "odd-echo")
        assert.strictEqual(opened(), 3)
      })
  )

  for (const [words, forgotten] of Object.entries(wordless)) {
    it.live(`field A2: with ${words}, after a call that may have been executed, gets it no second time`, () =>
      Effect.gen(function* () {
        const { ada, bo, named, upstream } = yield* start(forgotten, "shared", {
          loses: (call: ScriptedCall) => {
            upstream.forgetSessions()
            return forgotten(call)
          }
        })
        for (const client of [ada, bo]) assert.deepStrictEqual(yield* client.callTool("odd-echo", { n: 0 }), { n: 0 })
        const { data } = yield* Effect.flip(ada.callTool("odd-loses"))
        assert.deepInclude(data, { kind: "upstream_session" })
        assert.lengthOf(named("loses"), 1)
        for (const client of [ada, bo]) assert.deepStrictEqual(yield* client.callTool("odd-echo", { n: 1 }), { n: 1 })
      })
    )
  }

  it.live("field A2: a 404 whose words are about what ada asked for ends neither her session nor bo's call", () =>
    Effect.gen(function* () {
      const waits = yield* Deferred.make<ScriptedCall>()
      const { ada, bo, named, opened } = yield* start((call) => call.status(404), "shared", {
        slow: (call: ScriptedCall) => void Deferred.doneUnsafe(waits, Effect.succeed(call)),
        misses: (call: ScriptedCall) => refusing(call, 404, call.id, "Item not found")
      })
      yield* ada.callTool("odd-echo", { n: 0 })
      const bos = yield* Effect.forkChild(bo.callTool("odd-slow"))
      const call = yield* Deferred.await(waits)
      assert.include((yield* Effect.flip(ada.callTool("odd-misses"))).message, "Item not found")
      assert.deepStrictEqual([named("misses").length, opened()], [1, 1])
      call.content({ for: "bo" })
      assert.deepStrictEqual(yield* Fiber.join(bos), { for: "bo" })
    })
  )

  it.live(
    "field A2: refuses one call of ada's and answers a ping, keeps its session, and bo what the session knows",
    () =>
      Effect.gen(function* () {
        for (const status of [400, 404, 410]) {
          const { ada, bo, named, opened } = yield* start((call) => call.status(400), "shared", {
            dislikes: (call: ScriptedCall) =>
              status === 404
                ? call.body(
                    404,
                    "application/json",
                    JSON.stringify({ jsonrpc: "2.0", id: call.id, error: { code: -32601, message: "m" } })
                  )
                : refusing(call, status, null, "An argument is too long")
          })
          yield* bo.callTool("odd-set-context", { project: "bo's" })
          yield* Effect.flip(ada.callTool("odd-dislikes"))
          assert.deepInclude(yield* bo.callTool("odd-get-data"), { project: "bo's" })
          assert.deepStrictEqual([named("dislikes").length, opened()], [1, 1])
        }
      })
  )
})
