import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Redacted } from "effect"
import type { LookupAddress } from "node:dns"
import { NameLookup } from "../../../../src/actors/upstream/http/AddressGuard.ts"
import type { HubConfigShape } from "../../../../src/domain/config/HubConfig.ts"
import { networksFromText } from "../../../../src/domain/config/UpstreamAddresses.ts"
import { type McpClient, ScriptedHttpUpstream, TestHub } from "../../../../src/testkit/index.ts"
import * as ConnectProxy from "../../../support/ConnectProxy.ts"
import { eventually } from "../../../support/Eventually.ts"

/** One on the internet, one that only the proxy can resolve, and names that lead into the hub's own networks. */
const names: Readonly<Record<string, ReadonlyArray<string>>> = {
  "mcp.example.com": ["203.0.113.7"],
  "rebound.example.com": ["127.0.0.1"],
  "mixed.example.com": ["203.0.113.7", "10.0.0.1"],
  "near.internal": ["127.0.0.1"]
}

const dns = Layer.succeed(NameLookup, (host, _, answer) => {
  const found = names[host]
  if (found === undefined) return answer(Object.assign(new Error("No such name"), { code: "ENOTFOUND" }), [])
  answer(
    null,
    found.map((address): LookupAddress => ({ address, family: 4 }))
  )
})

interface Setup {
  readonly config?: Partial<HubConfigShape>
  /** What the proxy wants, and what the hub has. */
  readonly login?: string
  readonly given?: string
}

/** A hub whose servers, by their hosts, are all the same one; the proxy knows each of them. */
const start = Effect.fnUntraced(function* (
  hosts: Readonly<Record<string, string>>,
  { config, given, login }: Setup = {}
) {
  const upstream = yield* ScriptedHttpUpstream.make()
  const port = Number(new URL(upstream.url).port)
  const routes = Object.fromEntries(Object.values(hosts).map((host) => [`${host}:${port}`, port]))
  const proxy = yield* ConnectProxy.make({ routes, login })
  const httpProxy = Redacted.make(`http://${given === undefined ? "" : `${given}@`}127.0.0.1:${proxy.port}`)
  const hub = yield* TestHub.make({
    servers: Object.fromEntries(
      Object.entries(hosts).map(([name, host]) => [name, { url: `http://${host}:${port}/mcp` }])
    ),
    config: { httpProxy, ...config },
    replace: dns
  })
  const [ada, bo] = yield* Effect.all([hub.connect(hub.ada), hub.connect(hub.bo)])
  return { upstream, proxy, hub, ada, bo, port }
})

const isBlocked = (error: McpClient.McpFailure) =>
  assert.deepInclude(error.data as object, { kind: "upstream_blocked", retryable: false })

