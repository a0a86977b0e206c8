import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { createServer, type Server, type Socket, type AddressInfo } from "node:net"
import { createServer as createTlsServer } from "node:tls"
import { ScriptedHttpUpstream } from "../../../../src/testkit/ScriptedHttpUpstream.ts"
import { callTool, connect, contentOf, contextOf, layer } from "../support/HttpCalls.ts"

/** A listener that is no MCP server; the port it is on. */
const listen = (make: () => Server) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.callback<{ server: Server; sockets: Set<Socket> }>((resume) => {
        const sockets = new Set<Socket>()
        const server = make()
        server.on("connection", (socket: Socket) => {
          sockets.add(socket)
          socket.on("error", () => undefined)
        })
        server.listen(0, "127.0.0.1", () => resume(Effect.succeed({ server, sockets })))
      }),
      ({ server, sockets }) =>
        Effect.callback<void>((resume) => {
          server.close(() => resume(Effect.void))
          for (const socket of sockets) socket.destroy()
        })
    ),
    ({ server }) => (server.address() as AddressInfo).port
  )

const failure = (url: string) =>
  Effect.gen(function* () {
    const started = performance.now()
    const error = yield* Effect.flip(Effect.scoped(connect(url, contextOf("ada"))))
    return { error, elapsed: performance.now() - started }
  })

