import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { ScriptedHttpUpstream, TestHub } from "../../../../src/testkit/index.ts"

const nested = (depth: number) => `${"[".repeat(depth)}${"]".repeat(depth)}`
const deep: Record<string, (depth: number) => string> = {
  result: (depth) => `"result":{"content":[],"structuredContent":{"a":${nested(depth)}}}`,
  error: (depth) => `"error":{"code":-32000,"message":"m","data":${nested(depth)}}`
}

describe("an answer that is nested deep", () => {
  for (const [what, made] of Object.entries(deep)) {
    it.live(`passes up to a thousand levels, as ${what}; beyond, its call fails at once and nothing else does`, () =>
      Effect.gen(function* () {
        const upstream = yield* ScriptedHttpUpstream.make({
          tools: {
            deep: (call) => {
              const depth = Number(call.arguments["depth"])
              const body = `{"jsonrpc":"2.0","id":${JSON.stringify(call.id)},${made(depth)}}`
              if (call.arguments["event"] !== true) return call.body(200, "application/json", body)
              call.body(200, "text/event-stream", `data: ${body}\n\n`)
            }
          }
        })
        const hub = yield* TestHub.make({ servers: { files: { url: upstream.url } } })
        const [ada, bo] = yield* Effect.all([hub.connect(hub.ada), hub.connect(hub.bo)])
        const ask = (depth: number, event: boolean) =>
          ada.send({
            jsonrpc: "2.0",
            id: 7,
            method: "tools/call",
            params: { name: "files-deep", arguments: { depth, event } }
          })
        for (const event of [false, true]) {
          const passed = yield* ask(900, event)
          assert.include(passed.text, nested(900))
          for (const depth of [1_100, 25_000]) {
            const refused = JSON.parse((yield* ask(depth, event)).text) as { error: { message: string; data: object } }
            assert.match(refused.error.message, /nested deeper than a thousand levels/)
            assert.deepInclude(refused.error.data, { server: "files" })
          }
        }
        assert.deepStrictEqual(yield* bo.callTool("files-echo", { bo: 1 }), { bo: 1 })
      })
    )
  }
})
