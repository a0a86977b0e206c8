import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { randomUUID } from "node:crypto"
import { McpClient, ScriptedHttpUpstream, TestHub } from "../../src/testkit/index.ts"

const json = { "content-type": "application/json" }
const call = '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"files-echo","arguments":{}}}'

describe("the endpoints of the HTTP+SSE transport", () => {
  it.live("A06: ask for a key on every request, and know no session, whoever names whose", () =>
    Effect.gen(function* () {
      const upstream = yield* ScriptedHttpUpstream.make()
      const hub = yield* TestHub.make({ servers: { files: { url: upstream.url } } })
      const [ada, bo] = yield* Effect.all([hub.connect(hub.ada), hub.connect(hub.bo)])
      const before = upstream.calls("tools/call").length
      const ids = [ada.sessionId, bo.sessionId, randomUUID(), ""]
      const foreign = { ...json, "x-mcphub-key": `mcphub_${"0".repeat(64)}` }
      for (const id of ids) {
        const path = `/messages?sessionId=${id}`
        for (const headers of [json, foreign, { ...json, "mcp-session-id": ada.sessionId }]) {
          assert.strictEqual((yield* hub.http.send({ path, headers, body: call })).status, 401)
        }
      }
      const answers = yield* Effect.forEach(ids, (id) =>
        hub.http.send({ path: `/messages?sessionId=${id}`, headers: McpClient.clientHeaders(hub.bo.key), body: call })
      )
      for (const answer of answers) {
        assert.strictEqual(answer.status, 404)
        assert.strictEqual(answer.text, answers[0]!.text)
      }
      for (const path of ["/sse", "/sse/", "/sse/files"]) {
        assert.strictEqual((yield* hub.http.send({ method: "GET", path })).status, 401)
        const told = yield* hub.http.send({ method: "GET", path, headers: McpClient.clientHeaders(hub.ada.key) })
        assert.strictEqual(told.status, 410)
        const { error } = JSON.parse(told.text) as {
          readonly error: { readonly message: string; readonly data: object }
        }
        assert.deepInclude(error.data, { kind: "transport_gone" })
        assert.include(error.message, "/mcp")
        const site = { ...McpClient.clientHeaders(hub.ada.key), origin: "http://evil.example" }
        assert.strictEqual((yield* hub.http.send({ method: "GET", path, headers: site })).status, 403)
      }
      assert.strictEqual(upstream.calls("tools/call").length, before)
      assert.deepStrictEqual(yield* ada.callTool("files-echo", { a: 1 }), { a: 1 })
      assert.deepStrictEqual(yield* bo.callTool("files-echo", { b: 1 }), { b: 1 })
    })
  )
})
