/** Lists whose pages do not end, add nothing, or fail on the way. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { ScriptedHttpUpstream, TestHub } from "../../../../src/testkit/index.ts"
import type { Script, ScriptedCall } from "../../../../src/testkit/ScriptedCall.ts"
import * as StatelessUpstream from "../../../support/StatelessUpstream.ts"
import * as OddServers from "../../support/OddServers.ts"

const tools = { a1: (call: ScriptedCall) => call.content({ called: call.params["name"] }) }

const pageOf = (call: ScriptedCall): number => Number(call.params["cursor"] ?? 1)

const page = (call: ScriptedCall, names: ReadonlyArray<string>, next: number | undefined): void => {
  const listed = names.map((name) => ({ name, inputSchema: { type: "object" } }))
  const cursor = next === undefined ? {} : { nextCursor: String(next) }
  call.result({ resultType: "complete", tools: listed, ttlMs: 60_000, cacheScope: "private", ...cursor })
}

const start = Effect.fnUntraced(function* (era: (typeof OddServers.eras)[number], list: Script) {
  const methods = { "tools/list": list }
  const odd = yield* era === "stateless"
    ? StatelessUpstream.make({ tools, methods })
    : ScriptedHttpUpstream.make({ tools, methods })
  const good = yield* ScriptedHttpUpstream.make()
  const hub = yield* TestHub.make({ servers: { odd: { url: odd.url }, good: { url: good.url } } })
  const ada = yield* hub.connect(hub.ada)
  const listed = (client: typeof ada | "stateless") =>
    Effect.map(OddServers.request(hub, hub.ada, client, "tools/list"), ({ result }) => ({
      names: (result.tools as ReadonlyArray<{ readonly name: string }>)
        .map(({ name }) => name)
        .filter((name) => name.startsWith("odd-")),
      goods: (result.tools as ReadonlyArray<{ readonly name: string }>).filter(({ name }) => name.startsWith("good-"))
        .length,
      ttlMs: result.ttlMs,
      missing: result._meta?.["mcphub/missing"] as ReadonlyArray<{ readonly server: string; readonly reason: string }>
    }))
  return { odd, hub, ada, list: listed }
})

describe("a server whose list goes on and on", () => {
  for (const era of OddServers.eras) {
    it.live(`field A9: with ever new cursors and nothing to add is asked no further, ${era} server`, () =>
      Effect.gen(function* () {
        const { ada, list, odd } = yield* start(era, (call) => page(call, ["a1", "a2"], pageOf(call) + 1))
        const { goods, missing, names } = yield* list(ada)
        assert.deepStrictEqual([names, goods, missing], [["odd-a1", "odd-a2"], 4, undefined])
        assert.strictEqual(odd.calls("tools/list").length, 2)
      })
    )

    it.live(`field A9: and adds something each time is read up to a bound, and said to be cut, ${era} server`, () =>
      Effect.gen(function* () {
        const { ada, list, odd } = yield* start(era, (call) => page(call, [`a${pageOf(call)}`], pageOf(call) + 1))
        const { goods, missing, names } = yield* list(ada)
        assert.deepStrictEqual([names.length, goods, odd.calls("tools/list").length], [100, 4, 100])
        assert.strictEqual(missing[0]?.server, "odd")
        assert.match(missing[0]?.reason ?? "", /^Only the first pages .*more than 100 pages/)
      })
    )

    it.live(`field A9: leaves the pages before one that fails, says so, and is asked again soon, ${era} server`, () =>
      Effect.gen(function* () {
        let isBroken = true
        const { ada, hub, list, odd } = yield* start(era, (call) => {
          if (pageOf(call) === 1) return page(call, ["a1"], 2)
          if (isBroken) return call.error(-32603, "The second shelf is locked")
          page(call, ["a2"], undefined)
        })
        for (const client of [ada, "stateless"] as const) {
          const { goods, missing, names, ttlMs } = yield* list(client)
          assert.deepStrictEqual([names, goods], [["odd-a1"], 4])
          assert.match(missing[0]?.reason ?? "", /^Only the first pages .*The second shelf is locked/)
          if (client === "stateless") assert.strictEqual(ttlMs, 0)
        }
        // What is on a page that was read can be called; what may be on one that was not is no unknown tool.
        assert.deepStrictEqual(yield* ada.callTool("odd-a1"), { called: "a1" })
        const unread = yield* Effect.flip(ada.callTool("odd-a2"))
        assert.strictEqual(unread.code, 1503)
        isBroken = false
        const bo = yield* hub.connect(hub.bo)
        assert.deepStrictEqual(
          (yield* bo.toolNames).filter((name) => name.startsWith("odd-")),
          ["odd-a1", "odd-a2"]
        )
        assert.isAtLeast(odd.calls("tools/list").length, 6)
      })
    )
  }
})
