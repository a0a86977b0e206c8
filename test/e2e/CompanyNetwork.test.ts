/** A hub in a company's network: servers by https through a proxy, with certificates of the company's own authority. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { ScriptedHttpUpstream } from "../../src/testkit/ScriptedHttpUpstream.ts"
import { post } from "../cli/support/Program.ts"
import * as ConnectProxy from "../support/ConnectProxy.ts"
import * as HubProcess from "../support/HubProcess.ts"
import * as OwnAuthority from "../support/OwnAuthority.ts"

const host = "mcp.company.example"
const keys = { ada: `mcphub_${"a".repeat(64)}`, bo: `mcphub_${"b".repeat(64)}` }

/** The variables that running.md names, for an authority whose certificate is this file. */
const waysToTrust = {
  nothing: () => ({}),
  NODE_EXTRA_CA_CERTS: (ca: string) => ({ NODE_EXTRA_CA_CERTS: ca }),
  ...("Deno" in globalThis
    ? {
        DENO_CERT: (ca: string) => ({ DENO_CERT: ca }),
        DENO_TLS_CA_STORE: (ca: string) => ({ DENO_TLS_CA_STORE: "system", SSL_CERT_FILE: ca })
      }
    : { NODE_USE_SYSTEM_CA: (ca: string) => ({ NODE_USE_SYSTEM_CA: "1", SSL_CERT_FILE: ca }) })
}

const start = Effect.fnUntraced(function* (trust: keyof typeof waysToTrust, scheme: "http" | "https" = "http") {
  const folder = yield* HubProcess.folder
  const { ca, ...identity } = OwnAuthority.certificates(folder, host)
  const upstream = yield* ScriptedHttpUpstream.make()
  const port = yield* OwnAuthority.secured(Number(new URL(upstream.url).port), identity)
  const proxy = yield* ConnectProxy.make({ routes: { [`${host}:443`]: port }, login: "hub:canary" })
  const proxyPort = scheme === "http" ? proxy.port : yield* OwnAuthority.secured(proxy.port, identity)
  const hub = yield* HubProcess.make({
    settings: { mcpServers: { far: { url: `https://${host}/mcp` } } },
    provision: HubProcess.withKeys([
      { username: "ada", key: keys.ada },
      { username: "bo", key: keys.bo }
    ]),
    env: {
      // Deno itself would ask the proxy for its newest version.
      DENO_NO_UPDATE_CHECK: "1",
      HTTPS_PROXY: `${scheme}://hub:canary@localhost:${proxyPort}`,
      ...waysToTrust[trust](ca)
    }
  })
  const call = (who: keyof typeof keys) =>
    Effect.flatMap(
      post(hub, keys[who], `s-${who}`, {
        id: 1,
        method: "tools/call",
        params: { name: "far-echo", arguments: { of: who } }
      }),
      (answer) => Effect.promise(() => answer.json() as Promise<Record<string, any>>)
    )
  return { upstream, proxy, hub, call }
})

describe("a hub in a company's network", () => {
  for (const scheme of ["http", "https"] as const) {
    it.live(
      `field C8: trusts the company's authority when told, through its ${scheme} proxy, which sees nothing of a user`,
      () =>
        Effect.gen(function* () {
          const { call, hub, proxy, upstream } = yield* start("NODE_EXTRA_CA_CERTS", scheme)
          for (const who of ["ada", "bo"] as const) {
            assert.deepStrictEqual((yield* call(who))["result"].structuredContent, { of: who })
          }
          assert.isAtLeast(proxy.asked.length, 2)
          for (const { authority, headers, passed } of proxy.asked) {
            assert.strictEqual(authority, `${host}:443`)
            assert.notMatch(headers + passed(), /x-mcphub|tools\/call|\bada\b/i)
          }
          assert.isTrue(upstream.received.every(({ headers }) => headers.host === host))
          assert.notInclude(hub.stderr() + hub.stdout(), "canary")
        })
    )
  }

  it.live("field C8: trusts it by each variable that the documents name", () =>
    Effect.gen(function* () {
      const names = Object.keys(waysToTrust).filter((name) => name !== "nothing" && name !== "NODE_EXTRA_CA_CERTS")
      for (const name of names as ReadonlyArray<keyof typeof waysToTrust>) {
        yield* Effect.scoped(
          Effect.gen(function* () {
            const { call } = yield* start(name)
            for (const who of ["ada", "bo"] as const) {
              assert.deepStrictEqual((yield* call(who))["result"]?.structuredContent, { of: who }, name)
            }
          })
        )
      }
    })
  )

  it.live("field C8: says to everybody, and in its log, how to trust an authority that it does not know", () =>
    Effect.gen(function* () {
      const { call, hub, upstream } = yield* start("nothing")
      for (const who of ["ada", "bo"] as const) {
        const { error } = yield* call(who)
        assert.deepInclude(error.data, { kind: "upstream_unavailable", server: "far" })
        assert.include(error.message, "NODE_EXTRA_CA_CERTS=/path/to/ca.pem")
      }
      const told = yield* hub.logged(2, ({ msg, state }) => msg === "server" && state === "down")
      for (const { reason } of told)
        assert.match(String(reason), /NODE_USE_SYSTEM_CA=1, on Deno DENO_TLS_CA_STORE=system/)
      assert.strictEqual(upstream.received.length, 0)
    })
  )
})
