/** Servers that take no requests for a while and say how long: HTTP 429 and 503 with Retry-After, through the whole hub. */
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { RequestTracker } from "../../../../src/actors/requests/RequestTracker.ts"
import { type McpClient, type Script, ScriptedHttpUpstream, TestHub } from "../../../../src/testkit/index.ts"
import { eventually } from "../../../support/Eventually.ts"
import * as StatelessUpstream from "../../../support/StatelessUpstream.ts"
import { ask } from "../../support/StatelessClient.ts"

const introduce: Script = (call) => {
  call.response.setHeader("mcp-session-id", crypto.randomUUID())
  call.result({
    protocolVersion: call.params["protocolVersion"],
    capabilities: { tools: {}, prompts: {} },
    serverInfo: { name: "limited", version: "1.0.0" }
  })
}

const busy =
  (seconds: number | undefined, status = 429): Script =>
  (call) =>
    call.status(status, seconds === undefined ? {} : { "retry-after": String(seconds) })

const prompt: Script = (call) => call.result({ messages: [], description: String(call.params["name"]) })

/** A hub under the test clock with one server, which is busy where a test says so. */
const start = Effect.fnUntraced(function* (tool: Script = busy(5)) {
  const upstream = yield* ScriptedHttpUpstream.make({
    sessions: false,
    tools: { busy: tool },
    methods: {
      initialize: introduce,
      "prompts/list": (call) => call.result({ prompts: [{ name: "greet" }] }),
      "prompts/get": prompt
    }
  })
  const hub = yield* TestHub.make({ servers: { files: { url: upstream.url, isolation: "session" } } })
  const tracker = Context.get(hub.services, RequestTracker)
  /** Requests of ada that wait for the server's moment, or for its answer. */
  const running = (count: number) =>
    eventually(
      Effect.map(tracker.pending, (all) =>
        all.filter(({ server, username }) => server === "files" && username === "ada")
      ),
      (all) => all.length === count
    ).pipe(Effect.map((all) => assert.strictEqual(all.length, count)))
  const [ada, bo] = yield* Effect.all([hub.connect(hub.ada), hub.connect(hub.bo)])
  const received = (method: string) => upstream.calls(method).length
  return { upstream, hub, tracker, running, ada, bo, received }
})

const echo = (client: McpClient.McpClient, args = {}) => client.callTool("files-echo", args)
const get = (client: McpClient.McpClient) => client.request("prompts/get", { name: "files-greet" })

const impatient = (timeoutMs: number) => ({
  jsonrpc: "2.0",
  id: 1,
  method: "tools/call",
  params: { name: "files-echo", arguments: {}, _meta: { "mcphub/timeoutMs": timeoutMs } }
})

const refused = (failure: McpClient.McpFailure, retryAfterMs: number) => {
  assert.deepStrictEqual([failure.status, failure.code], [200, 1503])
  const { kind, origin, retryable, server, ...data } = failure.data as Record<string, unknown>
  assert.deepStrictEqual([kind, origin, retryable, server], ["upstream_unavailable", "upstream", true, "files"])
  assert.strictEqual(data["retryAfterMs"], retryAfterMs)
}

