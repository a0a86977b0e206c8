import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer, Redacted } from "effect"
import { Groups } from "../../../../src/domain/identity/Groups.ts"
import { HubKeys } from "../../../../src/domain/identity/HubKeys.ts"
import { HubSecrets } from "../../../../src/domain/config/HubSecrets.ts"
import { Users } from "../../../../src/domain/identity/Users.ts"
import { MemoryStore } from "../../../../src/domain/storage/memory/MemoryStore.ts"
import { readContext, verifyContext } from "../../../../src/domain/context/UpstreamAuthor.ts"
import { type McpClient, type RawHttp, ScriptedHttpUpstream, TestHub } from "../../../../src/testkit/index.ts"
import { stateless } from "../../support/StatelessRequests.ts"

const forged = (other: string): Record<string, string> => ({
  "X-MCPHub-User-Id": other,
  "x-mcphub-user-session-id": "forged",
  "X-MCPHub-Session-Id": "forged",
  "X-MCPHub-Request-Id": "forged",
  "X-MCPHub-Timestamp": "1000000000000",
  "X-MCPHub-Source-Server": "forged",
  "X-MCPHub-User-Groups": "admins",
  "X-MCPHub-GitHub-Token": "forged",
  "X-MCPHub-Anything": "forged",
  "X-MCPHub-Signature": "v1=forged",
  "X-Forwarded-User": "forged",
  "X-Forwarded-User-Id": "forged",
  "X-Forwarded-For": "203.0.113.9",
  Cookie: "session=forged",
  "Proxy-Authorization": "Basic forged",
  "Mcp-Param-Region": "forged",
  Forwarded: "for=forged",
  Referer: "http://forged.example/"
})

/** What the servers have seen of a request that is the client's own: nothing but the body. */
const ofTheClient = /forged|203\.0\.113\.9|mcphub_/

describe("what a client sends in headers", () => {
  it.live(
    "A08, A09, R16: reaches no upstream, on no kind of request and in no revision; only the hub's values do",
    () =>
      Effect.gen(function* () {
        const upstream = yield* ScriptedHttpUpstream.make()
        const hub = yield* TestHub.make({ servers: { files: { url: upstream.url, context: "full" } } })
        for (const [user, other] of [
          [hub.ada, hub.bo],
          [hub.bo, hub.ada]
        ] as const) {
          const headers = forged(other.user.id)
          // The key both ways: neither way may go on.
          const client = yield* hub.connect(user, { headers: { ...headers, "x-mcphub-key": Redacted.value(user.key) } })
          const seen = yield* client.callTool("files-whoami")
          assert.strictEqual(seen["x-mcphub-user-id"], user.user.id)
          yield* client.notify("notifications/roots/list_changed")
          const stream = yield* client.stream
          yield* stateless(hub, user, { headers })("tools/call", { name: "files-echo", arguments: {} })
          assert.strictEqual(yield* client.end, 204)
          yield* stream.ended
        }
        const kinds = new Set(upstream.received.map(({ body, httpMethod }) => body?.method ?? httpMethod))
        for (const kind of ["initialize", "tools/list", "tools/call", "GET", "DELETE"])
          assert.isTrue(kinds.has(kind), kind)
        for (const { headers } of upstream.received) {
          assert.notMatch(JSON.stringify(headers), ofTheClient)
          assert.notProperty(headers, "authorization")
          assert.notProperty(headers, "cookie")
          assert.include([hub.ada.user.id, hub.bo.user.id], headers["x-mcphub-user-id"])
        }
      })
  )
})

