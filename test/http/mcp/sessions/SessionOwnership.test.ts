import { assert, describe, it } from "@effect/vitest"
import { Context, Effect } from "effect"
import { randomUUID } from "node:crypto"
import { HubKeys } from "../../../../src/domain/identity/HubKeys.ts"
import { Sessions } from "../../../../src/actors/registry/Sessions.ts"
import { McpClient, type RawHttp, ScriptedHttpUpstream, TestHub } from "../../../../src/testkit/index.ts"

const ping = '{"jsonrpc":"2.0","id":1,"method":"ping"}'

const fingerprint = ({ headers, status, text }: RawHttp.RawAnswer) => {
  const { date: _date, ...others } = headers
  return { status, headers: others, text }
}

describe("a session", () => {
  it.live(
    "A03, A04, A05, defect 9: another user's id, an ended id and an unknown id are the same 404, and nothing happens",
    () =>
      Effect.gen(function* () {
        const upstream = yield* ScriptedHttpUpstream.make()
        const hub = yield* TestHub.make({ servers: { files: { url: upstream.url } } })
        const ada = yield* hub.connect(hub.ada)
        yield* ada.callTool("files-set-context", { project: "apollo" })
        const stream = yield* ada.stream
        const bo = yield* hub.connect(hub.bo)
        const ended = yield* hub.connect(hub.bo)
        assert.strictEqual(yield* ended.end, 204)

        for (const method of ["POST", "GET", "DELETE"]) {
          const answers = yield* Effect.forEach([ada.sessionId, ended.sessionId, randomUUID()], (id) =>
            hub.http.send({
              method,
              path: "/mcp",
              headers: { ...McpClient.clientHeaders(hub.bo.key), "mcp-session-id": id },
              body: method === "POST" ? ping : undefined
            })
          )
          assert.strictEqual(answers[0]!.status, 404)
          for (const answer of answers) assert.deepStrictEqual(fingerprint(answer), fingerprint(answers[0]!))
        }
        // Ada's session lives, her stream is the one she opened, and what she kept is hers alone.
        assert.deepInclude(yield* ada.callTool("files-get-data"), { project: "apollo" })
        assert.deepInclude(yield* bo.callTool("files-get-data"), { project: null })
        upstream.push({ jsonrpc: "2.0", method: "notifications/tools/list_changed" })
        assert.deepInclude(yield* stream.next, { method: "notifications/tools/list_changed" })
      })
  )

  it.live("belongs to one key and one target: the same user's other key or another path does not reach it", () =>
    Effect.gen(function* () {
      const upstream = yield* ScriptedHttpUpstream.make()
      const hub = yield* TestHub.make({ servers: { files: { url: upstream.url } } })
      const other = yield* Context.get(hub.services, HubKeys).create({ userId: hub.ada.user.id })
      const ada = yield* hub.connect(hub.ada)
      const post = (path: string, headers: Record<string, string>) =>
        hub.http.send({ path, headers: { ...headers, "mcp-session-id": ada.sessionId }, body: ping })
      assert.strictEqual((yield* post("/mcp", McpClient.clientHeaders(other.key))).status, 404)
      assert.strictEqual((yield* post("/mcp/files", McpClient.clientHeaders(hub.ada.key))).status, 404)
      assert.strictEqual((yield* post("/mcp", McpClient.clientHeaders(hub.ada.key))).status, 200)
    })
  )

  it.live("defect 33: ends with DELETE, here and at the upstream, and is 404 from then on", () =>
    Effect.gen(function* () {
      const upstream = yield* ScriptedHttpUpstream.make()
      const hub = yield* TestHub.make({ servers: { files: { url: upstream.url } } })
      const [ada, bo] = yield* Effect.all([hub.connect(hub.ada), hub.connect(hub.bo)])
      yield* Effect.all([ada.callTool("files-echo"), bo.callTool("files-echo")])
      assert.strictEqual(upstream.sessions.size, 2)
      assert.strictEqual(yield* ada.end, 204)
      yield* upstream.await(({ httpMethod }) => httpMethod === "DELETE")
      assert.strictEqual(upstream.sessions.size, 1)
      assert.strictEqual(yield* ada.end, 404)
      assert.strictEqual((yield* ada.stream).status, 404)
      assert.strictEqual((yield* ada.send({ jsonrpc: "2.0", id: 9, method: "ping" })).status, 404)
      const [left] = yield* Context.get(hub.services, Sessions).list
      assert.strictEqual(left?.username, "bo")
      assert.deepStrictEqual(yield* bo.callTool("files-echo", { still: "here" }), { still: "here" })
    })
  )

  it.live("A25: is needed for everything but initialize, and is initialized once", () =>
    Effect.gen(function* () {
      const hub = yield* TestHub.make()
      const headers = McpClient.clientHeaders(hub.ada.key)
      const without = yield* hub.http.send({ path: "/mcp", headers, body: ping })
      assert.strictEqual(without.status, 400)
      assert.strictEqual(JSON.parse(without.text).error.data.kind, "session_required")
      assert.strictEqual((yield* hub.http.send({ method: "DELETE", path: "/mcp", headers })).status, 400)
      const get = yield* hub.http.send({ method: "GET", path: "/mcp", headers })
      assert.strictEqual(get.status, 405)
      assert.strictEqual((yield* hub.http.send({ method: "PUT", path: "/mcp", headers, body: ping })).status, 405)

      const ada = yield* hub.connect(hub.ada)
      const again = yield* ada.send({
        jsonrpc: "2.0",
        id: 7,
        method: "initialize",
        params: { protocolVersion: "2025-06-18" }
      })
      assert.deepInclude(JSON.parse(again.text), { id: 7 })
      assert.strictEqual(JSON.parse(again.text).error.code, -32600)
      assert.deepStrictEqual(yield* ada.request("ping"), {})
      assert.strictEqual(Context.get(hub.services, Sessions).size(), 1)
    })
  )

  it.live("takes notifications and responses with an empty 202", () =>
    Effect.gen(function* () {
      const hub = yield* TestHub.make()
      const ada = yield* hub.connect(hub.ada)
      for (const message of [
        { jsonrpc: "2.0", method: "notifications/initialized" },
        { jsonrpc: "2.0", method: "notifications/never/heard/of", params: { x: 1 } },
        { jsonrpc: "2.0", id: "nobody asked", result: {} }
      ]) {
        const answer = yield* ada.send(message)
        assert.deepStrictEqual([answer.status, answer.text], [202, ""])
      }
    })
  )
})
