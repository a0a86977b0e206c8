import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Layer, Redacted, Schema } from "effect"
import { TestClock } from "effect/testing"
import { GroupId, KeyId, RequestId, SessionId, UserId } from "../../../../src/domain/Ids.ts"
import { Environment } from "../../../../src/domain/config/Environment.ts"
import { HubSecrets } from "../../../../src/domain/config/HubSecrets.ts"
import type { Principal } from "../../../../src/domain/identity/Principal.ts"
import { Standing } from "../../../../src/domain/identity/Standing.ts"
import type { ServerConfig } from "../../../../src/domain/servers/ServerConfig.ts"
import { verifyContext } from "../../../../src/domain/context/UpstreamAuthor.ts"
import { userSessionId } from "../../../../src/domain/context/UserSessionId.ts"
import { CredentialMissing, UpstreamFailed } from "../../../../src/domain/requests/UpstreamErrors.ts"
import { UpstreamHeaders } from "../../../../src/actors/upstream/connection/UpstreamHeaders.ts"

const environment = {
  PATH: "/usr/bin",
  HOME: "/home/hub",
  LANG: "C.UTF-8",
  https_proxy: "http://proxy:3128",
  DATABASE_URL: "canary-database",
  JWT_SECRET: "canary-jwt",
  CREDENTIAL_KEY: "canary-credential",
  AWS_SECRET_ACCESS_KEY: "canary-aws",
  REGION: "eu"
}

const layer = UpstreamHeaders.layer.pipe(Layer.provide(Layer.succeed(Environment, environment)))

const user = (name: string, tokens: Record<string, string>): Principal => ({
  userId: UserId.make(`${name}-id`),
  username: name,
  isAdmin: false,
  keyId: KeyId.make(`${name}-key`),
  keyName: "laptop",
  expiresAt: 0,
  groups: [
    { id: GroupId.make("g1"), name: `${name}-team`, isActive: true, servers: [] },
    { id: GroupId.make("g2"), name: "retired", isActive: false, servers: [] }
  ],
  serviceTokens: new Map(Object.entries(tokens).map(([token, value]) => [token, Redacted.make(value)])),
  standing: Standing.ofNoKey
})

const ada = user("ada", { GITHUB_TOKEN: "ada-gh", JIRA_TOKEN: "ada-jira", ODD: "x" })
const bo = user("bo", { GITHUB_TOKEN: "bo-gh" })

const options = (principal: Principal, server: string, config: ServerConfig, request = "r1") => {
  const sessionId = SessionId.make(`${principal.username}-session`)
  return {
    server,
    config,
    protocolVersion: "2025-06-18",
    context: {
      principal,
      sessionId,
      userSessionId: userSessionId(principal.userId, sessionId),
      requestId: RequestId.make(`user-${principal.userId}-${sessionId}-tools/call-1-${request}`)
    }
  }
}

const headersOf = (principal: Principal, server: string, config: ServerConfig, request?: string) =>
  Effect.flatMap(UpstreamHeaders, (service) => service.headers(options(principal, server, config, request)))
const urlOf = (principal: Principal, config: ServerConfig) =>
  Effect.flatMap(UpstreamHeaders, (service) => service.url(options(principal, "one", config)))
const childOf = (principal: Principal, server: string, config: ServerConfig) =>
  Effect.flatMap(UpstreamHeaders, (service) => service.child(options(principal, server, config)))

const http = (more: Partial<ServerConfig> = {}): ServerConfig => ({ url: "https://upstream.example/mcp", ...more })

