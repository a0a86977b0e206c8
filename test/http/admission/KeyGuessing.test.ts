import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer, Redacted } from "effect"
import { TestClock } from "effect/testing"
import { HubConfig, defaults } from "../../../src/domain/config/HubConfig.ts"
import { HubKeys } from "../../../src/domain/identity/HubKeys.ts"
import * as WrongKeys from "../../../src/http/admission/WrongKeys.ts"
import { McpClient, type RunningHub, ScriptedHttpUpstream, TestHub } from "../../../src/testkit/index.ts"

const initialize = JSON.stringify({
  jsonrpc: "2.0",
  id: 1,
  method: "initialize",
  params: { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "guess", version: "1" } }
})

const guess = (hub: RunningHub, n: number, method = "POST") =>
  hub.http.send({
    method,
    path: "/mcp",
    headers: McpClient.clientHeaders(Redacted.make(`mcphub_${String(n).padStart(64, "0")}`)),
    body: method === "POST" ? initialize : undefined
  })

describe("guessing of keys", () => {
  it.live("A35: is answered 429 with Retry-After before long, while valid keys from the same address go on", () =>
    Effect.gen(function* () {
      const upstream = yield* ScriptedHttpUpstream.make()
      const hub = yield* TestHub.make({
        servers: { files: { url: upstream.url } },
        config: { wrongKeysPerMinute: 20 }
      })
      const keys = Context.get(hub.services, HubKeys)
      const ada = yield* hub.connect(hub.ada)
      const answers = yield* Effect.forEach(
        Array.from({ length: 200 }, (_, i) => i),
        (n) => guess(hub, n, ["POST", "GET", "DELETE"][n % 3]),
        { concurrency: 50 }
      )
      const told = answers.filter(({ status }) => status === 429)
      assert.deepStrictEqual([...new Set(answers.map(({ status }) => status))].sort(), [401, 429])
      assert.isAtLeast(told.length, 170)
      for (const { headers, text } of told) {
        assert.match(headers["retry-after"]!, /^[1-9]\d?$/)
        assert.strictEqual(JSON.parse(text).error.data.kind, "too_many_wrong_keys")
        assert.notInclude(text, "mcphub_")
      }
      // A key in use, one that is presented for the first time, and one that is made meanwhile.
      assert.deepStrictEqual(yield* ada.callTool("files-echo", { a: 1 }), { a: 1 })
      assert.deepStrictEqual(yield* Effect.flatMap(hub.connect(hub.bo), (bo) => bo.callTool("files-echo", { b: 1 })), {
        b: 1
      })
      const late = yield* keys.create({ userId: hub.bo.user.id })
      const client = yield* hub.connect(late)
      assert.deepStrictEqual(yield* client.callTool("files-echo", { c: 1 }), { c: 1 })
      // Without a key nothing is guessed, and a client has to learn that it needs one.
      assert.strictEqual((yield* hub.http.send({ path: "/mcp", body: initialize })).status, 401)
    })
  )

  it.effect("A35: every address has an allowance of its own that comes back, and a bounded number is remembered", () =>
    Effect.gen(function* () {
      const wrong = yield* WrongKeys.make
      const times = (address: string, count: number) => Array.from({ length: count }, () => wrong.count(address))
      assert.deepStrictEqual(times("192.0.2.1", 3), [undefined, undefined, undefined])
      assert.strictEqual(wrong.count("192.0.2.1"), 20)
      assert.isUndefined(wrong.count("192.0.2.2"))
      yield* TestClock.adjust("19 seconds")
      assert.strictEqual(wrong.count("192.0.2.1"), 1)
      yield* TestClock.adjust("1 seconds")
      assert.isUndefined(wrong.count("192.0.2.1"))
      // One IPv6 site is one address, however many it uses; IPv4 within IPv6 is IPv4.
      times("2001:db8:1:2::1", 3)
      assert.isDefined(wrong.count("2001:db8:1:2:ffff:ffff:ffff:ffff"))
      assert.isUndefined(wrong.count("2001:db8:1:3::1"))
      assert.strictEqual(WrongKeys.siteOf("::ffff:192.0.2.1"), "192.0.2.1")
      assert.strictEqual(WrongKeys.siteOf("::1"), "0:0:0:0")
      for (let n = 0; n < 50_000; n++) wrong.count(`10.${n >> 16}.${(n >> 8) & 255}.${n & 255}`)
      assert.isAtMost(wrong.size(), 10_000)
    }).pipe(Effect.provide(Layer.succeed(HubConfig, { ...defaults, wrongKeysPerMinute: 3 })))
  )
})
