import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import type { LookupAddress } from "node:dns"
import { NameLookup } from "../../../../src/actors/upstream/http/AddressGuard.ts"
import { networksFromText } from "../../../../src/domain/config/UpstreamAddresses.ts"
import { type McpClient, ScriptedHttpUpstream, TestHub } from "../../../../src/testkit/index.ts"

/** Names as a test says, also from one look-up to the next. */
const names = () => {
  const answers = new Map<string, ReadonlyArray<string>>()
  const asked: Array<string> = []
  const layer = Layer.succeed(NameLookup, (host, _, answer) => {
    asked.push(host)
    const addresses = answers.get(host)
    if (addresses === undefined) return answer(Object.assign(new Error("No such name"), { code: "ENOTFOUND" }), [])
    answer(
      null,
      addresses.map((address): LookupAddress => ({ address, family: address.includes(":") ? 6 : 4 }))
    )
  })
  return { answers, asked, layer }
}

const start = Effect.fnUntraced(function* (host: string, allowed = "") {
  const upstream = yield* ScriptedHttpUpstream.make()
  const dns = names()
  const url = upstream.url.replace("127.0.0.1", host)
  const hub = yield* TestHub.make({
    servers: { files: { url }, near: { url: upstream.url } },
    config: { allowedNetworks: networksFromText(allowed)! },
    replace: dns.layer
  })
  const [ada, bo] = yield* Effect.all([hub.connect(hub.ada), hub.connect(hub.bo)])
  return { upstream, dns, hub, ada, bo, url }
})

const blockedIn = (error: McpClient.McpFailure) => {
  assert.strictEqual(error.code, 1502)
  assert.deepInclude(error.data as object, {
    kind: "upstream_blocked",
    origin: "upstream",
    retryable: false,
    server: "files"
  })
  assert.include(error.message, "ALLOWED_NETWORKS")
  assert.notMatch(error.message, /\d+\.\d+\.\d+\.\d+|example/)
}

describe("the address of an upstream", () => {
  it.live("A13: a public name that leads into the hub's own network is not connected to, for no user", () =>
    Effect.gen(function* () {
      const { ada, bo, dns, upstream } = yield* start("mcp.example.com")
      for (const [client, addresses] of [
        [ada, ["127.0.0.1"]],
        [bo, ["::ffff:127.0.0.1"]]
      ] as const) {
        dns.answers.set("mcp.example.com", addresses)
        blockedIn(yield* Effect.flip(client.callTool("files-echo", { text: "x" })))
      }
      // Only what the settings name as an address was reached.
      assert.deepStrictEqual(yield* ada.callTool("near-echo", { a: 1 }), { a: 1 })
      assert.deepStrictEqual(yield* bo.callTool("near-echo", { b: 1 }), { b: 1 })
      assert.isTrue(upstream.received.every(({ headers }) => headers.host!.startsWith("127.0.0.1:")))
    })
  )

  it.live("A13: a metadata address is not connected to, not even when the settings name it", () =>
    Effect.gen(function* () {
      const hub = yield* TestHub.make({ servers: { files: { url: "http://169.254.169.254/latest" } } })
      const [ada, bo] = yield* Effect.all([hub.connect(hub.ada), hub.connect(hub.bo)])
      for (const client of [ada, bo]) {
        blockedIn(yield* Effect.flip(client.callTool("files-echo", { text: "x" })))
      }
    })
  )

  it.live(
    "A13: a name that changes its address is checked at each connect, and the checked address is the one used",
    () =>
      Effect.gen(function* () {
        const { ada, bo, dns, upstream } = yield* start("mcp.example.com", "127.0.0.1")
        dns.answers.set("mcp.example.com", ["10.0.0.1", "127.0.0.1", "169.254.169.254"])
        assert.deepStrictEqual(yield* ada.callTool("files-echo", { a: 1 }), { a: 1 })
        const before = upstream.received.length
        // What the name says from now on counts for whoever connects from now on.
        dns.answers.set("mcp.example.com", ["127.0.0.2", "10.0.0.1"])
        blockedIn(yield* Effect.flip(bo.callTool("files-echo", { b: 1 })))
        assert.strictEqual(upstream.received.length, before)
        assert.deepStrictEqual(yield* ada.callTool("files-echo", { a: 2 }), { a: 2 })
        assert.isAtLeast(dns.asked.length, 2)
      })
  )

  it.live("A13: localhost and the short names of a container network work as they are", () =>
    Effect.gen(function* () {
      const { ada, bo, dns } = yield* start("files-server")
      dns.answers.set("files-server", ["127.0.0.1"])
      assert.deepStrictEqual(yield* ada.callTool("files-echo", { a: 1 }), { a: 1 })
      assert.deepStrictEqual(yield* bo.callTool("files-echo", { b: 1 }), { b: 1 })
    })
  )
})
