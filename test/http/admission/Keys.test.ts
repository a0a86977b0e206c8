import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Redacted } from "effect"
import { Client } from "undici"
import { HubKeys } from "../../../src/domain/identity/HubKeys.ts"
import { Users } from "../../../src/domain/identity/Users.ts"
import {
  RudeClients,
  addUser,
  McpClient,
  type RawHttp,
  ScriptedHttpUpstream,
  TestHub
} from "../../../src/testkit/index.ts"

const initialize = (id: string | number = 1) =>
  JSON.stringify({
    jsonrpc: "2.0",
    id,
    method: "initialize",
    params: { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "test", version: "1" } }
  })

/** Everything of an answer that could tell two refusals apart. */
const fingerprint = ({ headers, status, text }: RawHttp.RawAnswer) => {
  const { date: _date, "www-authenticate": _challenge, ...others } = headers
  return { status, headers: others, text }
}

const json = { "content-type": "application/json", accept: "application/json, text/event-stream" }

/** The whole answer to an `initialize` with these header lines: a client of `fetch` sends no header twice. */
const initialized = (url: string, lines: ReadonlyArray<string>) =>
  Effect.scoped(
    Effect.gen(function* () {
      const socket = yield* RudeClients.socketTo(new URL(url).origin)
      const body = initialize()
      const head = ["POST /mcp HTTP/1.1", "host: 127.0.0.1", "connection: close", "content-type: application/json"]
      socket.write([...head, ...lines, `content-length: ${body.length}`, "", body].join("\r\n"))
      return yield* Effect.callback<string>((resume) => {
        let text = ""
        socket.setEncoding("latin1").on("data", (chunk: string) => (text += chunk))
        socket.once("close", () => resume(Effect.succeed(text)))
      })
    })
  )

