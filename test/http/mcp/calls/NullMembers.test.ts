/** Members that clients and servers write as null where the protocol has no null: they count as absent. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { ScriptedHttpUpstream, TestHub } from "../../../../src/testkit/index.ts"
import type { Script } from "../../../../src/testkit/ScriptedCall.ts"
import * as StatelessUpstream from "../../../support/StatelessUpstream.ts"
import * as OddServers from "../../support/OddServers.ts"

const tools: Readonly<Record<string, Script>> = {
  /** What it was given, as it arrived. */
  given: (call) => call.content({ params: call.params }),
  /** Says something with nulls in it, and then answers. */
  saying: (call) => {
    const progress = { progressToken: call.progressToken, progress: 1, total: null, message: null }
    call.event({ jsonrpc: "2.0", method: "notifications/progress", params: progress })
    call.event({ jsonrpc: "2.0", method: "notifications/message", params: { level: "info", logger: null, data: null } })
    call.content({ said: true })
  }
}

describe("a client that writes null for what it does not set", () => {
  it.live("field B8: is understood as if it had left it out, in every revision", () =>
    Effect.gen(function* () {
      const old = yield* ScriptedHttpUpstream.make({ tools })
      const recent = yield* StatelessUpstream.make({ tools })
      const hub = yield* TestHub.make({ servers: { odd: { url: old.url }, recent: { url: recent.url } } })
      const ada = yield* hub.connect(hub.ada)
      const bo = yield* hub.connect(hub.bo)
      for (const params of [null, { cursor: null }, { cursor: null, _meta: null }]) {
        for (const method of ["tools/list", "prompts/list", "resources/list", "resources/templates/list", "ping"]) {
          const { text } = yield* ada.send({ jsonrpc: "2.0", id: 1, method, params })
          assert.notInclude(text, '"error"', `${method} ${JSON.stringify(params)}`)
        }
      }
      const listed = yield* OddServers.request(hub, hub.bo, "stateless", "tools/list", { cursor: null })
      assert.lengthOf(listed.result.tools, 6 + 2)
      for (const client of [ada, "stateless"] as const) {
        for (const server of ["odd", "recent"]) {
          const params = { name: `${server}-given`, arguments: null, _meta: { progressToken: null, "x/own": null } }
          const { error, result } = yield* OddServers.request(hub, hub.ada, client, "tools/call", params)
          assert.isUndefined(error, JSON.stringify(error))
          const got = result.structuredContent.params
          assert.isFalse("arguments" in got, JSON.stringify(got))
          assert.isFalse("progressToken" in got._meta, JSON.stringify(got))
          // What is not the protocol's may mean something by it.
          assert.isNull(got._meta["x/own"])
        }
      }
      // Other wrong values are refused as before, and the other user is served.
      const wrong = yield* ada.send({ jsonrpc: "2.0", id: 1, method: "tools/list", params: 0 })
      assert.strictEqual(wrong.status, 400)
      assert.deepStrictEqual((yield* bo.callTool("odd-given")).params, { name: "given", arguments: {} })
    })
  )

  it.live("field B8: and a server that does so is understood by strict clients", () =>
    Effect.gen(function* () {
      const upstream = yield* ScriptedHttpUpstream.make({ tools })
      const hub = yield* TestHub.make({ servers: { odd: { url: upstream.url } } })
      const ada = yield* hub.connect(hub.ada)
      const { before } = yield* OddServers.call(hub, hub.ada, ada, "saying", {}, { progressToken: "mine" })
      assert.deepStrictEqual(
        before.map(({ params }) => params),
        [
          { progressToken: "mine", progress: 1 },
          // The one member that may be any JSON.
          { level: "info", data: null }
        ]
      )
    })
  )
})