describe("opening a connection over HTTP", () => {
  it.live("the revision is negotiated at initialize and sent from then on, with the session id", () =>
    Effect.gen(function* () {
      const server = yield* ScriptedHttpUpstream.make({ protocolVersion: "2025-06-18" })
      const ada = yield* connect(server.url, contextOf("ada"))
      assert.strictEqual(ada.info.protocolVersion, "2025-06-18")
      assert.strictEqual(ada.info.instructions, "Say what you expect")
      assert.deepStrictEqual(ada.info.serverInfo, { name: "scripted", version: "1.0.0" })
      assert.isTrue(ada.stateful)
      yield* callTool(ada, contextOf("ada"), "echo")
      const [initialize] = server.calls("initialize")
      assert.deepInclude(initialize!.body!.params, {
        protocolVersion: "2025-11-25",
        capabilities: { elicitation: {} },
        clientInfo: { name: "test", version: "1" }
      })
      assert.isUndefined(initialize!.headers["mcp-protocol-version"])
      assert.isUndefined(initialize!.headers["mcp-session-id"])
      const [sessionId] = server.sessions.keys()
      for (const method of ["notifications/initialized", "tools/call"]) {
        const [one] = server.calls(method)
        assert.strictEqual(one!.headers["mcp-protocol-version"], "2025-06-18", method)
        assert.strictEqual(one!.headers["mcp-session-id"], sessionId, method)
        assert.strictEqual(one!.headers["accept"], "application/json, text/event-stream")
        assert.strictEqual(one!.headers["x-mcphub-protocol-version"], "2025-06-18")
      }
    }).pipe(Effect.scoped, Effect.provide(layer()))
  )

  for (const protocolVersion of ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"]) {
    it.live(`a server that answers with revision ${protocolVersion} is spoken to in it`, () =>
      Effect.gen(function* () {
        const server = yield* ScriptedHttpUpstream.make({ protocolVersion, sessions: false })
        const ada = yield* connect(server.url, contextOf("ada"))
        assert.strictEqual(ada.info.protocolVersion, protocolVersion)
        assert.isFalse(ada.stateful)
        assert.deepStrictEqual(contentOf(yield* callTool(ada, contextOf("ada"), "echo", { a: 1 })), { a: 1 })
      }).pipe(Effect.scoped, Effect.provide(layer()))
    )
  }

  it.live("a client of the stateless revision is introduced with the latest stateful one", () =>
    Effect.gen(function* () {
      const server = yield* ScriptedHttpUpstream.make()
      yield* connect(server.url, contextOf("ada"), { protocolVersion: "2026-07-28" })
      assert.strictEqual(server.calls("initialize")[0]!.body!.params!["protocolVersion"], "2025-11-25")
    }).pipe(Effect.scoped, Effect.provide(layer()))
  )

  it.live("an unknown revision ends the attempt, and the session the server had issued", () =>
    Effect.gen(function* () {
      const server = yield* ScriptedHttpUpstream.make({ protocolVersion: "1999-01-01" })
      const { error } = yield* failure(server.url)
      assert.deepInclude(error, { _tag: "UpstreamUnavailable", reason: "initialize" })
      assert.strictEqual(server.calls("DELETE").length, 1)
      assert.strictEqual(server.sessions.size, 0)
    }).pipe(Effect.scoped, Effect.provide(layer()))
  )

  it.live("a session id outside visible ASCII is refused", () =>
    Effect.gen(function* () {
      const server = yield* ScriptedHttpUpstream.make({
        methods: {
          initialize: (call) => {
            call.response.setHeader("mcp-session-id", "two words")
            call.result({ protocolVersion: "2025-11-25", capabilities: {}, serverInfo: {} })
          }
        }
      })
      const { error } = yield* failure(server.url)
      assert.deepInclude(error, { _tag: "UpstreamUnavailable", reason: "initialize" })
    }).pipe(Effect.scoped, Effect.provide(layer()))
  )

  it.live("B01: a server that never answers initialize is given up in time", () =>
    Effect.gen(function* () {
      const server = yield* ScriptedHttpUpstream.make({ methods: { initialize: () => undefined } })
      const { error, elapsed } = yield* failure(server.url)
      assert.deepInclude(error, { _tag: "UpstreamUnavailable", reason: "timeout" })
      assert.isBelow(elapsed, 1_500)
      assert.strictEqual(server.calls("notifications/cancelled").length, 0)
    }).pipe(Effect.scoped, Effect.provide(layer({ initTimeout: 150 })))
  )

  it.live("initialize refused by status or by a JSON-RPC error says so", () =>
    Effect.gen(function* () {
      const server = yield* ScriptedHttpUpstream.make({ methods: { initialize: (call) => call.status(401) } })
      const unauthorized = (yield* failure(server.url)).error
      assert.deepInclude(unauthorized, { _tag: "UpstreamUnavailable", reason: "unauthorized" })
      assert.include(unauthorized.message, "service token")
      server.script("initialize", (call) => call.status(503, { "retry-after": "7" }))
      assert.deepInclude((yield* failure(server.url)).error, {
        _tag: "UpstreamUnavailable",
        reason: "status",
        retryAfterMs: 7_000
      })
      server.script("initialize", (call) => call.error(-32602, "No such revision"))
      const refused = (yield* failure(server.url)).error
      assert.deepInclude(refused, { _tag: "UpstreamUnavailable", reason: "initialize" })
      assert.include(refused.message, "No such revision")
      server.script("initialize", (call) => call.status(404))
      assert.include((yield* failure(server.url)).error.message, '"sse"')
    }).pipe(Effect.scoped, Effect.provide(layer()))
  )

  it.live("defect 20: a token the user has not set ends the attempt before anything is sent", () =>
    Effect.gen(function* () {
      const server = yield* ScriptedHttpUpstream.make()
      const config = { url: server.url, headers: { Authorization: "Bearer ${USER_GITHUB_TOKEN}" } }
      const error = yield* Effect.flip(connect(server.url, contextOf("ada"), { config }))
      assert.deepInclude(error, { _tag: "CredentialMissing", token: "GITHUB_TOKEN" })
      assert.strictEqual(server.sockets().accepted, 0)
      const bo = contextOf("bo", { GITHUB_TOKEN: "tok-bo" })
      const connected = yield* connect(server.url, bo, { config })
      assert.strictEqual(contentOf(yield* callTool(connected, bo, "whoami"))["authorization"], "Bearer tok-bo")
    }).pipe(Effect.scoped, Effect.provide(layer()))
  )

  it.live(
    "B04: a refused connection, a name that does not resolve and bad TLS fail within two seconds, each by name",
    () =>
      Effect.gen(function* () {
        const free = yield* Effect.scoped(listen(() => createServer()))
        const plain = yield* ScriptedHttpUpstream.make()
        const noCertificate = yield* listen(() => createTlsServer({}))
        const cases = [
          [`http://127.0.0.1:${free}/mcp`, "refused"],
          ["http://no-such-host.invalid/mcp", "dns"],
          [plain.url.replace("http:", "https:"), "tls"],
          [`https://127.0.0.1:${noCertificate}/mcp`, "tls"]
        ] as const
        for (const [url, reason] of cases) {
          const { error, elapsed } = yield* failure(url)
          assert.deepInclude(error, { _tag: "UpstreamUnavailable", reason }, url)
          assert.isBelow(elapsed, 2_000, url)
          assert.notInclude(error.message, "127.0.0.1")
        }
      }).pipe(Effect.scoped, Effect.provide(layer()))
  )

  it.live("B04: a host that accepts but never finishes TLS fails within two seconds", () =>
    Effect.gen(function* () {
      const silent = yield* listen(() => createServer())
      const { error, elapsed } = yield* failure(`https://127.0.0.1:${silent}/mcp`)
      assert.deepInclude(error, { _tag: "UpstreamUnavailable", reason: "timeout" })
      assert.isBelow(elapsed, 2_000)
    }).pipe(Effect.scoped, Effect.provide(layer()))
  )

  it.live("B06: something that does not speak HTTP is a protocol error", () =>
    Effect.gen(function* () {
      const port = yield* listen(() => createServer((socket) => socket.end("SSH-2.0-OpenSSH_9.0\r\n")))
      const { error } = yield* failure(`http://127.0.0.1:${port}/mcp`)
      assert.deepInclude(error, { _tag: "UpstreamUnavailable", reason: "initialize" })
    }).pipe(Effect.scoped, Effect.provide(layer()))
  )

  it.live("configured headers are sent, except those the transport itself writes", () =>
    Effect.gen(function* () {
      const server = yield* ScriptedHttpUpstream.make()
      const headers = {
        "X-Team": "blue",
        "User-Agent": "operator/1",
        Cookie: "lang=en",
        "MCP-Session-Id": "stolen",
        "Mcp-Protocol-Version": "1999-01-01",
        "content-type": "text/plain",
        Accept: "text/plain",
        "Content-Length": "3"
      }
      const ada = yield* connect(server.url, contextOf("ada"), { config: { url: server.url, headers } })
      const got = contentOf(yield* callTool(ada, contextOf("ada"), "whoami"))
      assert.deepInclude(got, {
        "x-team": "blue",
        "user-agent": "operator/1",
        cookie: "lang=en",
        "mcp-session-id": [...server.sessions.keys()][0],
        "mcp-protocol-version": "2025-11-25",
        "content-type": "application/json",
        accept: "application/json, text/event-stream"
      })
    }).pipe(Effect.scoped, Effect.provide(layer()))
  )

  it.live("a token that leads to another host ends the connection there, and nothing of it goes to either", () =>
    Effect.gen(function* () {
      const server = yield* ScriptedHttpUpstream.make()
      const { port } = new URL(server.url)
      const config = { url: `http://\${USER_HOST}:${port}/mcp` }
      const at = (host: string) => contextOf("ada", { HOST: host })
      const connection = yield* connect(server.url, at("127.0.0.1"), { config })
      yield* callTool(connection, at("127.0.0.1"), "echo")
      const before = server.received.length
      const error = yield* Effect.flip(callTool(connection, at("localhost"), "echo"))
      assert.deepInclude(error, { _tag: "UpstreamFailed", reason: "session" })
      assert.strictEqual(server.received.length, before)
      yield* callTool(connection, at("127.0.0.1"), "echo")
    }).pipe(Effect.scoped, Effect.provide(layer()))
  )

  it.live("an address that is not http or https is refused", () =>
    Effect.gen(function* () {
      for (const url of ["ftp://127.0.0.1/mcp", "not a url", "http://user:secret@127.0.0.1/mcp"]) {
        const { error } = yield* failure(url)
        assert.deepInclude(error, { _tag: "UpstreamUnavailable", reason: "initialize" }, url)
        assert.notInclude(error.message, "secret")
      }
    }).pipe(Effect.scoped, Effect.provide(layer()))
  )
})
