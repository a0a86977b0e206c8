import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Redacted } from "effect"
import { randomUUID } from "node:crypto"
import { AuditTrail } from "../../../../src/actors/observing/AuditTrail.ts"
import { Sessions } from "../../../../src/actors/registry/Sessions.ts"
import { AuditLog } from "../../../../src/domain/records/AuditLog.ts"
import { HubKeys } from "../../../../src/domain/identity/HubKeys.ts"
import { SessionStore, sessionDigest } from "../../../../src/domain/records/SessionStore.ts"
import { McpClient, ScriptedHttpUpstream, TestHub } from "../../../../src/testkit/index.ts"
import { connect, get, headersOf, open } from "../../support/EventTransportClient.ts"

const json = { "content-type": "application/json" }
const ping = { jsonrpc: "2.0", id: "probe", method: "ping" }
const call = (id: string | number, args: object) => ({
  jsonrpc: "2.0",
  id,
  method: "tools/call",
  params: { name: "files-echo", arguments: args }
})

const start = Effect.fnUntraced(function* (config: Parameters<typeof TestHub.make>[0] = {}) {
  const upstream = yield* ScriptedHttpUpstream.make()
  const hub = yield* TestHub.make({ servers: { files: { url: upstream.url } }, ...config })
  return { upstream, hub, sessions: Context.get(hub.services, Sessions) }
})