describe("the key of a request", () => {
  it.live(
    "A01, defect 26: no, malformed, unknown, expired, revoked and deactivated keys are one and the same 401",
    () =>
      Effect.gen(function* () {
        const upstream = yield* ScriptedHttpUpstream.make()
        const hub = yield* TestHub.make({ servers: { files: { url: upstream.url } } })
        const keys = Context.get(hub.services, HubKeys)
        const bo = yield* hub.connect(hub.bo)

        const expired = Redacted.make(`mcphub_${"e".repeat(64)}`)
        yield* keys.insert({ userId: hub.ada.user.id, name: "old", key: expired, expiresAt: 1 })
        const revoked = yield* keys.create({ userId: hub.ada.user.id })
        yield* keys.revoke(revoked.row.id)
        const carl = yield* Effect.provide(addUser("carl"), hub.services)
        yield* Context.get(hub.services, Users).setActive(carl.user.id, false)

        const presented: Record<string, Record<string, string>> = {
          none: {},
          empty: { "x-mcphub-key": "" },
          basic: { authorization: "Basic YWRhOmFkYQ==" },
          malformed: { "x-mcphub-key": "not a key" },
          unknown: { "x-mcphub-key": `mcphub_${"0".repeat(64)}` },
          expired: { "x-mcphub-key": Redacted.value(expired) },
          revoked: { "x-mcphub-key": Redacted.value(revoked.key) },
          deactivated: { "x-mcphub-key": Redacted.value(carl.key) }
        }
        for (const [method, body] of [
          ["POST", initialize()],
          ["POST", '{"jsonrpc":"2.0","id":1,"method":"ping"}'],
          ["POST", '{"jsonrpc":"2.0","method":"notifications/initialized"}'],
          ["POST", "not json"],
          ["GET", undefined],
          ["DELETE", undefined]
        ] as const) {
          const answers = yield* Effect.forEach(Object.values(presented), (headers) =>
            hub.http.send({
              method,
              path: "/mcp",
              headers: { ...json, ...headers, "mcp-session-id": bo.sessionId },
              body
            })
          )
          for (const answer of answers) assert.deepStrictEqual(fingerprint(answer), fingerprint(answers[0]!))
          assert.strictEqual(answers[0]!.status, 401)
          // Which it was shows nowhere; whether there was one at all, the client knows.
          const challenges = answers.map(({ headers }) => headers["www-authenticate"])
          const [none, wrong] = [challenges[0]!, challenges.at(-1)!]
          assert.strictEqual(none, 'Bearer realm="mcphub"')
          assert.match(wrong, /^Bearer realm="mcphub", error="invalid_token", error_description="[^"]+"$/)
          assert.deepStrictEqual(challenges, [none, none, none, wrong, wrong, wrong, wrong, wrong])
          assert.strictEqual(JSON.parse(answers[0]!.text).error.data.kind, "unauthorized")
        }
        assert.strictEqual(upstream.received.length, 0)
        assert.deepStrictEqual(yield* bo.request("ping"), {})
      })
  )

  it.live("R18: bearer, header and query say the same, whatever else the client claims to be", () =>
    Effect.gen(function* () {
      const upstream = yield* ScriptedHttpUpstream.make()
      const hub = yield* TestHub.make({ servers: { files: { url: upstream.url } } })
      const key = Redacted.value(hub.ada.key)
      for (const way of [
        { path: "/mcp", headers: { authorization: `Bearer ${key}` } },
        { path: "/mcp", headers: { "x-mcphub-key": key } },
        { path: `/mcp?key=${key}`, headers: {} },
        { path: `/mcp?key=${key}&user=bo`, headers: { authorization: `bearer ${key}`, "x-mcphub-key": key } }
      ]) {
        const headers = { ...json, ...way.headers, "x-mcphub-user-id": hub.bo.user.id, "x-forwarded-user": "bo" }
        const opened = yield* hub.http.send({ path: way.path, headers, body: initialize() })
        assert.strictEqual(opened.status, 200)
        const answer = yield* hub.http.send({
          path: way.path,
          headers: { ...headers, "mcp-session-id": opened.headers["mcp-session-id"]! },
          body: '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"files-whoami","arguments":{}}}'
        })
        const seen = (yield* McpClient.resultOf(answer))["structuredContent"] as Record<string, string>
        assert.strictEqual(seen["x-mcphub-user-id"], hub.ada.user.id)
        assert.notInclude(JSON.stringify(seen), key)
        assert.notProperty(seen, "x-forwarded-user")
      }
    })
  )

  it.live("A74: a header that holds a key and comes twice is refused where the two differ, whichever comes first", () =>
    Effect.gen(function* () {
      const hub = yield* TestHub.make()
      const [ada, bo] = [Redacted.value(hub.ada.key), Redacted.value(hub.bo.key)]
      const answerTo = (...keys: ReadonlyArray<string>) => initialized(hub.url, keys)
      for (const [one, other] of [
        [ada, bo],
        [bo, ada]
      ]) {
        for (const lines of [
          [`Authorization: Bearer ${one}`, `authorization: Bearer ${other}`],
          [`x-mcphub-key: ${one}`, `X-McpHub-Key: ${other}`]
        ]) {
          const text = yield* answerTo(...lines)
          assert.match(text, /^HTTP\/1.1 400 [^]*"conflicting_keys"/)
          assert.match(text, /two different MCPHub keys, twice in (Authorization|x-mcphub-key); remove one of them/)
          assert.notMatch(text, /mcp-session-id/i)
        }
      }
      assert.match(yield* answerTo(`Authorization: Bearer ${ada}`), /^HTTP\/1.1 200 /)
    })
  )

  it.live("field B3: stands in a header that comes twice, and what a proxy has put beside it is nobody's key", () =>
    Effect.gen(function* () {
      const hub = yield* TestHub.make()
      const [ada, bo] = [Redacted.value(hub.ada.key), Redacted.value(hub.bo.key)]
      for (const key of [ada, bo]) {
        const own = [`Authorization: Bearer ${key}`, `x-mcphub-key: ${key}`]
        const foreign = [
          ["authorization: Basic cHJveHk6c2VjcmV0", "X-McpHub-Key: secret-of-a-proxy"],
          ["authorization: Bearer eyJhbGciOiJub25lIn0.e30.", "X-McpHub-Key: ghp_0123456789"],
          ['authorization: Digest username="a", realm="b", nonce="c"', "X-McpHub-Key: a, b"]
        ]
        for (const others of foreign) {
          for (const at of [0, 1]) {
            for (const lines of [
              [own[at]!, others[at]!],
              [others[at]!, own[at]!],
              [`${own[at]!}, ${others[at]!.replace(/^[^:]*: /, "")}`],
              [own[at]!, ...others]
            ]) {
              const text = yield* initialized(hub.url, lines)
              assert.match(text, /^HTTP\/1.1 200 /, lines.join(" | ").replaceAll(key, "…"))
              assert.notInclude(text, "secret-of-a-proxy")
            }
          }
        }
      }
      const beside = yield* initialized(hub.url, [`authorization: Bearer ${ada}`, `x-mcphub-key: ${bo}`])
      assert.match(beside, /"conflicting_keys"/)
      assert.include(beside, "in Authorization and in x-mcphub-key; remove one of them")
      assert.match(yield* initialized(hub.url, [`Authorization: Bearer ${ada}, Bearer ${bo}`]), /"conflicting_keys"/)
      assert.match(yield* initialized(hub.url, [`x-mcphub-key: ${ada},${bo}`]), /"conflicting_keys"/)
      assert.match(yield* initialized(hub.url, [`Authorization: Bearer ${ada},${bo}`]), /^HTTP\/1.1 401 /)
    })
  )

  it.live("two different keys in one request are refused, the same one twice is not", () =>
    Effect.gen(function* () {
      const hub = yield* TestHub.make()
      const [ada, bo] = [Redacted.value(hub.ada.key), Redacted.value(hub.bo.key)]
      for (const [path, headers] of [
        ["/mcp", { authorization: `Bearer ${ada}`, "x-mcphub-key": bo }],
        [`/mcp?key=${bo}`, { authorization: `Bearer ${ada}` }],
        [`/mcp?key=${ada}&key=${bo}`, {}]
      ] as const) {
        const answer = yield* hub.http.send({ path, headers: { ...json, ...headers }, body: initialize() })
        assert.strictEqual(answer.status, 400)
        assert.strictEqual(JSON.parse(answer.text).error.data.kind, "conflicting_keys")
        assert.notInclude(answer.text, "mcphub_")
        assert.notProperty(answer.headers, "mcp-session-id")
      }
      const same = yield* hub.http.send({
        path: `/mcp?key=${ada}`,
        headers: { ...json, "x-mcphub-key": ada },
        body: initialize()
      })
      assert.strictEqual(same.status, 200)
    })
  )

  it.live("field B3: stands beside a foreign token, which is nobody's key wherever it stands", () =>
    Effect.gen(function* () {
      const upstream = yield* ScriptedHttpUpstream.make()
      const hub = yield* TestHub.make({ servers: { files: { url: upstream.url } } })
      const [ada, bo] = [Redacted.value(hub.ada.key), Redacted.value(hub.bo.key)]
      const foreign = ["eyJhbGciOiJub25lIn0.e30.", "ghp_0123456789", "xmcphub_0123456789abcdef", "MCPHUB"]
      for (const token of foreign) {
        for (const [path, headers] of [
          ["/mcp", { authorization: `Bearer ${token}`, "x-mcphub-key": ada }],
          ["/mcp", { authorization: `Bearer ${ada}`, "x-mcphub-key": token }],
          [`/mcp?key=${ada}`, { authorization: `Bearer ${token}`, "x-mcphub-key": `${token}x` }],
          [`/mcp?key=${token}`, { authorization: `Bearer ${ada}` }]
        ] as const) {
          const all = { ...json, ...headers }
          const opened = yield* hub.http.send({ path, headers: all, body: initialize() })
          assert.strictEqual(opened.status, 200, token)
          const answer = yield* hub.http.send({
            path,
            headers: { ...all, "mcp-session-id": opened.headers["mcp-session-id"]! },
            body: '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"files-whoami","arguments":{}}}'
          })
          const seen = (yield* McpClient.resultOf(answer))["structuredContent"] as Record<string, string>
          assert.strictEqual(seen["x-mcphub-user-id"], hub.ada.user.id)
          assert.notInclude(JSON.stringify(seen), token)
        }
        const alone = yield* hub.http.send({
          path: "/mcp",
          headers: { ...json, authorization: `Bearer ${token}`, "x-mcphub-key": `${token}x` },
          body: initialize()
        })
        assert.strictEqual(alone.status, 401)
      }
      // Whatever is meant as a key counts as one: a wrong one is not passed over for another's.
      for (const wrong of [bo, "mcphub_", `mcphub_${"0".repeat(64)}`]) {
        const answer = yield* hub.http.send({
          path: "/mcp",
          headers: { ...json, authorization: `Bearer ${wrong}`, "x-mcphub-key": ada },
          body: initialize()
        })
        assert.strictEqual(answer.status, 400)
      }
    })
  )

  it.live("A02: a key in the query asks for no referrer, and ALLOW_QUERY_KEY=false ignores it", () =>
    Effect.gen(function* () {
      const open = yield* TestHub.make()
      const path = (key: Redacted.Redacted<string>) => `/mcp?key=${Redacted.value(key)}`
      const taken = yield* open.http.send({ path: path(open.ada.key), headers: json, body: initialize() })
      assert.strictEqual(taken.status, 200)
      assert.strictEqual(taken.headers["referrer-policy"], "no-referrer")

      const strict = yield* TestHub.make({ config: { allowQueryKey: false } })
      const refused = yield* strict.http.send({ path: path(strict.ada.key), headers: json, body: initialize() })
      assert.strictEqual(refused.status, 401)
      const both = yield* strict.http.send({
        path: path(strict.ada.key),
        headers: { ...json, "x-mcphub-key": Redacted.value(strict.bo.key) },
        body: initialize()
      })
      assert.strictEqual(both.status, 200)
    })
  )

  it.live("A14: a connection that was admitted is asked again under another Host, and for a page", () =>
    Effect.gen(function* () {
      const hub = yield* TestHub.make({ config: { allowedHosts: ["hub.example"] } })
      const connection = yield* Effect.acquireRelease(
        Effect.sync(() => new Client(new URL(hub.url).origin)),
        (client) => Effect.promise(() => client.destroy())
      )
      const statusOf = (user: typeof hub.ada, headers: Readonly<Record<string, string>>) =>
        Effect.promise(async () => {
          const all = { ...McpClient.clientHeaders(user.key), ...headers }
          const answer = await connection.request({ method: "POST", path: "/mcp", headers: all, body: initialize() })
          await answer.body.dump()
          return answer.statusCode
        })
      for (const user of [hub.ada, hub.bo]) {
        for (const refused of [{ host: "evil.example" }, { origin: "http://evil.example" }]) {
          assert.strictEqual(yield* statusOf(user, { host: "hub.example" }), 200)
          assert.strictEqual(yield* statusOf(user, { host: "hub.example" }), 200)
          assert.strictEqual(yield* statusOf(user, { host: "hub.example", ...refused }), 403)
        }
      }
    })
  )

  it.live("A14: a foreign Host or Origin is refused before the key is looked at and before the body is read", () =>
    Effect.gen(function* () {
      const hub = yield* TestHub.make({ config: { allowedHosts: ["hub.example"] } })
      // A body that never ends: an answer proves that nobody waited for it.
      const endless = async function* () {
        yield new TextEncoder().encode("{")
        await new Promise<void>(() => {})
      }
      for (const headers of [
        { host: "evil.example" },
        { origin: "http://evil.example" },
        { origin: "null" },
        { origin: "http://hub.example.evil.example" },
        { host: "evil.example", origin: "http://127.0.0.1" }
      ]) {
        const withKey = { ...McpClient.clientHeaders(hub.ada.key), ...headers }
        for (const all of [{ ...json, ...headers }, withKey]) {
          const answer = yield* hub.http.open({ path: "/mcp", headers: all, body: endless() })
          assert.strictEqual(answer.status, 403)
          assert.notProperty(answer.headers, "mcp-session-id")
        }
      }
      for (const headers of [
        {},
        { host: "hub.example", origin: "https://hub.example" },
        { origin: "http://localhost:5173" }
      ]) {
        const answer = yield* hub.http.send({
          path: "/mcp",
          headers: { ...McpClient.clientHeaders(hub.bo.key), ...headers },
          body: initialize()
        })
        assert.strictEqual(answer.status, 200)
      }
    })
  )

  it.live("A07: a user in the path never identifies anyone", () =>
    Effect.gen(function* () {
      const hub = yield* TestHub.make()
      const post = (path: string, key: Redacted.Redacted<string>) =>
        hub.http.send({ path, headers: McpClient.clientHeaders(key), body: initialize() })
      assert.strictEqual((yield* post("/ada/mcp", hub.ada.key)).status, 200)
      assert.strictEqual((yield* post(`/${hub.ada.user.id}/mcp`, hub.ada.key)).status, 200)
      const foreign = yield* post("/bo/mcp", hub.ada.key)
      const unknown = yield* post("/nobody/mcp", hub.ada.key)
      assert.strictEqual(foreign.status, 404)
      assert.deepStrictEqual(fingerprint(foreign), fingerprint(unknown))
    })
  )
})
