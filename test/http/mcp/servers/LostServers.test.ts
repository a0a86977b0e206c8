/** Servers that cannot be reached, forget their sessions or hang up, as the users of a hub see them. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { NameLookup } from "../../../../src/actors/upstream/http/AddressGuard.ts"
import { networksFromText } from "../../../../src/domain/config/UpstreamAddresses.ts"
import {
  type HubUser,
  type McpClient,
  type ScriptedHttp,
  ScriptedHttpUpstream,
  TestHub
} from "../../../../src/testkit/index.ts"

/** Names that lead nowhere until a test says so. */
const names = () => {
  const known = new Map<string, string>()
  let asked = 0
  const layer = Layer.succeed(NameLookup, (host, _, answer) => {
    asked++
    const address = known.get(host)
    if (address === undefined) return answer(Object.assign(new Error("No such name"), { code: "ENOTFOUND" }), [])
    answer(null, [{ address, family: 4 }])
  })
  return { known, asked: () => asked, layer }
}

const errorOf = (failing: Effect.Effect<unknown, McpClient.McpFailure>) =>
  Effect.map(Effect.flip(failing), ({ code, data, message }) => {
    const { kind, retryable, retryAfterMs = 0 } = data as Record<string, unknown>
    return { code, kind, retryable, message, retryAfterMs: Number(retryAfterMs) }
  })

const unavailable = { code: 1503, kind: "upstream_unavailable", retryable: true }

const echo = (client: McpClient.McpClient, args: Record<string, unknown>) =>
  Effect.map(client.callTool("files-echo", args), (echoed) => assert.deepStrictEqual(echoed, args))

/** How often a server was asked for something on behalf of one user. */
const countOf = (upstream: ScriptedHttp, method: string, { user }: HubUser) =>
  upstream.calls(method).filter(({ headers }) => headers["x-mcphub-user-id"] === user.id).length

describe("a server that cannot be reached", () => {
  it.live("B04: fails each user's call by its reason within two seconds, and what can be reached goes on", () =>
    Effect.gen(function* () {
      const dns = names()
      const alive = yield* ScriptedHttpUpstream.make()
      const hub = yield* TestHub.make({
        servers: {
          files: { url: alive.url },
          nowhere: { url: "http://mcp.example.com/mcp" },
          plain: { url: alive.url.replace("http:", "https:") }
        },
        replace: dns.layer
      })
      const [ada, bo] = yield* Effect.all([hub.connect(hub.ada), hub.connect(hub.bo)])
      for (const client of [ada, bo]) {
        for (const [server, reason] of [
          ["nowhere", "a host name that does not resolve"],
          ["plain", "TLS"]
        ] as const) {
          const began = performance.now()
          const error = yield* errorOf(client.callTool(`${server}-echo`))
          assert.isBelow(performance.now() - began, 2_000)
          assert.deepInclude(error, unavailable)
          assert.include(error.message, reason)
          assert.notMatch(error.message, /example|127\.0\.0\.1/)
        }
        yield* echo(client, { still: "here" })
      }
    })
  )

  it.live("B04: is left alone for ada after five failures, without a look at its name, and tried for bo", () =>
    Effect.gen(function* () {
      const dns = names()
      const upstream = yield* ScriptedHttpUpstream.make()
      const hub = yield* TestHub.make({
        servers: { files: { url: upstream.url.replace("127.0.0.1", "mcp.example.com"), isolation: "session" } },
        config: { allowedNetworks: networksFromText("127.0.0.1")! },
        replace: dns.layer
      })
      for (let session = 0; session < 5; session++) {
        const ada = yield* hub.connect(hub.ada)
        assert.deepInclude(yield* errorOf(ada.callTool("files-echo")), unavailable)
      }
      const asked = dns.asked()
      const [ada, bo] = yield* Effect.all([hub.connect(hub.ada), hub.connect(hub.bo)])
      dns.known.set("mcp.example.com", "127.0.0.1")
      const refused = yield* errorOf(ada.callTool("files-echo"))
      assert.deepInclude(refused, unavailable)
      assert.isAbove(refused.retryAfterMs, 0)
      assert.strictEqual(dns.asked(), asked)
      yield* echo(bo, { bo: 1 })
      assert.isAbove(dns.asked(), asked)
    })
  )
})

