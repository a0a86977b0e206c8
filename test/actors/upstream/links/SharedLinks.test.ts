import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import { ScriptedHttpUpstream } from "../../../../src/testkit/ScriptedHttpUpstream.ts"
import { callTool } from "../support/HttpCalls.ts"
import { introduce, openedBy } from "../support/Openings.ts"
import { upstreams } from "../support/UpstreamSessions.ts"

describe("a connection that several sessions share", () => {
  it.effect("is one user's own: made for a server without state, used by their later sessions, and never by bo", () =>
    Effect.gen(function* () {
      const server = yield* ScriptedHttpUpstream.make({ sessions: false })
      const hub = yield* upstreams({ notes: { url: server.url } })
      const first = yield* (yield* hub.session("ada")).get("notes")
      const second = yield* (yield* hub.session("ada")).get("notes")
      const third = yield* (yield* hub.session("ada")).get("notes")
      assert.notStrictEqual(second.info, first.info)
      // Each session has its own handle; what the server said of itself is the connection's.
      assert.strictEqual(third.info, second.info)
      const bos = yield* (yield* hub.session("bo")).get("notes")
      assert.notStrictEqual(bos.info, second.info)
      assert.deepStrictEqual(openedBy(server), ["ada-id", "ada-id", "bo-id"])
    }).pipe(Effect.scoped)
  )

  it.effect("is never made for a server that keeps state, unless its entry says so", () =>
    Effect.gen(function* () {
      const server = yield* ScriptedHttpUpstream.make()
      const hub = yield* upstreams({ own: { url: server.url }, common: { url: server.url, isolation: "user" } })
      const [one, other, bo] = [yield* hub.session("ada"), yield* hub.session("ada"), yield* hub.session("bo")]
      const connection = (session: typeof one, name: string) => Effect.map(session.get(name), ({ info }) => info)
      assert.notStrictEqual(yield* connection(one, "own"), yield* connection(other, "own"))
      assert.strictEqual(yield* connection(one, "common"), yield* connection(other, "common"))
      assert.notStrictEqual(yield* connection(bo, "common"), yield* connection(one, "common"))
      yield* one.end
      assert.strictEqual(server.sessions.size, 3)
      assert.isTrue((yield* other.get("common")).stateful)
    }).pipe(Effect.scoped)
  )

  it.effect("is given up for connections of their own when a server turns out to keep state after all", () =>
    Effect.gen(function* () {
      const server = yield* ScriptedHttpUpstream.make({ sessions: false })
      const hub = yield* upstreams({ notes: { url: server.url } })
      const bo = yield* hub.session("bo")
      const bos = yield* bo.get("notes")
      let sessions = 0
      server.script("initialize", (call) => introduce(call, `state-${++sessions}`))
      const [one, other] = [yield* hub.session("ada"), yield* hub.session("ada")]
      const mine = yield* one.get("notes")
      const others = yield* other.get("notes")
      assert.isTrue(mine.stateful && others.stateful)
      yield* callTool(mine, one.context(), "echo")
      yield* callTool(others, other.context(), "echo")
      const [first, second] = server.calls("tools/call").map(({ headers }) => headers["mcp-session-id"])
      assert.isString(first)
      assert.notStrictEqual(first, second)
      assert.strictEqual(yield* bo.get("notes"), bos)
      assert.isFalse(bos.stateful)
    }).pipe(Effect.scoped)
  )

  it.effect("tells a session nothing any more once it has been given up", () =>
    Effect.gen(function* () {
      const server = yield* ScriptedHttpUpstream.make({ sessions: false })
      const hub = yield* upstreams({ notes: { url: server.url } })
      yield* (yield* hub.session("bo")).get("notes")
      let sessions = 0
      server.script("initialize", (call) => introduce(call, `state-${++sessions}`))
      const ada = yield* hub.session("ada")
      yield* ada.get("notes")
      assert.strictEqual(sessions, 2)
      yield* server.await(() => server.calls("GET").length === 3)
      // What arrived before this call has been dealt with: the streams are open.
      yield* callTool(yield* ada.get("notes"), ada.context(), "echo")
      server.push({ jsonrpc: "2.0", method: "notifications/tools/list_changed" })
      const probe = yield* hub.session("ada")
      yield* callTool(yield* probe.get("notes"), probe.context(), "echo")
      yield* ada.nextMessage
      assert.strictEqual(ada.messages.length, 1)
    }).pipe(Effect.scoped)
  )

  it.effect("is closed two minutes after its last session, and not before", () =>
    Effect.gen(function* () {
      const server = yield* ScriptedHttpUpstream.make()
      const hub = yield* upstreams({ common: { url: server.url, isolation: "user" } })
      const ada = yield* hub.session("ada")
      const bo = yield* hub.session("bo")
      yield* ada.get("common")
      yield* bo.get("common")
      yield* ada.end
      yield* TestClock.adjust("119 seconds")
      assert.strictEqual(server.calls("DELETE").length, 0)
      yield* TestClock.adjust("1 second")
      yield* server.await((one) => one.httpMethod === "DELETE")
      assert.deepStrictEqual(
        server.calls("DELETE").map(({ headers }) => headers["x-mcphub-user-id"]),
        ["ada-id"]
      )
    }).pipe(Effect.scoped)
  )
})
