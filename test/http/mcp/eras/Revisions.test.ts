import { assert, describe, it } from "@effect/vitest"
import { Context, Effect } from "effect"
import { Sessions } from "../../../../src/actors/registry/Sessions.ts"
import { McpClient, ScriptedHttpUpstream, TestHub } from "../../../../src/testkit/index.ts"
import { sdk1, sdk2 } from "../../support/OfficialClients.ts"

const start = Effect.gen(function* () {
  const upstream = yield* ScriptedHttpUpstream.make({
    tools: {
      slow: (call) => {
        call.event({
          jsonrpc: "2.0",
          method: "notifications/progress",
          params: { progressToken: call.progressToken, progress: 1 }
        })
        call.content(call.arguments)
      }
    }
  })
  const hub = yield* TestHub.make({ servers: { files: { url: upstream.url } } })
  return { upstream, hub }
})

const call = (id: string | number, name: string, args: object, meta?: object) => ({
  jsonrpc: "2.0",
  id,
  method: "tools/call",
  params: { name, arguments: args, ...(meta === undefined ? {} : { _meta: meta }) }
})

describe("the revisions of the protocol", () => {
  it.live("initialize answers the revision asked for where it is spoken, and the latest otherwise", () =>
    Effect.gen(function* () {
      const { hub } = yield* start
      for (const [asked, answered] of [
        ["2025-03-26", "2025-03-26"],
        ["2025-06-18", "2025-06-18"],
        ["2025-11-25", "2025-11-25"],
        ["2024-11-05", "2025-11-25"],
        ["1999-01-01", "2025-11-25"]
      ]) {
        const client = yield* hub.connect(hub.ada, { protocolVersion: asked })
        assert.strictEqual(client.welcome["protocolVersion"], answered)
        assert.deepInclude(client.welcome["serverInfo"], { name: "mcphub" })
      }
    })
  )

  it.live(
    "A27: a revision that is not spoken is refused with 400, in words a client of another era falls back from",
    () =>
      Effect.gen(function* () {
        const { hub, upstream } = yield* start
        const ada = yield* hub.connect(hub.ada)
        for (const version of ["2026-07-28", "2031-01-01", "latest", ""]) {
          const answer = yield* hub.http.send({
            path: "/mcp",
            headers: { ...ada.headers, "mcp-protocol-version": version },
            body: JSON.stringify(call(1, "files-echo", {}))
          })
          assert.strictEqual(answer.status, 400, version)
          const { code } = JSON.parse(answer.text).error
          // -32020 and below speak of the stateless revision: to such a client they would mean "this server knows it".
          assert.isFalse(code <= -32020 && code >= -32099, String(code))
        }
        const { "mcp-protocol-version": _, ...without } = ada.headers
        const silent = yield* hub.http.send({
          path: "/mcp",
          headers: without,
          body: JSON.stringify(call(1, "files-echo", {}))
        })
        assert.strictEqual(silent.status, 200)
        assert.strictEqual(upstream.calls("tools/call").length, 1)
      })
  )

  it.live("server/discover without a session opens none", () =>
    Effect.gen(function* () {
      const { hub } = yield* start
      for (const extra of [{}, { "mcp-protocol-version": "2026-07-28" }]) {
        const answer = yield* hub.http.send({
          path: "/mcp",
          headers: { ...McpClient.clientHeaders(hub.ada.key), ...extra },
          body: '{"jsonrpc":"2.0","id":1,"method":"server/discover","params":{}}'
        })
        assert.strictEqual(answer.status, 400)
        assert.notProperty(answer.headers, "mcp-session-id")
      }
      assert.strictEqual(Context.get(hub.services, Sessions).size(), 0)
    })
  )

  it.live("both lines of the official SDK connect, each user to their own session", () =>
    Effect.gen(function* () {
      const { hub, upstream } = yield* start
      const { client: ada } = yield* sdk1(hub.url, hub.ada)
      const bo = yield* sdk2(hub.url, hub.bo)
      assert.strictEqual(bo.getNegotiatedProtocolVersion(), "2026-07-28")
      yield* Effect.promise(() => ada.callTool({ name: "files-set-context", arguments: { project: "apollo" } }))
      const seenByBo = yield* Effect.promise(() => bo.callTool({ name: "files-get-data", arguments: {} }))
      const seenByAda = yield* Effect.promise(() => ada.callTool({ name: "files-get-data", arguments: {} }))
      assert.deepInclude(seenByBo.structuredContent as object, { project: null })
      assert.deepInclude(seenByAda.structuredContent as object, { project: "apollo" })
      assert.strictEqual(upstream.sessions.size, 2)
      const names = (yield* Effect.promise(() => bo.listTools())).tools.map(({ name }) => name)
      assert.include(names, "files-whoami")
    })
  )
})