describe("a server that wants to be left alone", () => {
  it.effect("B09: is left alone by all sessions of that user until then, and serves bo meanwhile", () =>
    Effect.gen(function* () {
      const { ada, bo, hub, received, running } = yield* start(busy(4))
      const second = yield* hub.connect(hub.ada)
      yield* echo(ada)
      yield* echo(bo)
      refused(yield* Effect.flip(ada.callTool("files-busy")), 4_000)
      const calls = received("tools/call")
      const openings = received("initialize")
      const waiting = yield* Effect.forkChild(
        Effect.all([echo(ada, { of: "first" }), echo(second, { of: "second" })], { concurrency: "unbounded" })
      )
      yield* running(1)
      yield* TestClock.adjust("3999 millis")
      assert.deepStrictEqual(yield* echo(bo, { bo: 1 }), { bo: 1 })
      assert.strictEqual(received("tools/call"), calls + 1)
      assert.strictEqual(received("initialize"), openings)
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual(yield* Fiber.join(waiting), [{ of: "first" }, { of: "second" }])
      assert.strictEqual(received("tools/call"), calls + 3)
      assert.strictEqual(received("initialize"), openings + 1)
    })
  )

  it.effect("B09: refuses at once what could not be answered in time, and nothing of it is sent", () =>
    Effect.gen(function* () {
      const { ada, bo, received, tracker } = yield* start(busy(60))
      yield* Effect.all([echo(ada), echo(bo)])
      refused(yield* Effect.flip(ada.callTool("files-busy")), 60_000)
      const calls = received("tools/call")
      yield* TestClock.adjust("20 seconds")
      const failure = yield* Effect.flip(echo(ada))
      refused(failure, 40_000)
      assert.include(failure.message, "try again in 40 s")
      yield* TestClock.adjust("15 seconds")
      const { error } = JSON.parse((yield* ada.send(impatient(24_000))).text)
      assert.deepStrictEqual([error.code, error.data.retryAfterMs], [1503, 25_000])
      assert.strictEqual(received("tools/call"), calls)
      assert.deepStrictEqual(yield* echo(bo, { bo: 1 }), { bo: 1 })
      assert.deepStrictEqual((yield* tracker.systemStats).errorsByKind, { upstream_unavailable: 3 })
    })
  )

  it.effect("B09: keeps what waits in flight: it is cancelled like any other request and ends with its session", () =>
    Effect.gen(function* () {
      const { ada, bo, hub, received, running } = yield* start()
      const second = yield* hub.connect(hub.ada)
      yield* Effect.all([echo(ada), echo(second), echo(bo)])
      yield* Effect.flip(ada.callTool("files-busy"))
      const calls = received("tools/call")
      const call = (id: number) => ({ ...impatient(30_000), id })
      const cancelled = yield* Effect.forkChild(ada.send(call(7)))
      const closed = yield* Effect.forkChild(second.send(call(8)))
      yield* running(2)
      yield* ada.notify("notifications/cancelled", { requestId: 7 })
      yield* Fiber.join(cancelled)
      yield* running(1)
      assert.strictEqual(yield* second.end, 204)
      assert.strictEqual(JSON.parse((yield* Fiber.join(closed)).text).error.data.kind, "session_closed")
      yield* running(0)
      yield* TestClock.adjust("10 seconds")
      yield* Effect.all([echo(ada), echo(bo)])
      assert.strictEqual(received("tools/call"), calls + 2)
    })
  )

  it.live("B09: is asked once more by the hub itself for what may be asked twice, and for a call never", () =>
    Effect.gen(function* () {
      const { ada, bo, received, upstream } = yield* start(busy(1))
      yield* Effect.all([get(ada), get(bo)])
      let refusals = 1
      upstream.script("prompts/get", (call) => (refusals-- > 0 ? busy(1, 503)(call) : prompt(call)))
      const began = performance.now()
      const again = yield* Effect.forkChild(get(ada))
      yield* upstream.await(({ body }) => body?.method === "prompts/get" && received("prompts/get") === 3)
      assert.deepInclude(yield* get(bo), { description: "greet" })
      assert.deepInclude(yield* Fiber.join(again), { description: "greet" })
      assert.isAtLeast(performance.now() - began, 1_000)
      assert.strictEqual(received("prompts/get"), 5)
      // Refused both times: the second refusal is the answer.
      refusals = 2
      refused(yield* Effect.flip(get(ada)), 1_000)
      assert.strictEqual(received("prompts/get"), 7)
      // Waits like all others, and is not sent again.
      refused(yield* Effect.flip(ada.callTool("files-busy")), 1_000)
      yield* echo(ada)
      assert.strictEqual(upstream.calls("tools/call").filter(({ body }) => body!.params!["name"] === "busy").length, 1)
    })
  )

  it.live("B09: has a connection opened when its time has come, for whoever wanted one", () =>
    Effect.gen(function* () {
      const { ada, bo, received, upstream } = yield* start()
      let refusals = 1
      upstream.script("initialize", (call) => (refusals-- > 0 ? busy(1)(call) : introduce(call)))
      const began = performance.now()
      const wanting = yield* Effect.forkChild(
        Effect.all([ada.toolNames, echo(ada, { ada: 1 })], { concurrency: "unbounded" })
      )
      yield* upstream.await(({ body }) => body?.method === "initialize")
      assert.deepStrictEqual(yield* echo(bo, { bo: 1 }), { bo: 1 })
      assert.strictEqual(received("initialize"), 2)
      const [names, echoed] = yield* Fiber.join(wanting)
      assert.isAtLeast(performance.now() - began, 1_000)
      assert.include(names, "files-echo")
      assert.deepStrictEqual(echoed, { ada: 1 })
      assert.strictEqual(received("initialize"), 3)
    })
  )

  it.effect(
    "B09: is missing from a list at once when it will not be asked in time, and announced when it has come",
    () =>
      Effect.gen(function* () {
        const { ada, bo, hub, received } = yield* start(busy(20))
        yield* echo(ada)
        yield* Effect.flip(ada.callTool("files-busy"))
        const openings = received("initialize")
        const second = yield* hub.connect(hub.ada)
        const events = yield* second.stream
        const unlisted = yield* Effect.flip(second.request("tools/list"))
        assert.deepInclude(unlisted.data as object, { kind: "nothing_reachable" })
        assert.include(unlisted.message, "try again in 20 s")
        // A call has longer than a list, and waits.
        const call = yield* Effect.forkChild(echo(second, { n: 1 }), { startImmediately: true })
        assert.strictEqual(received("initialize"), openings)
        assert.include(yield* bo.toolNames, "files-echo")
        yield* TestClock.adjust("20 seconds")
        assert.deepStrictEqual(yield* Fiber.join(call), { n: 1 })
        assert.deepInclude(yield* events.next, { method: "notifications/tools/list_changed" })
        assert.include(yield* second.toolNames, "files-echo")
        assert.deepStrictEqual(yield* echo(second, { n: 2 }), { n: 2 })
      })
  )

  it.effect("B09: is not waited for, and not asked again, when it names no time", () =>
    Effect.gen(function* () {
      const { ada, bo, received, upstream } = yield* start(busy(undefined, 503))
      yield* Effect.all([get(ada), get(bo)])
      upstream.script("prompts/get", busy(undefined))
      for (const failing of [get(ada), ada.callTool("files-busy")]) {
        const failure = yield* Effect.flip(failing)
        assert.strictEqual(failure.code, 1503)
        assert.notProperty(failure.data, "retryAfterMs")
      }
      assert.strictEqual(received("prompts/get"), 3)
      assert.deepStrictEqual(yield* echo(ada, { ada: 1 }), { ada: 1 })
      assert.deepStrictEqual(yield* echo(bo, { bo: 1 }), { bo: 1 })
    })
  )

  it.effect("B09: is left alone in revision 2026-07-28 too, where its own error goes to the caller as it is", () =>
    Effect.gen(function* () {
      const limit = { code: -32050, message: "Slow down" }
      const upstream = yield* StatelessUpstream.make({
        tools: {
          echo: (call) => call.content(call.arguments),
          busy: (call) =>
            call.body(429, "application/json", JSON.stringify({ jsonrpc: "2.0", id: call.id, error: limit }), {
              "retry-after": "5"
            })
        }
      })
      const hub = yield* TestHub.make({ servers: { notes: { url: upstream.url } } })
      const call = (user: "ada" | "bo", name: string) =>
        ask(hub.http, hub[user], "tools/call", { name: `notes-${name}`, arguments: { user } })
      yield* call("ada", "echo")
      yield* call("bo", "echo")
      assert.deepStrictEqual((yield* call("ada", "busy")).error, limit)
      const waiting = yield* Effect.forkChild(call("ada", "echo"))
      const tracker = Context.get(hub.services, RequestTracker)
      yield* eventually(
        Effect.map(tracker.pending, (all) => all.filter(({ server }) => server === "notes").length),
        (count) => count === 1
      )
      const before = upstream.calls("tools/call").length
      assert.deepStrictEqual((yield* call("bo", "echo")).result.structuredContent, { user: "bo" })
      assert.strictEqual(upstream.calls("tools/call").length, before + 1)
      yield* TestClock.adjust("5 seconds")
      assert.deepStrictEqual((yield* Fiber.join(waiting)).result.structuredContent, { user: "ada" })
    })
  )
})
