import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { ScriptedHttpUpstream, TestHub } from "../../../../src/testkit/index.ts"
import { stateless } from "../../support/StatelessRequests.ts"

const start = Effect.gen(function* () {
  const upstream = yield* ScriptedHttpUpstream.make({
    methods: {
      "tools/list": (call) =>
        call.result({
          tools: [
            {
              name: "deploy",
              inputSchema: {
                type: "object",
                properties: {
                  region: { type: "string", "x-mcp-header": "Region" },
                  count: { type: "integer", "x-mcp-header": "Count" }
                }
              }
            }
          ]
        })
    },
    tools: { deploy: (call) => call.content(call.arguments) }
  })
  const hub = yield* TestHub.make({ servers: { files: { url: upstream.url } } })
  return { upstream, hub, ada: stateless(hub, hub.ada), bo: stateless(hub, hub.bo) }
})

const deploy = { name: "files-deploy", arguments: { region: "eu", count: 2 } }
const right = { "mcp-param-region": "eu", "mcp-param-count": "2" }

describe("the headers of a 2026-07-28 request", () => {
  it.live("A26: that say something else than the body are 400 with -32020, and nothing is forwarded", () =>
    Effect.gen(function* () {
      const { ada, bo, upstream } = yield* start
      const good = yield* ada("tools/call", deploy, { headers: right })
      assert.strictEqual(good.status, 200)
      assert.deepStrictEqual(good.result.structuredContent, { region: "eu", count: 2 })
      const before = upstream.received.length

      const wrong: ReadonlyArray<readonly [what: string, headers: Record<string, string | undefined>]> = [
        ["another method", { "mcp-method": "tools/list" }],
        ["no method", { "mcp-method": undefined }],
        ["another name", { "mcp-name": "files-echo" }],
        ["no name", { "mcp-name": undefined }],
        ["a name that cannot be read", { "mcp-name": "=?base64?***?=" }],
        ["another revision", { "mcp-protocol-version": "2025-11-25" }],
        ["no revision", { "mcp-protocol-version": undefined }],
        ["another argument", { "mcp-param-region": "us" }],
        ["another number", { "mcp-param-count": "3" }],
        ["no argument", { "mcp-param-region": undefined }]
      ]
      for (const [what, headers] of wrong) {
        for (const client of [ada, bo]) {
          const { error, status } = yield* client("tools/call", deploy, { headers: { ...right, ...headers } })
          assert.deepStrictEqual([status, error?.code], [400, -32020], what)
        }
      }
      // Bo's requests may have made a session of bo's own, but no call has left the hub.
      assert.strictEqual(upstream.calls("tools/call").length, 1)
      assert.isAtLeast(upstream.received.length, before)
      assert.strictEqual((yield* bo("tools/call", deploy, { headers: right })).status, 200)
      assert.strictEqual(upstream.calls("tools/call").length, 2)
    })
  )

  it.live(
    "A27: an unknown revision is 400 with -32022 and what is spoken, a method of old revisions 404 with -32601",
    () =>
      Effect.gen(function* () {
        const { ada, bo, upstream } = yield* start
        for (const client of [ada, bo]) {
          const unknown = yield* client("tools/list", {}, { version: "2031-01-01" })
          assert.deepStrictEqual([unknown.status, unknown.error?.code], [400, -32022])
          assert.include(unknown.error!.data.supported, "2026-07-28")
          for (const method of ["initialize", "ping", "logging/setLevel", "resources/subscribe", "no/such"]) {
            const old = yield* client(method)
            assert.deepStrictEqual([old.status, old.error?.code], [404, -32601], method)
          }
        }
        assert.strictEqual(upstream.received.length, 0)
      })
  )
})