describe("a batch", () => {
  it.live("of revision 2025-03-26 gets all its answers, and only those", () =>
    Effect.gen(function* () {
      const { hub } = yield* start
      const ada = yield* hub.connect(hub.ada, { protocolVersion: "2025-03-26" })
      const answer = yield* ada.send([
        call("a", "files-echo", { n: 1 }),
        { jsonrpc: "2.0", method: "notifications/initialized" },
        call("b", "files-nothing", {}),
        call(3, "files-echo", { n: 3 })
      ])
      assert.strictEqual(answer.headers["content-type"], "application/json")
      const answers = new Map((JSON.parse(answer.text) as Array<any>).map((one) => [one.id, one]))
      assert.deepStrictEqual([...answers.keys()].sort(), [3, "a", "b"])
      assert.deepStrictEqual(answers.get("a").result.structuredContent, { n: 1 })
      assert.deepStrictEqual(answers.get(3).result.structuredContent, { n: 3 })
      assert.strictEqual(answers.get("b").error.code, -32602)
      const silent = yield* ada.send([{ jsonrpc: "2.0", method: "notifications/initialized" }])
      assert.deepStrictEqual([silent.status, silent.text], [202, ""])
    })
  )

  it.live("whose request reports progress becomes one event stream with every answer on it", () =>
    Effect.gen(function* () {
      const { hub } = yield* start
      const ada = yield* hub.connect(hub.ada, { protocolVersion: "2025-03-26" })
      const answer = yield* ada.open([
        call("a", "files-echo", {}),
        call("b", "files-slow", {}, { progressToken: "mine" })
      ])
      assert.match(answer.headers["content-type"]!, /^text\/event-stream/)
      const messages = (yield* answer.rest) as ReadonlyArray<any>
      assert.deepStrictEqual(messages.flatMap((one) => ("id" in one ? [one.id] : [])).sort(), ["a", "b"])
      const progress = messages.findIndex((one) => one.method === "notifications/progress")
      assert.strictEqual(messages[progress].params.progressToken, "mine")
      assert.isBelow(
        progress,
        messages.findIndex((one) => one.id === "b")
      )
    })
  )

  it.live(
    "A16: with one id twice, empty, oversized, or with initialize in it is refused and nothing of it is done",
    () =>
      Effect.gen(function* () {
        const { hub, upstream } = yield* start
        const ada = yield* hub.connect(hub.ada, { protocolVersion: "2025-03-26" })
        const initialize = { jsonrpc: "2.0", id: 2, method: "initialize", params: { protocolVersion: "2025-03-26" } }
        for (const batch of [
          [call(1, "files-echo", {}), call(1, "files-echo", {})],
          [],
          [call(1, "files-echo", {}), initialize],
          [call(1, "files-echo", {}), 5],
          Array.from({ length: 101 }, (_, index) => call(index, "files-echo", {}))
        ]) {
          const answer = yield* ada.send(batch)
          assert.deepStrictEqual([answer.status, JSON.parse(answer.text).error.code], [400, -32600])
        }
        assert.strictEqual(upstream.calls("tools/call").length, 0)
      })
  )

  it.live("does not exist in later revisions", () =>
    Effect.gen(function* () {
      const { hub, upstream } = yield* start
      for (const protocolVersion of ["2025-06-18", "2025-11-25"]) {
        const client = yield* hub.connect(hub.bo, { protocolVersion })
        const answer = yield* client.send([call(1, "files-echo", {})])
        assert.deepStrictEqual([answer.status, JSON.parse(answer.text).error.code], [400, -32600])
      }
      assert.strictEqual(upstream.calls("tools/call").length, 0)
    })
  )
})
