import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { type Script, ScriptedHttpUpstream, TestHub } from "../../../../src/testkit/index.ts"

const capabilities = { tools: {}, resources: {}, completions: {} }

describe("URI templates of a server", () => {
  it.live("A41: cost no more time the worse they and the URIs are, for nobody", () =>
    Effect.gen(function* () {
      const templates = [
        `evil://${"{a}".repeat(2_000)}`,
        `evil://${"{+a*}{/b*}{?c*}".repeat(500)}!`,
        `evil://(a+)+$`,
        `evil://${"{".repeat(2_000)}`,
        "good://{id}"
      ]
      const initialize: Script = (call) => {
        call.result({
          protocolVersion: call.params["protocolVersion"],
          capabilities,
          serverInfo: { name: "templates", version: "1.0.0" }
        })
      }
      const upstream = yield* ScriptedHttpUpstream.make({
        sessions: false,
        stream: false,
        methods: {
          initialize,
          "resources/list": (call) => call.result({ resources: [] }),
          "resources/templates/list": (call) =>
            call.result({ resourceTemplates: templates.map((uriTemplate, i) => ({ uriTemplate, name: `t${i}` })) }),
          "resources/read": (call) => call.result({ contents: [{ uri: call.params["uri"], text: "read" }] }),
          "completion/complete": (call) => call.result({ completion: { values: [] } })
        }
      })
      const hub = yield* TestHub.make({ servers: { files: { url: upstream.url } } })
      const [ada, bo] = yield* Effect.all([hub.connect(hub.ada), hub.connect(hub.bo)])
      for (const uri of [
        `evil://${"a".repeat(100_000)}`,
        `evil://${"a/".repeat(50_000)}!`,
        `evil://${"{".repeat(10_000)}`
      ]) {
        yield* Effect.exit(ada.request("resources/read", { uri }))
        yield* Effect.exit(
          ada.request("completion/complete", {
            ref: { type: "ref/resource", uri },
            argument: { name: "a", value: uri }
          })
        )
      }
      // Anything exponential would not have come this far within a lifetime.
      const read = yield* bo.request("resources/read", { uri: "good://1" })
      assert.deepStrictEqual(read, { contents: [{ uri: "good://1", text: "read" }] })
    })
  )
})