describe("the HTTP+SSE transport", () => {
  it.live(
    "A06: needs a key on every request; a session under another key, ended or made up is one and the same 404",
    () =>
      Effect.gen(function* () {
        const { hub, sessions, upstream } = yield* start()
        const [ada, bo, ended] = [
          yield* connect(hub, hub.ada),
          yield* connect(hub, hub.bo),
          yield* connect(hub, hub.ada)
        ]
        const waiting = yield* open(hub, hub.ada)
        const [adaStreamable, boStreamable] = yield* Effect.all([hub.connect(hub.ada), hub.connect(hub.bo)])
        const endedId = (yield* sessions.list).filter(({ username }) => username === "ada")[1]!.sessionId
        yield* sessions.close(endedId, "ended by a test")
        yield* ended.ended
        const before = upstream.received.length

        const foreign = { ...json, "x-mcphub-key": `mcphub_${"0".repeat(64)}` }
        const ids = [ada.id, waiting.id, ended.id, adaStreamable.sessionId, boStreamable.sessionId, randomUUID(), ""]
        for (const id of ids) {
          for (const headers of [json, foreign, { ...json, "mcp-session-id": adaStreamable.sessionId }]) {
            const answer = yield* hub.http.send({
              path: `/messages?sessionId=${id}`,
              headers,
              body: JSON.stringify(ping)
            })
            assert.strictEqual(answer.status, 401)
          }
        }
        const second = yield* Context.get(hub.services, HubKeys).create({ userId: hub.ada.user.id })
        const post = (key: typeof second.key, id: string) =>
          hub.http.send({ path: `/messages?sessionId=${id}`, headers: headersOf({ key }), body: JSON.stringify(ping) })
        const answers = [
          ...(yield* Effect.forEach(ids, (id) => post(hub.bo.key, id))),
          ...(yield* Effect.forEach(ids, (id) => post(second.key, id))),
          ...(yield* Effect.forEach([ended.id, adaStreamable.sessionId, bo.id], (id) => post(hub.ada.key, id))),
          yield* hub.http.send({ path: "/messages", headers: headersOf(hub.ada), body: JSON.stringify(ping) })
        ]
        for (const { status, text } of answers) {
          assert.strictEqual(status, 404)
          assert.strictEqual(text, answers[0]!.text)
        }

        // And the other way round: no stream's id is a session of streamable HTTP, for anybody.
        for (const method of ["POST", "GET", "DELETE"]) {
          for (const { key } of [hub.ada, hub.bo]) {
            const headers = { ...McpClient.clientHeaders(key), "mcp-session-id": ada.id }
            const body = method === "POST" ? JSON.stringify(ping) : undefined
            assert.strictEqual((yield* hub.http.send({ method, path: "/mcp", headers, body })).status, 404)
          }
        }
        assert.strictEqual(upstream.received.length, before)
        assert.deepStrictEqual(yield* ada.callTool("files-echo", { a: 1 }), { a: 1 })
        assert.deepStrictEqual(yield* bo.callTool("files-echo", { b: 1 }), { b: 1 })
        assert.deepStrictEqual(yield* adaStreamable.callTool("files-echo", { c: 1 }), { c: 1 })
      })
  )

  it.live("A06: who presents another user's session on either transport is written down, and is not told", () =>
    Effect.gen(function* () {
      const { hub } = yield* start()
      const [ada, bo] = [yield* connect(hub, hub.ada), yield* hub.connect(hub.bo)]
      yield* hub.http.send({ path: ada.endpoint, headers: headersOf(hub.bo), body: JSON.stringify(ping) })
      yield* hub.http.send({
        path: "/mcp",
        headers: { ...McpClient.clientHeaders(hub.bo.key), "mcp-session-id": ada.id },
        body: JSON.stringify(ping)
      })
      yield* hub.http.send({
        path: `/messages?sessionId=${bo.sessionId}`,
        headers: headersOf(hub.ada),
        body: JSON.stringify(ping)
      })
      yield* Context.get(hub.services, AuditTrail).flush
      const rows = yield* Context.get(hub.services, AuditLog).find({ limit: 1_000 })
      const mismatches = rows.filter(({ errorKind }) => errorKind === "session_owner_mismatch")
      assert.deepStrictEqual(mismatches.map(({ username }) => username).sort(), ["ada", "bo", "bo"])
    })
  )

  it.live("A06: each user's answers and news come on that user's own stream, whatever the ids of the requests", () =>
    Effect.gen(function* () {
      const { hub, upstream } = yield* start()
      const [ada, bo] = [yield* connect(hub, hub.ada), yield* connect(hub, hub.bo)]
      yield* Effect.all([ada.callTool("files-echo"), bo.callTool("files-echo")])
      yield* upstream.await(() => upstream.calls("GET").length === 2)
      const posts = Array.from({ length: 20 }, (_, id) => [
        ada.post(call(`n${id}`, { of: "ada" })),
        bo.post(call(`n${id}`, { of: "bo" }))
      ]).flat()
      for (const { status, text } of yield* Effect.all(posts, { concurrency: 10 })) {
        assert.deepStrictEqual([status, text], [202, "Accepted"])
      }
      for (const [own, client] of [["ada", ada] as const, ["bo", bo] as const]) {
        const got = yield* Effect.replicateEffect(client.next, 20)
        assert.deepStrictEqual(got.map(({ id }) => id).sort(), Array.from({ length: 20 }, (_, id) => `n${id}`).sort())
        for (const { result } of got) assert.deepStrictEqual(result.structuredContent, { of: own })
      }
      const changed = { jsonrpc: "2.0", method: "notifications/tools/list_changed" }
      upstream.push(changed)
      for (const client of [ada, bo]) assert.deepInclude(yield* client.next, changed)
    })
  )

  it.live("streams without event ids, marked as deprecated, at an address below the base path that holds no key", () =>
    Effect.gen(function* () {
      const { hub, upstream } = yield* start({ config: { basePath: "/mcphub" } })
      const upstreamPath = "/mcphub/sse/files"
      const key = Redacted.value(hub.ada.key)
      const client = yield* open(hub, hub.ada, { path: `${upstreamPath}?key=${key}` })
      assert.match(client.endpoint, /^\/mcphub\/messages\?sessionId=[0-9a-f-]{36}$/)
      assert.match(client.headers["content-type"]!, /^text\/event-stream/)
      assert.deepInclude(client.headers, {
        deprecation: "@1742947200",
        "referrer-policy": "no-referrer",
        "x-accel-buffering": "no"
      })
      const initialize = { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "old", version: "1" } }
      const message = JSON.stringify({ jsonrpc: "2.0", id: 0, method: "initialize", params: initialize })
      // A client that has nothing but the address repeats the key there; the address it was given is not enough.
      assert.strictEqual((yield* client.post(ping, json)).status, 401)
      const posted = yield* hub.http.send({ path: `${client.endpoint}&key=${key}`, headers: json, body: message })
      assert.strictEqual(posted.status, 202)
      assert.strictEqual(posted.headers["deprecation"], "@1742947200")
      const first = yield* Effect.orDie(client.event)
      assert.deepStrictEqual([first.event, first.id], ["message", undefined])
      assert.strictEqual(JSON.parse(first.data).result.protocolVersion, "2025-11-25")
      // One server's address: its own tool names, and no other.
      assert.strictEqual((yield* client.callTool("files-echo")).code, -32602)
      assert.deepStrictEqual(yield* client.callTool("echo", { n: 1 }), { n: 1 })
      yield* upstream.await(() => upstream.calls("GET").length === 1)
      upstream.push({ jsonrpc: "2.0", method: "notifications/tools/list_changed" })
      const events = [yield* Effect.orDie(client.event), yield* Effect.orDie(client.event)]
      for (const { data, event, id } of events)
        assert.deepStrictEqual([event, id, data !== ""], ["message", undefined, true])
    })
  )

  it.live("B17: carries a session on each stream, and resumes none", () =>
    Effect.gen(function* () {
      const { hub, sessions } = yield* start()
      const first = yield* connect(hub, hub.ada)
      const second = yield* connect(hub, hub.ada, { headers: { "last-event-id": "0.1" } })
      assert.notStrictEqual(first.id, second.id)
      assert.strictEqual(sessions.size(), 2)
      assert.deepStrictEqual(yield* first.callTool("files-echo", { on: 1 }), { on: 1 })
      assert.deepStrictEqual(yield* second.callTool("files-echo", { on: 2 }), { on: 2 })
      // The store, from which a restarted hub takes up sessions, knows none of them.
      const store = Context.get(hub.services, SessionStore)
      const streamable = yield* hub.connect(hub.ada)
      const claim = (id: string) =>
        store.claim("another hub", sessionDigest(hub.ada.user.id, hub.ada.row.id, "*", id), 0)
      assert.strictEqual((yield* claim(first.id)).kind, "unknown")
      assert.strictEqual((yield* claim(streamable.sessionId)).kind, "found")
    })
  )

  it.live("A07, A14: keeps out foreign sites, and from targets the user may not reach, then or later", () =>
    Effect.gen(function* () {
      const { hub, upstream } = yield* start()
      const evil = { origin: "http://evil.example" }
      assert.strictEqual((yield* get(hub, hub.ada, { headers: evil })).status, 403)
      for (const path of ["/sse/nothing", "/sse/files/more"]) {
        assert.strictEqual((yield* get(hub, hub.ada, { path })).status, 404)
      }
      const client = yield* connect(hub, hub.ada, { path: "/sse/files" })
      assert.strictEqual((yield* client.post(ping, { ...headersOf(hub.ada), ...evil })).status, 403)
      assert.deepStrictEqual(yield* client.callTool("echo", { n: 1 }), { n: 1 })
      yield* hub.setSettings({ mcpServers: { others: { url: upstream.url } } })
      assert.strictEqual((yield* client.post(ping)).status, 404)
      for (const [method, path] of [
        ["POST", "/sse"],
        ["DELETE", "/sse"],
        ["GET", client.endpoint],
        ["DELETE", client.endpoint]
      ] as const) {
        const answer = yield* hub.http.send({ method, path, headers: headersOf(hub.ada) })
        assert.deepStrictEqual([answer.status, answer.headers["allow"]], [405, path === "/sse" ? "GET" : "POST"])
      }
      assert.strictEqual((yield* get(hub, hub.ada, { headers: { accept: "application/json" } })).status, 406)
    })
  )

  it.live("A20, A21, A22, A23: refuses the bodies that /mcp refuses, asks for no Accept, and goes on", () =>
    Effect.gen(function* () {
      const { hub } = yield* start({ config: { maxBodyBytes: 2_000 } })
      const ada = yield* connect(hub, hub.ada)
      const headers = headersOf(hub.ada)
      const send = (body: string, more: Record<string, string> = {}) =>
        hub.http.send({ path: ada.endpoint, headers: { ...headers, ...more }, body })
      const statuses = yield* Effect.all([
        send(JSON.stringify(call(1, { padding: "x".repeat(3_000) }))),
        send("[".repeat(300) + "]".repeat(300)),
        send('{"jsonrpc":"2.0","id":{},"method":"ping"}'),
        send("not json"),
        send(JSON.stringify(ping), { "content-type": "text/plain" }),
        send(JSON.stringify(ping), { "content-encoding": "gzip" })
      ])
      assert.deepStrictEqual(
        statuses.map(({ status }) => status),
        [413, 400, 400, 400, 415, 415]
      )
      const narrow = yield* send(JSON.stringify(call("narrow", { n: 1 })), { accept: "application/json" })
      assert.strictEqual(narrow.status, 202)
      assert.deepStrictEqual((yield* ada.answerTo("narrow")).result.structuredContent, { n: 1 })
    })
  )

  it.live("is not served where SSE_TRANSPORT is off: a client with a key is told where to go", () =>
    Effect.gen(function* () {
      const { hub } = yield* start({ config: { sseTransport: false } })
      for (const path of ["/sse", "/sse/", "/sse/files"]) {
        assert.strictEqual((yield* hub.http.send({ method: "GET", path })).status, 401)
        const told = yield* hub.http.send({ method: "GET", path, headers: headersOf(hub.ada) })
        assert.strictEqual(told.status, 410)
        const { error } = JSON.parse(told.text)
        assert.deepInclude(error.data, { kind: "transport_gone" })
        assert.include(error.message, "/mcp")
      }
      const path = `/messages?sessionId=${randomUUID()}`
      assert.strictEqual((yield* hub.http.send({ path, headers: json, body: JSON.stringify(ping) })).status, 401)
      const answer = yield* hub.http.send({ path, headers: headersOf(hub.ada), body: JSON.stringify(ping) })
      assert.strictEqual(answer.status, 404)
    })
  )
})