describe("a hub behind a proxy", () => {
  it.live("field A15: reaches servers by tunnels, each user by their own, and closes them with the session", () =>
    Effect.gen(function* () {
      const { ada, bo, port, proxy, upstream } = yield* start({ far: "mcp.example.com", hidden: "mcp.nowhere.example" })
      for (const server of ["far", "hidden"]) {
        assert.deepStrictEqual(yield* ada.callTool(`${server}-echo`, { of: "ada" }), { of: "ada" })
        assert.deepStrictEqual(yield* bo.callTool(`${server}-echo`, { of: "bo" }), { of: "bo" })
      }
      assert.deepStrictEqual([...new Set(proxy.asked.map(({ authority }) => authority))].sort(), [
        `mcp.example.com:${port}`,
        `mcp.nowhere.example:${port}`
      ])
      // What one user says passes through none of the tunnels that carry the other's.
      const users = proxy.asked.map(({ passed }) => new Set(passed().match(/x-mcphub-user-id: \S+/gi)))
      assert.isTrue(users.every(({ size }) => size === 1))
      assert.strictEqual(new Set(users.flatMap((one) => [...one])).size, 2)
      assert.isTrue(proxy.asked.every(({ headers }) => !/x-mcphub|authorization|mcp-session-id/i.test(headers)))
      assert.isTrue(upstream.received.every(({ headers }) => headers["proxy-authorization"] === undefined))
      yield* Effect.all([ada.end, bo.end])
      assert.strictEqual(yield* eventually(Effect.sync(proxy.open), (open) => open === 0), 0)
    })
  )

  it.live("field A15: is no way around ALLOWED_NETWORKS: what may not be reached is not asked of the proxy", () =>
    Effect.gen(function* () {
      const hosts = { rebound: "rebound.example.com", mixed: "mixed.example.com", cloud: "169.254.169.254" }
      const { ada, bo, proxy, upstream } = yield* start(hosts)
      for (const client of [ada, bo]) {
        for (const server of Object.keys(hosts)) isBlocked(yield* Effect.flip(client.callTool(`${server}-echo`, {})))
      }
      assert.deepStrictEqual([proxy.asked.length, upstream.received.length], [0, 0])
    })
  )

  it.live("field A15: reaches its own networks, and what NO_PROXY lists, without the proxy", () =>
    Effect.gen(function* () {
      const hosts = { address: "127.0.0.1", near: "near.internal", listed: "rebound.example.com" }
      const config = { noProxy: ["rebound.example.com"], allowedNetworks: networksFromText("127.0.0.1")! }
      const { ada, bo, proxy, upstream } = yield* start(hosts, { config })
      for (const [client, of] of [
        [ada, "ada"],
        [bo, "bo"]
      ] as const) {
        for (const server of Object.keys(hosts)) {
          assert.deepStrictEqual(yield* client.callTool(`${server}-echo`, { of }), { of })
        }
      }
      assert.strictEqual(proxy.asked.length, 0)
      assert.isAtLeast(upstream.calls("tools/call").length, 6)
    })
  )

  it.live("field A15: gives the proxy, and it alone, the login that it wants", () =>
    Effect.gen(function* () {
      const login = "hub:se:cret/canary"
      const { ada, bo, proxy, upstream } = yield* start(
        { far: "mcp.example.com" },
        { login, given: "hub:se%3Acret%2Fcanary" }
      )
      for (const [client, of] of [
        [ada, "ada"],
        [bo, "bo"]
      ] as const) {
        assert.deepStrictEqual(yield* client.callTool("far-echo", { of }), { of })
      }
      assert.isTrue(proxy.asked.every(({ headers }) => headers.includes(`Basic ${btoa(login)}`)))
      assert.isTrue(upstream.received.every(({ headers }) => headers["proxy-authorization"] === undefined))
    })
  )

  const free = 1
  const failures: ReadonlyArray<readonly [what: string, ConnectProxy.ConnectProxyOptions | undefined, words: string]> =
    [
      ["wants another login", { routes: {}, login: "hub:other" }, "HTTP 407; give it a user and password"],
      ["refuses the server", { routes: {} }, "HTTP 403; ask whoever runs it"],
      ["says nothing", { routes: { "mcp.example.com:80": "silent" } }, "did not open a connection in time; check"],
      ["is not there", undefined, "refused or broke off the connection; check"]
    ]
  for (const [what, options, words] of failures) {
    it.live(`field A15: says where the proxy ${what} what to do, and not the proxy's login`, () =>
      Effect.gen(function* () {
        const proxy = options === undefined ? undefined : yield* ConnectProxy.make(options)
        const hub = yield* TestHub.make({
          servers: { far: { url: "http://mcp.example.com/mcp" } },
          config: { httpProxy: Redacted.make(`http://hub:canary@127.0.0.1:${proxy?.port ?? free}`) },
          replace: dns
        })
        const [ada, bo] = yield* Effect.all([hub.connect(hub.ada), hub.connect(hub.bo)])
        const calls = [ada, bo].map((client) => Effect.flip(client.callTool("far-echo", {})))
        for (const error of yield* Effect.all(calls, { concurrency: "unbounded" })) {
          assert.deepInclude(error.data as object, { kind: "upstream_unavailable", retryable: true, server: "far" })
          assert.include(error.message, words)
          assert.notMatch(JSON.stringify(error), /canary|127\.0\.0\.1/)
        }
        if (proxy !== undefined) {
          assert.strictEqual(yield* eventually(Effect.sync(proxy.open), (open) => open === 0), 0)
        }
      })
    )
  }
})