describe("what cannot stand in a header", () => {
  it.live(
    "A10: is refused when it is stored, and an old row that holds it stops the call before anything is sent",
    () =>
      Effect.gen(function* () {
        const upstream = yield* ScriptedHttpUpstream.make()
        const hub = yield* TestHub.make({
          servers: {
            files: { url: upstream.url, headers: { Authorization: "Bearer ${USER_GITHUB_TOKEN}" } },
            plain: { url: upstream.url }
          }
        })
        const [keys, users] = [Context.get(hub.services, HubKeys), Context.get(hub.services, Users)]
        const bad = ["secret\r\nX-Admin: 1", "secret\nb", "secret\0b", "secrét", " secret", "secret ", "secret\u007f"]
        for (const text of bad) {
          const error = yield* Effect.flip(
            keys.setTokens({ keyId: hub.ada.row.id }, { GITHUB_TOKEN: Redacted.make(text) })
          )
          assert.strictEqual(error._tag, "InvalidValue", JSON.stringify(text))
          assert.notMatch(error.message, /secr/)
        }
        for (const username of ["x\r\nX-Admin: 1", "x\0", "a\u001b[31m"]) {
          assert.strictEqual(
            (yield* Effect.flip(users.add({ username })))._tag,
            "InvalidValue",
            JSON.stringify(username)
          )
        }

        // As the old hub wrote it: in clear, unchecked.
        const { keys: rows } = Context.get(hub.services, MemoryStore)
        const bo = yield* hub.connect(hub.bo)
        // A space before it is harmless after "Bearer".
        for (const text of bad.filter((one) => !one.startsWith(" "))) {
          const { key, row } = yield* keys.create({ userId: hub.ada.user.id })
          rows.set(row.id, { ...rows.get(row.id)!, tokens: { GITHUB_TOKEN: text } })
          const ada = yield* hub.connect({ key })
          const error = yield* Effect.flip(ada.callTool("files-echo", { a: 1 }))
          assert.deepInclude(error.data as object, { kind: "bad_header_value", origin: "hub", retryable: false })
          assert.notMatch(JSON.stringify(error), /secr|X-Admin/)
          assert.deepStrictEqual(yield* ada.callTool("plain-echo", { c: 1 }), { c: 1 })
          assert.deepStrictEqual(yield* bo.callTool("files-echo", { b: 1 }), { b: 1 })
        }
        const ofAda = upstream.received.filter(({ headers }) => headers["x-mcphub-user-id"] === hub.ada.user.id)
        assert.isNotEmpty(ofAda)
        for (const { headers } of ofAda) assert.notMatch(JSON.stringify(headers), /secr|x-admin/i)
      })
  )

  it.live("A10: is encoded where it is the name of a group, and comes out as it was", () =>
    Effect.gen(function* () {
      const upstream = yield* ScriptedHttpUpstream.make()
      const hub = yield* TestHub.make({ servers: { files: { url: upstream.url } } })
      const groups = Context.get(hub.services, Groups)
      yield* groups.create({ userId: hub.ada.user.id, name: "개발, 50 %", servers: ["files"] })
      const [ada, bo] = yield* Effect.all([hub.connect(hub.ada), hub.connect(hub.bo)])
      const seen = (yield* ada.callTool("files-whoami")) as Record<string, string>
      assert.match(seen["x-mcphub-user-groups"]!, /^[\x21-\x7e ]+$/)
      assert.deepStrictEqual(readContext(seen)!.userGroups, ["개발, 50 %"])
      assert.deepStrictEqual(
        readContext((yield* bo.callTool("files-whoami")) as Record<string, string>)!.userGroups,
        []
      )
    })
  )
})

describe("what an upstream sends back", () => {
  it.live("A12: a redirect ends the call, for each user, and nobody who is pointed at hears of it", () =>
    Effect.gen(function* () {
      const trap = yield* ScriptedHttpUpstream.make()
      for (const status of [301, 302, 303, 307, 308]) {
        const upstream = yield* ScriptedHttpUpstream.make({
          tools: { away: (call) => call.status(status, { location: trap.url }) }
        })
        const hub = yield* TestHub.make({
          servers: { files: { url: upstream.url, headers: { Authorization: "Bearer ${USER_GITHUB_TOKEN}" } } }
        })
        for (const user of [hub.ada, hub.bo]) {
          const client = yield* hub.connect(user)
          const error = yield* Effect.flip(client.callTool("files-away"))
          assert.deepInclude(error.data as object, { kind: "upstream_redirect", origin: "upstream" }, String(status))
          assert.notInclude(error.message, trap.origin)
        }
      }
      assert.strictEqual(trap.received.length, 0)
      assert.strictEqual(trap.sockets().accepted, 0)
    })
  )

  it.live("A31: its session ids, cookies, addresses and other headers stay in the hub", () =>
    Effect.gen(function* () {
      const upstream = yield* ScriptedHttpUpstream.make({
        tools: {
          leak: (call) => {
            const { response } = call
            response.setHeader("set-cookie", "sid=upstream-secret; Path=/")
            response.setHeader("location", "http://upstream-secret.example/")
            response.setHeader("mcp-session-id", "upstream-secret")
            response.setHeader("x-powered-by", "upstream-secret")
            response.setHeader("www-authenticate", "Bearer upstream-secret")
            response.setHeader("keep-alive", "timeout=1")
            call.content({ fine: true })
          }
        }
      })
      const hub = yield* TestHub.make({ servers: { files: { url: upstream.url } } })
      const [ada, bo] = yield* Effect.all([hub.connect(hub.ada), hub.connect(hub.bo)])
      const call = (client: McpClient.McpClient, name: string): Effect.Effect<RawHttp.RawAnswer> =>
        client.send({ jsonrpc: "2.0", id: 1, method: "tools/call", params: { name, arguments: {} } })
      const plain = yield* call(ada, "files-echo")
      const leaked = yield* call(ada, "files-leak")
      assert.strictEqual(leaked.status, 200)
      assert.notInclude(JSON.stringify(leaked), "upstream-secret")
      assert.deepStrictEqual(Object.keys(leaked.headers), Object.keys(plain.headers))
      for (const id of upstream.sessions.keys()) assert.notInclude(JSON.stringify([leaked, ada.sessionId]), id)
      // The cookie is ada's connection's own.
      yield* call(ada, "files-echo")
      yield* call(bo, "files-echo")
      const cookies = upstream.calls("tools/call").map(({ headers }) => [headers["x-mcphub-user-id"], headers.cookie])
      assert.deepStrictEqual(cookies.slice(-2), [
        [hub.ada.user.id, "sid=upstream-secret"],
        [hub.bo.user.id, undefined]
      ])
    })
  )
})

