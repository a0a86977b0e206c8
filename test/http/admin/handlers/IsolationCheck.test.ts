/** The isolation self-test of `mcphub doctor`: quiet on the real code, loud on code that leaks. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Redacted } from "effect"
import { UpstreamHeaders } from "../../../../src/actors/upstream/connection/UpstreamHeaders.ts"
import { checkIsolation } from "../../../../src/http/admin/handlers/IsolationCheck.ts"
import { Environment } from "../../../../src/domain/config/Environment.ts"
import type { SettingsValue } from "../../../../src/domain/servers/Settings.ts"

const settings: SettingsValue = {
  mcpServers: {
    github: {
      url: "http://127.0.0.1:9/mcp",
      headers: { Authorization: "Bearer ${USER_GITHUB_TOKEN}" },
      context: "full"
    },
    jira: { url: "http://127.0.0.1:9/mcp", context: "full", contextTokens: ["ATLASSIAN_TOKEN"] },
    local: { command: "cat", env: { SECRET: "${USER_FIRECRAWL_TOKEN}" }, context: "full" },
    plain: { url: "http://127.0.0.1:9/mcp" },
    off: { enabled: false, url: "http://127.0.0.1:9/mcp" }
  }
}

const real = UpstreamHeaders.layer.pipe(Layer.provide(Layer.succeed(Environment, { PATH: "/bin" })))

/** The original's mistake: every token to every upstream. */
const allTokens = Layer.effect(
  UpstreamHeaders,
  Effect.map(UpstreamHeaders, (headers) =>
    UpstreamHeaders.of({
      ...headers,
      headers: (options) =>
        Effect.map(headers.headers(options), (made) => ({
          ...made,
          ...Object.fromEntries(
            [...options.context.principal.serviceTokens].map(([name, value]) => [name, Redacted.value(value)])
          )
        }))
    })
  )
).pipe(Layer.provide(real))

/** Its other mistake: built once, for whoever came first, and kept. */
const firstUser = Layer.effect(
  UpstreamHeaders,
  Effect.gen(function* () {
    const headers = yield* UpstreamHeaders
    const kept = new Map<string, Readonly<Record<string, string>>>()
    return UpstreamHeaders.of({
      ...headers,
      headers: (options) => {
        const known = kept.get(options.server)
        if (known !== undefined) return Effect.succeed(known)
        return Effect.tap(headers.headers(options), (made) => Effect.sync(() => void kept.set(options.server, made)))
      }
    })
  })
).pipe(Layer.provide(real))

describe("the isolation self-test", () => {
  it.effect("finds nothing where headers are built as the hub builds them", () =>
    Effect.gen(function* () {
      const { crossings, servers, tokens } = yield* checkIsolation(settings)
      assert.deepStrictEqual(crossings, [])
      assert.strictEqual(servers, 4)
      assert.isAtLeast(tokens, 5)
    }).pipe(Effect.provide(real))
  )

  for (const form of [
    "${USER_X}",
    "${USER_X:-nobody}",
    "${USER_X:-}",
    "a ${USER_X:-b} c ${USER_Y:-d}",
    '"${USER_X:-é}"'
  ]) {
    it.effect(`field D1: raises no false alarm over ${form}, wherever it stands`, () =>
      Effect.gen(function* () {
        const http = { url: "http://127.0.0.1:9/mcp" }
        const { crossings, tokens } = yield* checkIsolation({
          mcpServers: {
            url: { url: `http://127.0.0.1:9/mcp?t=${form}` },
            header: { ...http, headers: { Authorization: form } },
            full: { ...http, headers: { Authorization: form }, context: "full" },
            args: { command: "cat", args: ["--token", form] },
            env: { command: "cat", env: { TOKEN: form } },
            cwd: { command: "cat", cwd: `/tmp/${form}` }
          }
        })
        assert.deepStrictEqual(crossings, [])
        assert.isAbove(tokens, 6)
      }).pipe(Effect.provide(real))
    )
  }

  it.effect("field D1: and none the less finds a token whose name only begins another's reference", () =>
    Effect.gen(function* () {
      const headers = { Authorization: "${USER_GITHUB_TOKEN_OLD:-none}" }
      const { crossings } = yield* checkIsolation({ mcpServers: { old: { url: "http://127.0.0.1:9/mcp", headers } } })
      assert.deepInclude(crossings, { server: "old", what: "GITHUB_TOKEN" })
      assert.notDeepInclude(crossings, { server: "old", what: "GITHUB_TOKEN_OLD" })
    }).pipe(Effect.provide(allTokens))
  )

  it.effect("finds every token that reaches a server it is not meant for, and shows no value", () =>
    Effect.gen(function* () {
      const { crossings } = yield* checkIsolation(settings)
      const at = (server: string) => crossings.filter((one) => one.server === server).map((one) => one.what)
      assert.include(at("plain"), "GITHUB_TOKEN")
      assert.include(at("jira"), "GITHUB_TOKEN")
      assert.notInclude(at("github"), "GITHUB_TOKEN")
      assert.notInclude(at("jira"), "ATLASSIAN_TOKEN")
      assert.notInclude(JSON.stringify(crossings), "canary-")
    }).pipe(Effect.provide(allTokens))
  )

  it.effect("finds headers of one user that are kept for the next", () =>
    Effect.gen(function* () {
      const { crossings } = yield* checkIsolation(settings)
      assert.deepInclude(crossings, { server: "github", what: "something of another user" })
    }).pipe(Effect.provide(firstUser))
  )
})
