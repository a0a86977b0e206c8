import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import type { UpstreamMessage } from "../../../../src/actors/upstream/connection/UpstreamConnection.ts"
import { UserPools } from "../../../../src/actors/upstream/http/UserPools.ts"
import { ScriptedHttpUpstream } from "../../../../src/testkit/ScriptedHttpUpstream.ts"
import { callTool, connect, contentOf, contextOf, lateResponses, layer } from "../support/HttpCalls.ts"

describe("calls over HTTP", () => {
  for (const answers of ["json", "sse"] as const) {
    it.live(`A15: a hundred calls at once on one connection each get their own answer (${answers})`, () =>
      Effect.gen(function* () {
        const server = yield* ScriptedHttpUpstream.make({ answers })
        const ada = yield* connect(server.url, contextOf("ada"))
        const numbers = Array.from({ length: 100 }, (_, index) => index)
        const results = yield* Effect.forEach(numbers, (index) => callTool(ada, contextOf("ada"), "echo", { index }), {
          concurrency: "unbounded"
        })
        assert.deepStrictEqual(
          results.map((result) => contentOf(result)["index"]),
          numbers
        )
        const ids = server.calls("tools/call").map((one) => one.body!.id)
        assert.strictEqual(new Set(ids).size, 100)
      }).pipe(Effect.scoped, Effect.provide(layer()))
    )
  }

  it.live("R42: calls one after another reuse the user's socket", () =>
    Effect.gen(function* () {
      const server = yield* ScriptedHttpUpstream.make({ stream: false })
      const ada = yield* connect(server.url, contextOf("ada"))
      const before = (yield* UserPools).stats()
      for (let index = 0; index < 200; index++) yield* callTool(ada, contextOf("ada"), "echo", { index })
      const after = (yield* UserPools).stats()
      assert.strictEqual(after.requests - before.requests, 200)
      assert.isAtMost((after.connects - before.connects) / 200, 0.01)
      assert.isAtMost(server.sockets().accepted, 3)
    }).pipe(Effect.scoped, Effect.provide(layer()))
  )

  it.live("two users share no socket, no session and no state", () =>
    Effect.gen(function* () {
      const server = yield* ScriptedHttpUpstream.make()
      const ada = yield* connect(server.url, contextOf("ada"))
      const bo = yield* connect(server.url, contextOf("bo"))
      yield* callTool(ada, contextOf("ada"), "set-context", { project: "ada's own" })
      assert.strictEqual(contentOf(yield* callTool(bo, contextOf("bo"), "get-data"))["project"], null)
      assert.strictEqual(contentOf(yield* callTool(ada, contextOf("ada"), "get-data"))["project"], "ada's own")
      const of = (user: string) => server.received.filter((one) => one.headers["x-mcphub-user-id"] === `${user}-id`)
      assert.strictEqual(of("ada").length + of("bo").length, server.received.length)
      const sockets = new Set(of("ada").map((one) => one.remotePort))
      assert.isFalse(of("bo").some((one) => sockets.has(one.remotePort)))
      const sessions = new Set(of("ada").map((one) => one.headers["mcp-session-id"]))
      assert.isFalse(
        of("bo").some(
          (one) => one.headers["mcp-session-id"] !== undefined && sessions.has(one.headers["mcp-session-id"])
        )
      )
    }).pipe(Effect.scoped, Effect.provide(layer()))
  )

  it.live("defects 4 and 5: every request of every kind carries this request's context, never a frozen one", () =>
    Effect.gen(function* () {
      const server = yield* ScriptedHttpUpstream.make({
        tools: { ask: (call) => call.event({ jsonrpc: "2.0", id: "q1", method: "elicitation/create", params: {} }) }
      })
      yield* Effect.gen(function* () {
        const ada = yield* connect(server.url, contextOf("ada"))
        yield* server.await((one) => one.httpMethod === "GET")
        const seen: Array<string> = []
        for (let index = 0; index < 3; index++) {
          const context = contextOf("ada")
          const headers = contentOf(yield* callTool(ada, context, "whoami"))
          assert.strictEqual(headers["x-mcphub-request-id"], context.requestId)
          assert.strictEqual(headers["x-mcphub-session-id"], "session-ada")
          assert.match(String(headers["x-mcphub-timestamp"]), /^\d{13}$/)
          seen.push(String(headers["x-mcphub-request-id"]))
        }
        assert.strictEqual(new Set(seen).size, 3)
        const answering = contextOf("ada")
        yield* ada.respond({ jsonrpc: "2.0", id: "q1", result: { action: "accept" } }, answering)
        const answer = server.received.find((one) => one.body?.id === "q1")
        assert.strictEqual(answer?.headers["x-mcphub-request-id"], answering.requestId)
        const cancelled = contextOf("ada")
        yield* callTool(ada, cancelled, "ask").pipe(
          Effect.raceFirst(server.await((one) => one.headers["x-mcphub-request-id"] === cancelled.requestId))
        )
        const told = yield* server.await((one) => one.body?.method === "notifications/cancelled")
        assert.strictEqual(told.headers["x-mcphub-request-id"], cancelled.requestId)
      }).pipe(Effect.scoped)
      const kinds = new Set(server.received.map((one) => one.httpMethod))
      assert.deepStrictEqual([...kinds].sort(), ["DELETE", "GET", "POST"])
      for (const one of server.received) {
        assert.strictEqual(one.headers["x-mcphub-user-id"], "ada-id", `${one.httpMethod} ${one.body?.method}`)
        assert.strictEqual(one.headers["x-mcphub-source-server"], "scripted")
        assert.isDefined(one.headers["x-mcphub-request-id"])
      }
    }).pipe(Effect.scoped, Effect.provide(layer()))
  )

  it.live("A19: progress and questions reach the call they belong to, under its client's own token", () =>
    Effect.gen(function* () {
      const server = yield* ScriptedHttpUpstream.make({
        tools: {
          work: (call) => {
            const params = { progressToken: call.progressToken, progress: 1, message: call.arguments["who"] }
            call.event({ jsonrpc: "2.0", method: "notifications/progress", params })
            call.event({
              jsonrpc: "2.0",
              method: "notifications/progress",
              params: { progressToken: 987, progress: 9 }
            })
            call.event({
              jsonrpc: "2.0",
              id: 1,
              method: "elicitation/create",
              params: { message: call.arguments["who"] }
            })
            call.content({ token: call.progressToken })
          }
        }
      })
      const stray: Array<UpstreamMessage> = []
      const ada = yield* connect(server.url, contextOf("ada"), { onMessage: (message) => void stray.push(message) })
      const work = (who: string) => {
        const got: Array<UpstreamMessage> = []
        return Effect.map(
          callTool(
            ada,
            contextOf("ada"),
            "work",
            { who },
            { meta: { progressToken: "same", kept: who }, onMessage: (m) => void got.push(m) }
          ),
          (result) => ({ got, token: contentOf(result)["token"] })
        )
      }
      const [first, second] = yield* Effect.all([work("first"), work("second")], { concurrency: "unbounded" })
      assert.notStrictEqual(first.token, second.token)
      for (const [who, one] of [
        ["first", first],
        ["second", second]
      ] as const) {
        assert.notStrictEqual(one.token, "same")
        assert.deepStrictEqual(
          one.got.map((message) => [message.method, message.params!["message"], message.params!["progressToken"]]),
          [
            ["notifications/progress", who, "same"],
            ["elicitation/create", who, undefined]
          ]
        )
      }
      assert.deepStrictEqual(stray, [])
      const sent = server
        .calls("tools/call")
        .map((one) => (one.body!.params!["_meta"] as Record<string, unknown>)["kept"])
      assert.deepStrictEqual(sent.sort(), ["first", "second"])
    }).pipe(Effect.scoped, Effect.provide(layer()))
  )

  it.live("a call without a progress token gets none and its params leave unchanged", () =>
    Effect.gen(function* () {
      const server = yield* ScriptedHttpUpstream.make()
      const ada = yield* connect(server.url, contextOf("ada"))
      const params = {
        name: "echo",
        arguments: { deep: [1, { a: null }], text: "größe" },
        _meta: { trace: "x" },
        unknown: true
      }
      yield* ada.request({ method: "tools/call", params, context: contextOf("ada"), onMessage: () => undefined })
      assert.deepStrictEqual(server.calls("tools/call")[0]!.body!.params, params)
    }).pipe(Effect.scoped, Effect.provide(layer()))
  )

  it.live("progress that names a call which asked for none is counted and shown to nobody", () =>
    Effect.gen(function* () {
      const server = yield* ScriptedHttpUpstream.make({
        tools: {
          guess: (call) => {
            call.event({
              jsonrpc: "2.0",
              method: "notifications/progress",
              params: { progressToken: call.id, progress: 1 }
            })
            call.content({ done: true })
          }
        }
      })
      const got: Array<UpstreamMessage> = []
      const onMessage = (message: UpstreamMessage) => void got.push(message)
      for (const user of ["ada", "bo"]) {
        const connection = yield* connect(server.url, contextOf(user), { onMessage })
        const result = yield* callTool(connection, contextOf(user), "guess", {}, { onMessage })
        assert.deepStrictEqual(contentOf(result), { done: true })
      }
      assert.deepStrictEqual(got, [])
      assert.strictEqual(yield* lateResponses, 2)
    }).pipe(Effect.scoped, Effect.provide(layer()))
  )

  it.live("B06: an answer with another id is counted and ignored, the right one still arrives", () =>
    Effect.gen(function* () {
      const server = yield* ScriptedHttpUpstream.make({
        tools: {
          confused: (call) => {
            call.event({ jsonrpc: "2.0", id: 4711, result: { wrong: true } })
            call.event({ jsonrpc: "2.0", id: `0${call.id}`, result: { wrong: true } })
            call.content({ right: true })
          }
        }
      })
      const ada = yield* connect(server.url, contextOf("ada"))
      assert.deepStrictEqual(contentOf(yield* callTool(ada, contextOf("ada"), "confused")), { right: true })
      assert.strictEqual(yield* lateResponses, 2)
    }).pipe(Effect.scoped, Effect.provide(layer()))
  )

  it.live("B07: the first of two answers wins, the second is counted", () =>
    Effect.gen(function* () {
      const server = yield* ScriptedHttpUpstream.make({
        tools: {
          twice: (call) => {
            const answer = (n: number) =>
              `data: ${JSON.stringify({ jsonrpc: "2.0", id: call.id, result: { structuredContent: { answer: n } } })}\n\n`
            call.open()
            // In one piece, so that both are read at once.
            call.raw(answer(1) + answer(2))
            call.end()
          }
        }
      })
      const ada = yield* connect(server.url, contextOf("ada"))
      assert.deepStrictEqual(contentOf(yield* callTool(ada, contextOf("ada"), "twice")), { answer: 1 })
      // The next call finds the socket free again, so the stream of the first has ended.
      assert.deepStrictEqual(contentOf(yield* callTool(ada, contextOf("ada"), "echo", { next: true })), { next: true })
      assert.strictEqual(yield* lateResponses, 1)
    }).pipe(Effect.scoped, Effect.provide(layer()))
  )

  it.live("an error of the upstream passes through, also under an HTTP error status", () =>
    Effect.gen(function* () {
      const server = yield* ScriptedHttpUpstream.make({
        tools: {
          refuse: (call) => call.error(-32042, "Not today", { reason: "rain" }),
          refuse400: (call) =>
            call.body(
              400,
              "application/json",
              JSON.stringify({ jsonrpc: "2.0", id: call.id, error: { code: -32602, message: "Bad name" } })
            )
        }
      })
      const ada = yield* connect(server.url, contextOf("ada"))
      const error = yield* Effect.flip(callTool(ada, contextOf("ada"), "refuse"))
      assert.deepInclude(error, {
        _tag: "UpstreamErrorResponse",
        code: -32042,
        message: "Not today",
        data: { reason: "rain" }
      })
      const other = yield* Effect.flip(callTool(ada, contextOf("ada"), "refuse400"))
      assert.deepInclude(other, { _tag: "UpstreamErrorResponse", code: -32602, message: "Bad name" })
    }).pipe(Effect.scoped, Effect.provide(layer()))
  )

  it.live("A33: a token the upstream writes into its error is taken out", () =>
    Effect.gen(function* () {
      const server = yield* ScriptedHttpUpstream.make({
        tools: { leak: (call) => call.error(-32000, 'bad token "tok-canary-ada"', { seen: ["tok-canary-ada"] }) }
      })
      const context = contextOf("ada", { GITHUB_TOKEN: "tok-canary-ada" })
      const ada = yield* connect(server.url, context)
      const error = yield* Effect.flip(callTool(ada, context, "leak"))
      assert.notInclude(JSON.stringify(error), "tok-canary-ada")
      assert.deepInclude(error, { message: 'bad token "<redacted>"', data: { seen: ["<redacted>"] } })
    }).pipe(Effect.scoped, Effect.provide(layer()))
  )

  it.live("a batched answer of revision 2025-03-26 is taken apart, and the first of two answers in it wins", () =>
    Effect.gen(function* () {
      const server = yield* ScriptedHttpUpstream.make({
        tools: {
          batch: (call) =>
            call.body(
              200,
              "application/json",
              JSON.stringify([
                { jsonrpc: "2.0", method: "notifications/message", params: { data: "hello" } },
                { jsonrpc: "2.0", id: call.id, result: { structuredContent: { ok: true } } },
                { jsonrpc: "2.0", id: call.id, result: { structuredContent: { ok: "again" } } }
              ])
            )
        }
      })
      const got: Array<UpstreamMessage> = []
      const ada = yield* connect(server.url, contextOf("ada"), { protocolVersion: "2025-03-26" })
      const result = yield* callTool(
        ada,
        contextOf("ada"),
        "batch",
        {},
        { onMessage: (message) => void got.push(message) }
      )
      assert.deepStrictEqual(contentOf(result), { ok: true })
      assert.strictEqual(yield* lateResponses, 1)
      assert.deepStrictEqual(
        got.map((message) => message.method),
        ["notifications/message"]
      )
    }).pipe(Effect.scoped, Effect.provide(layer()))
  )
})
