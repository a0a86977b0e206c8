/** The place where each request in flight waits, as operators and users are shown it. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { type Script, type ScriptedCall, ScriptedHttpUpstream, TestHub } from "../../../../src/testkit/index.ts"
import { holdingUpstream } from "../../support/HoldingUpstream.ts"
import { liveView } from "../../support/LiveView.ts"

const call = (name: string, args: object = {}, meta?: object) => ({
  jsonrpc: "2.0",
  id: 1,
  method: "tools/call",
  params: { name, arguments: args, ...(meta === undefined ? {} : { _meta: meta }) }
})

/** A script that keeps what arrives until the test lets it go on as an ordinary server would. */
const gate = () => {
  const kept: Array<ScriptedCall> = []
  const keep: Script = (one) => void kept.push(one)
  const welcome = (one: ScriptedCall): void => {
    const protocolVersion = one.params["protocolVersion"]
    one.result({ protocolVersion, capabilities: { tools: {} }, serverInfo: { name: "gate", version: "1" } })
  }
  return { kept, keep, welcome }
}

describe("where a request waits", () => {
  it.live("is the server that does not answer, since when, and when it was last heard of", () =>
    Effect.gen(function* () {
      const { hold, upstream } = yield* holdingUpstream()
      const hub = yield* TestHub.make({ servers: { files: { url: upstream.url } } })
      const view = yield* liveView(hub)
      const [ada, bo] = yield* Effect.all([hub.connect(hub.ada), hub.connect(hub.bo)])
      yield* bo.callTool("files-echo", { n: 1 })
      const held = yield* hold(ada, { meta: { progressToken: "p" } })
      const waits = yield* view.why("ada", "server")
      assert.deepInclude(waits, { kind: "server", server: "files", stage: null, until: null, heardMs: null })
      assert.isAtMost(Math.abs(Date.parse(waits!.since) + waits!.forMs - Date.now()), 2_000)
      const progressToken = held.call.progressToken
      held.call.event({ jsonrpc: "2.0", method: "notifications/progress", params: { progressToken, progress: 1 } })
      const [heard] = yield* view.requests("ada", ([one]) => one?.why.heardMs !== null)
      assert.isAtLeast(heard!.why.heardMs!, 0)
      assert.isAtMost(heard!.why.heardMs!, heard!.why.forMs)
      const shown = yield* view.operations.sessionShow({ sessionId: heard!.sessionId })
      assert.deepStrictEqual(
        shown.requests.map(({ why }) => why.kind),
        ["server"]
      )
      // Bo's view has nothing of it.
      assert.deepStrictEqual(yield* view.operations.requestList({ user: "bo" }), [])
      held.call.content({ done: true })
      yield* held.answer
      assert.deepStrictEqual(yield* view.requests("ada", (all) => all.length === 0), [])
    })
  )

  it.live("is the connection that does not come up, with how far it has come, for a call and a list alike", () =>
    Effect.gen(function* () {
      const opening = gate()
      const upstream = yield* ScriptedHttpUpstream.make({ sessions: false, methods: { initialize: opening.keep } })
      const hub = yield* TestHub.make({ servers: { files: { url: upstream.url, isolation: "user" } } })
      const view = yield* liveView(hub)
      const [ada, second, bo] = yield* Effect.all([hub.connect(hub.ada), hub.connect(hub.ada), hub.connect(hub.bo)])
      const calling = yield* Effect.forkChild(ada.send(call("files-echo")))
      yield* view.why("ada", "connection", "initialize")
      // The connection is the user's: her other session waits for the same one.
      const listing = yield* Effect.forkChild(second.toolNames)
      const both = yield* view.requests("ada", (all) => all.filter(({ why }) => why.stage === "initialize").length > 1)
      assert.deepStrictEqual(
        both.map(({ method, why: { kind, server, stage } }) => [method, kind, server, stage]).toSorted(),
        [
          ["tools/call", "connection", "files", "initialize"],
          ["tools/list", "connection", "files", "initialize"]
        ]
      )
      assert.lengthOf(opening.kept, 1)
      assert.deepStrictEqual(yield* view.operations.requestList({ user: "bo" }), [])
      opening.welcome(opening.kept[0]!)
      assert.include((yield* Fiber.join(calling)).text, '"content"')
      assert.include(yield* Fiber.join(listing), "files-echo")
      yield* bo.request("ping")
    })
  )

  it.effect("is the moment until which a server has asked to be left alone", () =>
    Effect.gen(function* () {
      const upstream = yield* ScriptedHttpUpstream.make({
        sessions: false,
        tools: { busy: (one) => one.status(429, { "retry-after": "5" }) }
      })
      const hub = yield* TestHub.make({ servers: { files: { url: upstream.url, isolation: "session" } } })
      const view = yield* liveView(hub)
      const [ada, bo] = yield* Effect.all([hub.connect(hub.ada), hub.connect(hub.bo)])
      yield* Effect.ignore(ada.callTool("files-busy"))
      const waiting = yield* Effect.forkChild(ada.callTool("files-echo", { n: 1 }))
      const waits = yield* view.why("ada", "retry-after")
      assert.deepInclude(waits, { kind: "retry-after", server: "files", until: "1970-01-01T00:00:05.000Z" })
      assert.deepStrictEqual(yield* bo.callTool("files-echo", { n: 2 }), { n: 2 })
      assert.deepStrictEqual(yield* view.operations.requestList({ user: "bo" }), [])
      yield* TestClock.adjust("5 seconds")
      assert.deepStrictEqual(yield* Fiber.join(waiting), { n: 1 })
    })
  )

  it.effect("is another request's attempt at a server whose circuit breaker was open", () =>
    Effect.gen(function* () {
      const opening = gate()
      const upstream = yield* ScriptedHttpUpstream.make({
        sessions: false,
        methods: { initialize: (one) => one.status(500) }
      })
      const hub = yield* TestHub.make({ servers: { files: { url: upstream.url, isolation: "session" } } })
      const view = yield* liveView(hub)
      const sessions = yield* Effect.all(Array.from({ length: 7 }, () => hub.connect(hub.ada)))
      for (const session of sessions.slice(0, 5)) yield* Effect.ignore(session.callTool("files-echo"))
      const [shown] = yield* view.operations.sessionList({ user: "ada" })
      assert.strictEqual(shown!.upstreams[0]!.state, "paused")
      assert.isAbove(shown!.upstreams[0]!.retryAfterMs!, 0)
      upstream.script("initialize", opening.keep)
      yield* TestClock.adjust("1 minute")
      const tried = yield* Effect.forkChild(sessions[5]!.send(call("files-echo")))
      yield* view.why("ada", "connection", "initialize")
      const other = yield* Effect.forkChild(sessions[6]!.send(call("files-echo")))
      assert.deepInclude(yield* view.why("ada", "breaker"), { kind: "breaker", server: "files" })
      assert.deepStrictEqual(yield* view.operations.requestList({ user: "bo" }), [])
      upstream.script("initialize", opening.welcome)
      opening.welcome(opening.kept[0]!)
      for (const one of [tried, other]) assert.include((yield* Fiber.join(one)).text, '"content"')
    })
  )

  it.live("is the client that a server has put a question to", () =>
    Effect.gen(function* () {
      const elicit = { message: "Which one?", requestedSchema: { type: "object", properties: {} } }
      const upstream = yield* ScriptedHttpUpstream.make({
        tools: {
          ask: async (one) => {
            one.event({ jsonrpc: "2.0", id: "q", method: "elicitation/create", params: elicit })
            await Effect.runPromise(upstream.await(({ body }) => body?.id === "q" && body.method === undefined))
            one.content({ asked: true })
          }
        }
      })
      const hub = yield* TestHub.make({ servers: { files: { url: upstream.url } } })
      const view = yield* liveView(hub)
      const ada = yield* hub.connect(hub.ada, { capabilities: { elicitation: {} } })
      const bo = yield* hub.connect(hub.bo)
      const answer = yield* ada.open(call("files-ask"))
      const question = (yield* answer.next) as { readonly id: string }
      assert.deepInclude(yield* view.why("ada", "client-answer"), { kind: "client-answer", server: "files" })
      yield* bo.request("ping")
      assert.deepStrictEqual(yield* view.operations.requestList({ user: "bo" }), [])
      yield* ada.respond(question.id, { action: "accept", content: {} })
      yield* answer.rest
      assert.deepStrictEqual(yield* view.requests("ada", (all) => all.length === 0), [])
    })
  )
})
