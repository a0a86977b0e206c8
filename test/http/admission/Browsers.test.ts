import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { McpClient, type RawHttp, ScriptedHttpUpstream, TestHub } from "../../../src/testkit/index.ts"

const extension = "chrome-extension://abcdefghijklmnop"
const app = "https://app.example"

const initialize = JSON.stringify({
  jsonrpc: "2.0",
  id: 1,
  method: "initialize",
  params: { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "page", version: "1" } }
})

/** The question of a browser before it lets a page send its request. */
const preflight = (origin: string, method: string, more: Record<string, string> = {}) => ({
  origin,
  "access-control-request-method": method,
  "access-control-request-headers": "authorization,content-type,mcp-protocol-version,mcp-session-id,mcp-param-x",
  ...more
})

/** What a browser checks before it hands an answer to a page. */
const assertReadable = ({ headers }: Pick<RawHttp.RawAnswer, "headers">, origin: string) => {
  assert.strictEqual(headers["access-control-allow-origin"], origin)
  assert.include(headers["vary"], "Origin")
  assert.include(headers["access-control-expose-headers"], "Mcp-Session-Id")
  // A page brings its user's key itself; nothing that a browser adds by itself opens the hub.
  assert.notProperty(headers, "access-control-allow-credentials")
}

describe("a page or an extension in a browser", () => {
  it.live("field B4: of an allowed origin is told so before it has shown a key, and reads every answer", () =>
    Effect.gen(function* () {
      const upstream = yield* ScriptedHttpUpstream.make()
      const hub = yield* TestHub.make({
        servers: { files: { url: upstream.url } },
        config: { allowedOrigins: [extension, app] }
      })
      for (const [user, origin] of [
        [hub.ada, extension],
        [hub.bo, app],
        [hub.bo, "http://localhost:5173"]
      ] as const) {
        for (const path of ["/mcp", "/mcp/files", "/sse", "/messages"]) {
          for (const method of ["POST", "GET", "DELETE"]) {
            const asked = yield* hub.http.send({ method: "OPTIONS", path, headers: preflight(origin, method) })
            assert.strictEqual(asked.status, 204)
            assertReadable(asked, origin)
            assert.include(asked.headers["access-control-allow-methods"], method)
            for (const name of ["authorization", "mcp-session-id", "mcp-param-x"]) {
              assert.include(asked.headers["access-control-allow-headers"], name)
            }
            assert.notProperty(asked.headers, "access-control-allow-private-network")
          }
        }
        const local = { "access-control-request-private-network": "true" }
        const near = yield* hub.http.send({
          method: "OPTIONS",
          path: "/mcp",
          headers: preflight(origin, "POST", local)
        })
        assert.strictEqual(near.headers["access-control-allow-private-network"], "true")

        const headers = { ...McpClient.clientHeaders(user.key), origin }
        const opened = yield* hub.http.send({ path: "/mcp", headers, body: initialize })
        assert.strictEqual(opened.status, 200)
        assertReadable(opened, origin)
        const session = { ...headers, "mcp-session-id": opened.headers["mcp-session-id"]! }
        const call = { jsonrpc: "2.0", id: 2, method: "tools/call", params: { name: "files-whoami", arguments: {} } }
        const answered = yield* hub.http.send({ path: "/mcp", headers: session, body: JSON.stringify(call) })
        assertReadable(answered, origin)
        const seen = (yield* McpClient.resultOf(answered))["structuredContent"] as Record<string, string>
        assert.strictEqual(seen["x-mcphub-user-id"], user.user.id)
        assert.notProperty(seen, "origin")
        const stream = yield* hub.http.open({ method: "GET", path: "/mcp", headers: session })
        assertReadable(stream, origin)
        yield* stream.abandon
        // What is refused is read as well: without a key, of no session, at no place.
        const refused = [
          yield* hub.http.send({ path: "/mcp", headers: { origin, "content-type": "application/json" }, body: "{}" }),
          yield* hub.http.send({
            path: "/mcp",
            headers: { ...session, "mcp-session-id": crypto.randomUUID() },
            body: "{}"
          }),
          yield* hub.http.send({ path: "/mcp/nowhere", headers, body: initialize }),
          yield* hub.http.send({ path: "/register", headers: { origin }, body: "{}" })
        ]
        for (const answer of refused) {
          assert.isAtLeast(answer.status, 400)
          assertReadable(answer, origin)
        }
        const ended = yield* hub.http.send({ method: "DELETE", path: "/mcp", headers: session })
        assertReadable(ended, origin)
      }
    })
  )

  it.live("field B4: of another origin reads nothing, and its operator is told what to enter, which works", () =>
    Effect.gen(function* () {
      const hub = yield* TestHub.make({ config: { allowedOrigins: [extension] } })
      for (const origin of [
        app,
        "http://app.example",
        `${extension}x`,
        "chrome-extension://other",
        "null",
        "https://app.example.evil.example",
        "moz-extension://abc"
      ]) {
        const answers = [
          yield* hub.http.send({ method: "OPTIONS", path: "/mcp", headers: preflight(origin, "POST") }),
          yield* hub.http.send({
            path: "/mcp",
            headers: { ...McpClient.clientHeaders(hub.ada.key), origin },
            body: initialize
          }),
          yield* hub.http.send({ method: "GET", path: "/.well-known/oauth-protected-resource", headers: { origin } })
        ]
        for (const { headers, status, text } of answers) {
          assert.strictEqual(status, 403)
          assert.notProperty(headers, "access-control-allow-origin")
          assert.notProperty(headers, "mcp-session-id")
          const { data, message } = JSON.parse(text).error
          assert.strictEqual(data.kind, "forbidden_origin")
          if (origin === "null") assert.notInclude(message, "ALLOWED_ORIGINS")
          else assert.include(message, `add ${origin} to the hub's ALLOWED_ORIGINS`)
        }
        if (origin === "null") continue
        const mended = yield* TestHub.make({ config: { allowedOrigins: [origin] } })
        const asked = yield* mended.http.send({ method: "OPTIONS", path: "/mcp", headers: preflight(origin, "POST") })
        assert.strictEqual(asked.status, 204)
      }
      const host = { ...McpClient.clientHeaders(hub.bo.key), host: "hub.example", origin: extension }
      const elsewhere = yield* hub.http.send({ path: "/mcp", headers: host, body: initialize })
      assert.strictEqual(elsewhere.status, 403)
      assert.include(JSON.parse(elsewhere.text).error.message, "ALLOWED_HOSTS")
      assert.notProperty(elsewhere.headers, "access-control-allow-origin")
    })
  )

  it.live("field B4: is no preflight without a browser's question, and other clients get no such headers", () =>
    Effect.gen(function* () {
      const hub = yield* TestHub.make()
      for (const user of [hub.ada, hub.bo]) {
        const headers = McpClient.clientHeaders(user.key)
        const plain = yield* hub.http.send({ path: "/mcp", headers, body: initialize })
        assert.strictEqual(plain.status, 200)
        assert.notProperty(plain.headers, "access-control-allow-origin")
        const options = yield* hub.http.send({ method: "OPTIONS", path: "/mcp", headers })
        assert.strictEqual(options.status, 405)
      }
      const headers = { origin: "http://localhost:1", "access-control-request-method": "POST" }
      const odd = { ...headers, "access-control-request-headers": "a b, \tc" }
      for (const asked of [headers, odd]) {
        const answer = yield* hub.http.send({ method: "OPTIONS", path: "/mcp", headers: asked })
        assert.strictEqual(answer.status, 204)
        assert.notProperty(answer.headers, "access-control-allow-headers")
      }
    })
  )
})