describe("tokens", () => {
  it.live("A11: a server gets the tokens its own configuration names and no other, whoever calls", () =>
    Effect.gen(function* () {
      const upstream = yield* ScriptedHttpUpstream.make()
      const { url } = upstream
      const hub = yield* TestHub.make({
        servers: {
          github: { url, context: "full" },
          atlassian: { url, context: "full", contextTokens: ["JIRA_TOKEN"] },
          search: { url, context: "full", headers: { "x-key": "${USER_FIRECRAWL_TOKEN}" } },
          curious: { url, context: "full" },
          ids: { url, contextTokens: ["GITHUB_TOKEN", "ATLASSIAN_TOKEN"] }
        }
      })
      const names = ["GITHUB_TOKEN", "ATLASSIAN_TOKEN", "JIRA_TOKEN", "FIRECRAWL_TOKEN", "SEARCH_TOKEN"]
      const keys = Context.get(hub.services, HubKeys)
      const expected: Record<string, ReadonlyArray<string>> = {
        github: ["GITHUB_TOKEN"],
        atlassian: ["ATLASSIAN_TOKEN", "JIRA_TOKEN"],
        search: ["FIRECRAWL_TOKEN", "SEARCH_TOKEN"],
        curious: [],
        ids: []
      }
      for (const name of ["ada", "bo"] as const) {
        const tokens = Object.fromEntries(names.map((token) => [token, Redacted.make(`canary-${name}-${token}`)]))
        yield* keys.setTokens({ keyId: hub[name].row.id }, tokens)
      }
      for (const name of ["ada", "bo"] as const) {
        const client = yield* hub.connect(hub[name])
        for (const [server, entitled] of Object.entries(expected)) {
          const seen = JSON.stringify(yield* client.callTool(`${server}-whoami`))
          const canaries = new Set(seen.match(/canary-[a-z]+-[A-Z_]+/g) ?? [])
          assert.deepStrictEqual(
            [...canaries].sort(),
            entitled.map((token) => `canary-${name}-${token}`).sort(),
            server
          )
        }
      }
    })
  )
})

describe("a context that was overheard", () => {
  it.live("A43: proves nothing at another server, with another body, under another id, or after a minute", () =>
    Effect.gen(function* () {
      const secret = "a signing key of thirty-two letters"
      const upstream = yield* ScriptedHttpUpstream.make()
      const hub = yield* TestHub.make({
        servers: { files: { url: upstream.url }, other: { url: upstream.url } },
        replace: Layer.succeed(HubSecrets, { ...(yield* HubSecrets), contextSigningKey: Redacted.make(secret) })
      })
      const [ada, bo] = yield* Effect.all([hub.connect(hub.ada), hub.connect(hub.bo)])
      yield* ada.callTool("files-echo", { text: "ada's" })
      yield* bo.callTool("files-echo", { text: "bo's" })
      const [adas, bos] = upstream.calls("tools/call") as [(typeof upstream.received)[0], (typeof upstream.received)[0]]
      const sentAt = Number(adas.headers["x-mcphub-timestamp"])
      const verify = (changes: Record<string, unknown> = {}, options: object = {}) => {
        const headers = { ...adas.headers, ...changes } as Record<string, string>
        const body = JSON.stringify(adas.body)
        const result = verifyContext(headers, { secret, audience: "files", body, now: sentAt, ...options })
        return result.ok ? `accepted: ${result.context.userId}` : result.reason
      }
      assert.strictEqual(verify(), `accepted: ${hub.ada.user.id}`)
      assert.strictEqual(verify({}, { now: sentAt + 60_000 }), `accepted: ${hub.ada.user.id}`)
      assert.strictEqual(verify({}, { now: sentAt + 60_001 }), "expired")
      assert.strictEqual(verify({}, { now: sentAt - 60_001 }), "expired")
      assert.strictEqual(verify({}, { audience: "other" }), "audience")
      assert.strictEqual(verify({}, { body: JSON.stringify(bos.body) }), "signature")
      assert.strictEqual(verify({}, { secret: `${secret}!` }), "signature")
      for (const name of ["user-id", "user-session-id", "session-id", "request-id", "source-server", "user-groups"]) {
        assert.strictEqual(verify({ [`x-mcphub-${name}`]: `${bos.headers[`x-mcphub-${name}`]}!` }), "signature", name)
      }
      assert.strictEqual(verify({ "x-mcphub-timestamp": String(sentAt + 1) }), "signature")
      assert.strictEqual(verify({ "x-mcphub-signature": undefined }), "unsigned")
      // The id tells a replay within the minute from the request it repeats.
      assert.notStrictEqual(adas.headers["x-mcphub-request-id"], bos.headers["x-mcphub-request-id"])
    })
  )
})
