import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Effect, Redacted } from "effect"
import { readHubConfig } from "../../../src/domain/config/HubConfig.ts"
import { proxyOf } from "../../../src/domain/config/ProxySettings.ts"

const read = (env: Record<string, string>) =>
  Effect.provide(readHubConfig(), ConfigProvider.layer(ConfigProvider.fromEnv({ env })))

const hostOf = (proxy: Redacted.Redacted<string> | undefined) =>
  proxy === undefined ? "none" : new URL(Redacted.value(proxy)).host

describe("the proxy on the way to a server", () => {
  it.effect("field A15: is the one for the url's scheme, and the lower-case variable counts first", () =>
    Effect.gen(function* () {
      const config = yield* read({ HTTPS_PROXY: "a:1", https_proxy: "b:2", HTTP_PROXY: "c:3" })
      assert.strictEqual(hostOf(proxyOf(config, "https://mcp.example.com")), "b:2")
      assert.strictEqual(hostOf(proxyOf(config, "http://mcp.example.com")), "c:3")
      assert.strictEqual(hostOf(proxyOf(yield* read({ HTTP_PROXY: "c:3" }), "https://mcp.example.com")), "none")
    })
  )

  it.effect("field A15: is none for what NO_PROXY lists, by name, by port, by network and altogether", () =>
    Effect.gen(function* () {
      const noProxy = "Corp.example, .lan.example *.dev.example,only.example:8443, 203.0.113.0/24,[2001:db8::1]"
      const config = yield* read({ HTTPS_PROXY: "proxy:1", NO_PROXY: noProxy })
      const cases = [
        ["https://corp.example", "none"],
        ["https://MCP.corp.example:8443", "none"],
        ["https://notcorp.example", "proxy:1"],
        ["https://corp.example.com", "proxy:1"],
        ["https://a.lan.example", "none"],
        ["https://a.dev.example", "none"],
        ["https://only.example:8443", "none"],
        ["https://only.example", "proxy:1"],
        ["https://203.0.113.9", "none"],
        ["https://203.0.114.9", "proxy:1"],
        ["https://[2001:db8::1]", "none"],
        ["https://[2001:db8::2]", "proxy:1"]
      ] as const
      for (const [origin, host] of cases) assert.strictEqual(hostOf(proxyOf(config, origin)), host, origin)
      const all = yield* read({ HTTPS_PROXY: "proxy:1", NO_PROXY: "*" })
      assert.strictEqual(hostOf(proxyOf(all, "https://mcp.example.com")), "none")
    })
  )

  it.effect("field A15: of another kind stops the start, and neither its text nor its password is shown", () =>
    Effect.gen(function* () {
      for (const text of ["socks5://ada:canary@proxy:1080", "http://", "http://ada:%zz-canary@proxy:1"]) {
        const error = yield* Effect.flip(read({ HTTPS_PROXY: text }))
        assert.match(error.message, /^HTTPS_PROXY is text of \d+ characters; allowed: http:/)
        assert.notInclude(error.message, "canary")
      }
      const config = yield* read({ HTTPS_PROXY: "http://ada:canary@proxy:1" })
      assert.notInclude(JSON.stringify(config) + Object.values(config).map(String).join(), "canary")
    })
  )
})