describe("the beginning of a session over HTTP+SSE", () => {
  for (const [asked, spoken] of [
    ["2024-11-05", "2024-11-05"],
    ["2025-03-26", "2025-03-26"],
    ["2025-11-25", "2025-11-25"],
    ["1999-01-01", "2025-11-25"]
  ] as const) {
    it.live(`answers a client that asks for ${asked} with ${spoken}, once`, () =>
      Effect.gen(function* () {
        const { hub, sessions, upstream } = yield* start()
        const ada = yield* connect(hub, hub.ada, { protocolVersion: asked })
        assert.strictEqual(ada.welcome.protocolVersion, spoken)
        assert.strictEqual((yield* ada.send("initialize", {})).status, 400)
        assert.deepStrictEqual(yield* ada.callTool("files-echo", { n: 1 }), { n: 1 })
        const upstreams = upstream.calls("initialize").map(({ body }) => body!.params!["protocolVersion"])
        assert.deepStrictEqual(upstreams, [spoken === "2024-11-05" ? "2025-11-25" : spoken])
        assert.deepStrictEqual(
          (yield* sessions.list).map(({ client, protocolVersion }) => [client.name, protocolVersion]),
          [["old", spoken]]
        )
        const batch = yield* ada.post([call("one", { n: 1 }), call("two", { n: 2 })])
        if (spoken !== "2025-03-26") return assert.strictEqual(batch.status, 400)
        assert.strictEqual(batch.status, 202)
        const answers = [yield* ada.next, yield* ada.next]
        assert.deepStrictEqual(answers.map(({ id }) => id).sort(), ["one", "two"])
      })
    )
  }

  it.live(
    "is a request without initialize, too, where SESSION_ADOPT allows that: a client whose stream broke goes on",
    () =>
      Effect.gen(function* () {
        const { hub } = yield* start()
        const ada = yield* open(hub, hub.ada)
        assert.deepStrictEqual(yield* ada.request("ping"), {})
        assert.strictEqual((yield* ada.post({ jsonrpc: "2.0", method: "notifications/initialized" })).status, 202)
        const version = { ...headersOf(hub.ada), "mcp-protocol-version": "2025-06-18" }
        assert.strictEqual((yield* ada.post(call("first", { n: 1 }), version)).status, 202)
        assert.deepStrictEqual((yield* ada.answerTo("first")).result.structuredContent, { n: 1 })

        const strict = yield* start({ config: { sessionAdopt: false } })
        const bo = yield* open(strict.hub, strict.hub.bo)
        assert.strictEqual((yield* bo.post(call("first", {}))).status, 400)
        assert.strictEqual(strict.sessions.size(), 0)
      })
  )
})