describe("UpstreamHeaders", () => {
  it.effect("defect 5: each request carries its own ids and the time of that request", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(1_790_000_000_000)
      const config = http()
      const first = yield* headersOf(ada, "github", config, "r1")
      assert.deepStrictEqual(first, {
        "X-MCPHub-User-Id": "ada-id",
        "X-MCPHub-User-Session-Id": userSessionId(UserId.make("ada-id"), SessionId.make("ada-session")),
        "X-MCPHub-Session-Id": "ada-session",
        "X-MCPHub-Request-Id": "user-ada-id-ada-session-tools/call-1-r1",
        "X-MCPHub-Timestamp": "1790000000000",
        "X-MCPHub-Protocol-Version": "2025-06-18",
        "X-MCPHub-Source-Server": "github",
        "X-MCPHub-User-Groups": "ada-team"
      })
      yield* TestClock.adjust("1500 millis")
      const second = yield* headersOf(ada, "github", config, "r2")
      assert.strictEqual(second["X-MCPHub-Timestamp"], "1790000001500")
      assert.strictEqual(second["X-MCPHub-Request-Id"], "user-ada-id-ada-session-tools/call-1-r2")
    }).pipe(Effect.provide(layer))
  )

  it.effect("defect 3: tokens travel only with the level full, and only those the server is entitled to", () =>
    Effect.gen(function* () {
      const withTokens = (headers: object) => Object.entries(headers).filter(([name]) => name.endsWith("-Token"))
      assert.deepStrictEqual(yield* headersOf(ada, "github", http({ context: "none" })), {})
      assert.deepStrictEqual(withTokens(yield* headersOf(ada, "github", http({ contextTokens: ["JIRA_TOKEN"] }))), [])
      const full = http({ context: "full" })
      assert.deepStrictEqual(withTokens(yield* headersOf(ada, "github", full)), [["X-MCPHub-GitHub-Token", "ada-gh"]])
      assert.deepStrictEqual(withTokens(yield* headersOf(bo, "github", full)), [["X-MCPHub-GitHub-Token", "bo-gh"]])
      assert.deepStrictEqual(withTokens(yield* headersOf(ada, "weather", full)), [])
      assert.deepStrictEqual(
        withTokens(yield* headersOf(ada, "weather", http({ context: "full", contextTokens: ["USER_JIRA_TOKEN"] }))),
        [["X-MCPHub-Jira-Token", "ada-jira"]]
      )
      // The same configuration, but bo has no such token.
      assert.deepStrictEqual(
        withTokens(yield* headersOf(bo, "weather", http({ context: "full", contextTokens: ["JIRA_TOKEN"] }))),
        []
      )
    }).pipe(Effect.provide(layer))
  )

  it.effect("configured headers are expanded for the user of the request", () =>
    Effect.gen(function* () {
      const config = http({
        context: "none",
        headers: { Authorization: "Bearer ${USER_GITHUB_TOKEN}", "X-Region": "${REGION}" }
      })
      assert.deepStrictEqual(yield* headersOf(ada, "one", config), { Authorization: "Bearer ada-gh", "X-Region": "eu" })
      assert.deepStrictEqual(yield* headersOf(bo, "one", config), { Authorization: "Bearer bo-gh", "X-Region": "eu" })
    }).pipe(Effect.provide(layer))
  )

  it.effect("defect 20: a literal ${USER_X} never goes upstream, the user is told where to set it", () =>
    Effect.gen(function* () {
      for (const place of ["headers", "url", "child"] as const) {
        const config: ServerConfig = {
          url: place === "url" ? "https://h/${USER_JIRA_TOKEN}" : "https://h",
          command: "tool",
          headers: place === "headers" ? { A: "${USER_JIRA_TOKEN}" } : {},
          env: place === "child" ? { A: "${USER_JIRA_TOKEN}" } : {}
        }
        const service = yield* UpstreamHeaders
        const error = yield* Effect.flip(
          service[place](options(bo, "one", config)) as Effect.Effect<unknown, CredentialMissing | UpstreamFailed>
        )
        assert.instanceOf(error, CredentialMissing)
        assert.strictEqual(error.token, "JIRA_TOKEN")
        assert.strictEqual(
          error.message,
          "Server one needs the service token JIRA_TOKEN, which is not connected for this user; " +
            "set it with `mcphub token set JIRA_TOKEN --user bo`"
        )
        yield* service[place](options(ada, "one", config)) as Effect.Effect<unknown, CredentialMissing | UpstreamFailed>
      }
      const misspelt = yield* Effect.flip(headersOf(ada, "one", http({ headers: { A: "${USER_JIRA-TOKEN}" } })))
      assert.instanceOf(misspelt, UpstreamFailed)
    }).pipe(Effect.provide(layer))
  )

  it.effect("headers of the settings replace none of the hub's own, and none of the connection's", () =>
    Effect.gen(function* () {
      const headers = yield* headersOf(
        ada,
        "github",
        http({
          context: "full",
          headers: {
            "x-mcphub-user-id": "bo-id",
            "X-MCPHUB-SIGNATURE": "v1=0",
            "x-mcphub-github-token": "of the settings",
            "mcp-session-id": "stolen",
            "Content-Length": "0",
            "X-Own": "kept"
          }
        })
      )
      const names = Object.keys(headers).map((name) => name.toLowerCase())
      assert.strictEqual(new Set(names).size, names.length)
      assert.strictEqual(headers["X-MCPHub-User-Id"], "ada-id")
      assert.strictEqual(headers["X-MCPHub-GitHub-Token"], "ada-gh")
      assert.strictEqual(headers["X-Own"], "kept")
      for (const name of ["mcp-session-id", "content-length", "x-mcphub-signature"]) assert.notInclude(names, name)
      const none = yield* headersOf(ada, "github", http({ context: "none", headers: { "X-MCPHub-User-Id": "bo-id" } }))
      assert.deepStrictEqual(none, {})
    }).pipe(Effect.provide(layer))
  )

  it.effect("a token that cannot stand in a header stops the call, and the error does not hold it", () =>
    Effect.gen(function* () {
      for (const value of ["canary\r\nX-MCPHub-User-Id: bo", "canary\n", "canary\0", "canäry", " canary"]) {
        const eve = user("eve", { GITHUB_TOKEN: value })
        for (const config of [
          http({ context: "full" }),
          http({ headers: { Authorization: "${USER_GITHUB_TOKEN}" } })
        ]) {
          const error = yield* Effect.flip(headersOf(eve, "github", config))
          assert.instanceOf(error, UpstreamFailed)
          assert.strictEqual(error.reason, "bad-header")
          assert.strictEqual(error.phase, "send")
          assert.notMatch(JSON.stringify(error) + String(error), /can.ry/)
        }
      }
    }).pipe(Effect.provide(layer))
  )

  it.effect("a user's value in a url is data: it changes neither path nor query nor host", () =>
    Effect.gen(function* () {
      const config = http({ url: "https://upstream.example/u/${USER_ODD}/mcp?k=${USER_ODD}" })
      const odd = (value: string) => urlOf(user("eve", { ODD: value }), config)
      assert.strictEqual(
        yield* odd("a/../b?c#d&e=f@g"),
        "https://upstream.example/u/a%2F..%2Fb%3Fc%23d%26e%3Df%40g/mcp?k=a%2F..%2Fb%3Fc%23d%26e%3Df%40g"
      )
      const named = http({ url: "https://upstream.example/u/${MCPHUB_USERNAME}/mcp" })
      for (const value of [".", ".."]) {
        const error = yield* Effect.flip(odd(value))
        assert.instanceOf(error, UpstreamFailed)
        assert.include(error.message, "The service token ODD is dots alone")
        const unnamed = yield* Effect.flip(urlOf(user(value, {}), named))
        assert.include(unnamed.message, "This user's name is dots alone")
        assert.include(unnamed.message, "use ${MCPHUB_USER_ID} there, or another user name")
      }
      assert.strictEqual(yield* urlOf(ada, http({ url: "https://${REGION}.example" })), "https://eu.example")
    }).pipe(Effect.provide(layer))
  )

  it.effect(
    "defect 18: a child gets the allow-list, the server's own env and the context, never the hub's secrets",
    () =>
      Effect.gen(function* () {
        const config: ServerConfig = {
          command: "npx",
          args: ["-y", "tool", "--region=${REGION}"],
          env: { GITHUB_PERSONAL_ACCESS_TOKEN: "${USER_GITHUB_TOKEN}", MCPHUB_USER_ID: "bo-id" }
        }
        const child = yield* childOf(ada, "github", config)
        assert.strictEqual(child.command, "npx")
        assert.deepStrictEqual(child.args, ["-y", "tool", "--region=eu"])
        assert.deepStrictEqual(child.env, {
          PATH: "/usr/bin",
          HOME: "/home/hub",
          LANG: "C.UTF-8",
          https_proxy: "http://proxy:3128",
          GITHUB_PERSONAL_ACCESS_TOKEN: "ada-gh",
          MCPHUB_SOURCE_SERVER: "github",
          MCPHUB_PROTOCOL_VERSION: "2025-06-18",
          MCPHUB_USER_ID: "ada-id",
          MCPHUB_USER_GROUPS: "ada-team",
          MCPHUB_USER_SESSION_ID: userSessionId(UserId.make("ada-id"), SessionId.make("ada-session")),
          MCPHUB_SESSION_ID: "ada-session"
        })
        const full = yield* childOf(ada, "github", { ...config, context: "full" })
        assert.strictEqual(full.env["GITHUB_TOKEN"], "ada-gh")
        assert.notInclude(JSON.stringify(full), "ada-jira")
        const none = yield* childOf(bo, "one", { command: "tool", context: "none" })
        assert.deepStrictEqual(Object.keys(none.env).sort(), ["HOME", "LANG", "PATH", "https_proxy"])
        assert.notInclude(JSON.stringify([child, full, none]), "canary")
      }).pipe(Effect.provide(layer))
  )

  it.effect("a token never takes the place of a variable that is there", () =>
    Effect.gen(function* () {
      const eve = user("eve", { PATH: "/tmp/evil", A: "a" })
      const child = yield* childOf(eve, "one", { command: "tool", context: "full", contextTokens: ["PATH", "A"] })
      assert.strictEqual(child.env["PATH"], "/usr/bin")
      assert.strictEqual(child.env["A"], "a")
    }).pipe(Effect.provide(layer))
  )

  it.effect("a shared server receives no user's token, even where its settings were not checked", () =>
    Effect.gen(function* () {
      const shared = http({ isolation: "shared", context: "full", contextTokens: ["GITHUB_TOKEN"] })
      assert.notInclude(JSON.stringify(yield* headersOf(ada, "github", shared)), "ada-gh")
      const bound = http({ isolation: "shared", headers: { A: "${USER_GITHUB_TOKEN}" } })
      assert.instanceOf(yield* Effect.flip(headersOf(ada, "github", bound)), CredentialMissing)
    }).pipe(Effect.provide(layer))
  )

  it.effect("a variable that is not set stops the call with the field and the variable", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(headersOf(ada, "one", http({ headers: { A: "${NOT_SET}" } })))
      assert.instanceOf(error, UpstreamFailed)
      assert.include(error.message, "headers.A of server one")
      assert.include(error.message, "NOT_SET is not set")
      const secret = yield* Effect.flip(headersOf(ada, "one", http({ headers: { A: "${JWT_SECRET}" } })))
      assert.notInclude(JSON.stringify(secret), "canary")
    }).pipe(Effect.provide(layer))
  )

  it.effect("with a signing key an upstream can verify who asks, for it alone and for this body", () =>
    Effect.gen(function* () {
      const key = "s".repeat(32)
      yield* TestClock.setTime(1_790_000_000_000)
      const now = yield* Clock.currentTimeMillis
      const service = yield* UpstreamHeaders
      const headers = yield* service.headers({ ...options(ada, "github", http()), body: "{}" })
      const verify = (audience: string, body: string, more = {}) =>
        verifyContext({ ...headers, ...more }, { secret: key, audience, body, now }).ok
      assert.isTrue(verify("github", "{}"))
      assert.isFalse(verify("jira", "{}"))
      assert.isFalse(verify("github", "{ }"))
      assert.isFalse(verify("github", "{}", { "X-MCPHub-User-Id": "bo-id" }))
      assert.deepStrictEqual(yield* headersOf(ada, "github", http({ context: "none" })), {})
    }).pipe(
      Effect.provide(
        UpstreamHeaders.layer.pipe(
          Layer.provide(
            Layer.effect(
              HubSecrets,
              Effect.map(HubSecrets, (secrets) => ({ ...secrets, contextSigningKey: Redacted.make("s".repeat(32)) }))
            )
          )
        )
      )
    )
  )

  const Token = Schema.Literals(["GITHUB_TOKEN", "JIRA_TOKEN", "LINEAR_API_KEY", "S1_TOKEN", "S2_TOKEN"])
  const Server = Schema.Struct({
    name: Schema.Literals(["github", "jira", "s1", "s2", "other"]),
    context: Schema.Literals(["none", "ids", "full"]),
    isolation: Schema.Literals(["session", "user", "shared"]),
    listed: Schema.Array(Token),
    referenced: Schema.Array(Token),
    isLocal: Schema.Boolean
  })
  const User = Schema.Struct({ tokens: Schema.Array(Token) })

  it.effect.prop(
    "N users × M servers: what reaches a server is the caller's own, and only what the server is entitled to",
    { users: Schema.Array(User), servers: Schema.Array(Server) },
    ({ servers, users }) =>
      Effect.gen(function* () {
        const service = yield* UpstreamHeaders
        const principals = users.map(({ tokens }, index) =>
          user(`u${index}`, Object.fromEntries(tokens.map((token) => [token, `canary-u${index}-${token}`])))
        )
        for (const server of servers) {
          const refersTo = (token: string) => (server.referenced as ReadonlyArray<string>).includes(token)
          const config: ServerConfig = {
            url: "https://h",
            command: "tool",
            context: server.context,
            isolation: server.isolation,
            contextTokens: server.listed,
            [server.isLocal ? "env" : "headers"]: Object.fromEntries(
              server.referenced.map((token) => [`Own-${token.replaceAll("_", "-")}`, `\${USER_${token}:-none}`])
            )
          }
          for (const [index, principal] of principals.entries()) {
            const sent = JSON.stringify(
              server.isLocal
                ? yield* service.child(options(principal, server.name, config))
                : yield* service.headers(options(principal, server.name, config))
            )
            const found = new Set(sent.match(/canary-u\d+-[A-Z0-9_]+/g) ?? [])
            const entitled = users[index]!.tokens.filter((token) => {
              if (server.isolation === "shared") return false
              const isNamedAfter = token === `${server.name.toUpperCase()}_TOKEN`
              return refersTo(token) || (server.context === "full" && (server.listed.includes(token) || isNamedAfter))
            })
            assert.deepStrictEqual(
              Array.from(found).sort(),
              Array.from(new Set(entitled), (token) => `canary-u${index}-${token}`).sort()
            )
          }
        }
      }).pipe(Effect.provide(layer))
  )

  it.effect("two users' headers never mix, however their requests interleave on one configuration", () =>
    Effect.gen(function* () {
      const config = http({ context: "full", headers: { Authorization: "Bearer ${USER_GITHUB_TOKEN}" } })
      yield* Effect.forEach(
        Array.from({ length: 400 }, (_, index) => index),
        (index) =>
          Effect.gen(function* () {
            const [mine, other] = index % 2 === 0 ? [ada, bo] : [bo, ada]
            yield* Effect.yieldNow
            const text = JSON.stringify(yield* headersOf(mine, "github", config, `r${index}`))
            assert.include(text, `Bearer ${mine.username}-gh`)
            assert.include(text, `-r${index}"`)
            assert.notInclude(text, other.username === "bo" ? "bo-" : "ada-")
          }),
        { concurrency: "unbounded" }
      )
    }).pipe(Effect.provide(layer))
  )
})