describe("a server that has forgotten its sessions", () => {
  it.live("B10: is given a new one, once for all calls that meet it, each of which is answered", () =>
    Effect.gen(function* () {
      const upstream = yield* ScriptedHttpUpstream.make()
      const hub = yield* TestHub.make({ servers: { files: { url: upstream.url } } })
      const [ada, bo] = yield* Effect.all([hub.connect(hub.ada), hub.connect(hub.bo)])
      yield* echo(ada, { n: 0 })
      yield* echo(bo, { n: 0 })
      upstream.forgetSessions()
      yield* Effect.forEach([1, 2, 3], (n) => echo(ada, { n }), { concurrency: "unbounded" })
      assert.strictEqual(countOf(upstream, "initialize", hub.ada), 2)
      assert.strictEqual(countOf(upstream, "initialize", hub.bo), 1)
      yield* echo(bo, { n: 1 })
      assert.strictEqual(countOf(upstream, "initialize", hub.bo), 2)
    })
  )

  it.live("B10: fails ada's call when it forgets the new one too, and the call may be repeated; 401 opens none", () =>
    Effect.gen(function* () {
      const upstream = yield* ScriptedHttpUpstream.make({
        tools: { forgets: (call) => call.status(404), denies: (call) => call.status(401) }
      })
      const hub = yield* TestHub.make({ servers: { files: { url: upstream.url } } })
      const [ada, bo] = yield* Effect.all([hub.connect(hub.ada), hub.connect(hub.bo)])
      yield* echo(ada, { n: 0 })
      yield* echo(bo, { n: 0 })
      const denied = yield* errorOf(ada.callTool("files-denies"))
      assert.deepInclude(denied, { code: 1502, kind: "upstream_unauthorized", retryable: false })
      assert.strictEqual(countOf(upstream, "initialize", hub.ada), 1)
      const forgotten = yield* errorOf(ada.callTool("files-forgets"))
      assert.deepInclude(forgotten, { code: 1502, kind: "upstream_session", retryable: true })
      assert.strictEqual(countOf(upstream, "initialize", hub.ada), 2)
      const sent = upstream.calls("tools/call").filter(({ body }) => body!.params!["name"] === "forgets")
      assert.strictEqual(sent.length, 2)
      yield* echo(ada, { n: 1 })
      yield* echo(bo, { n: 1 })
      assert.strictEqual(countOf(upstream, "initialize", hub.bo), 1)
    })
  )
})

describe("a server that closes its event stream in order, every time", () => {
  it.live("B12: is asked for it again after a second and then ever later, and what it says then reaches its user", () =>
    Effect.gen(function* () {
      const upstream = yield* ScriptedHttpUpstream.make()
      const hub = yield* TestHub.make({ servers: { files: { url: upstream.url, isolation: "session" } } })
      const opened: Array<number> = []
      upstream.script("GET", (call) => {
        call.open()
        if (call.received.headers["x-mcphub-user-id"] !== hub.ada.user.id) return
        opened.push(performance.now())
        if (opened.length < 3) return call.end()
        call.event({ jsonrpc: "2.0", method: "notifications/message", params: { level: "error", data: "at last" } })
      })
      const [ada, bo] = yield* Effect.all([hub.connect(hub.ada), hub.connect(hub.bo)])
      const [adas, bos] = yield* Effect.all([ada.stream, bo.stream])
      yield* echo(bo, { bo: 1 })
      yield* echo(ada, { ada: 1 })
      const heard = (yield* adas.next) as { readonly params: object }
      assert.deepInclude(heard.params, { data: "at last" })
      const [first = 0, second = 0, third = 0] = opened
      assert.isAtLeast(second - first, 990)
      assert.isAtLeast(third - second, 1_980)
      assert.strictEqual(countOf(upstream, "GET", hub.bo), 1)
      yield* bo.end
      assert.deepStrictEqual(yield* bos.rest, [])
      yield* echo(ada, { ada: 2 })
    })
  )
})
