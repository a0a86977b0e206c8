import { assert, describe, it } from "@effect/vitest"
import { Context, Effect } from "effect"
import { HourlyStatistics } from "../../../../src/actors/observing/HourlyStatistics.ts"
import { otherName, Statistics } from "../../../../src/domain/records/Statistics.ts"
import { type HubUser, type RunningHub, ScriptedHttpUpstream, TestHub } from "../../../../src/testkit/index.ts"

type Running = RunningHub & { readonly services: Context.Context<Statistics> }

const countsOf = Effect.fnUntraced(function* (hub: Running, user: HubUser) {
  yield* Context.get(hub.services, HourlyStatistics).flush
  const statistics = Context.get(hub.services, Statistics)
  const sums = yield* statistics.sums({ userId: user.user.id, by: ["server", "tool"], limit: 100 })
  return Object.fromEntries(sums.map((sum) => [`${sum.server} ${sum.tool}`, sum.requests]))
})

describe("the hourly statistics of a hub", () => {
  it.live("have each user's calls by server and tool, under the server's own name of the tool", () =>
    Effect.gen(function* () {
      const upstream = yield* ScriptedHttpUpstream.make()
      const hub = yield* TestHub.make({ servers: { files: { url: upstream.url } } })
      const ada = yield* hub.connect(hub.ada)
      yield* ada.callTool("files-echo", { value: 1 })
      yield* ada.callTool("echo", { value: 2 })
      yield* Effect.exit(ada.callTool("files-made-up"))
      const bo = yield* hub.connect(hub.bo, { path: "/mcp/files" })
      yield* bo.toolNames
      yield* bo.callTool("echo", { value: 3 })
      assert.deepStrictEqual(yield* countsOf(hub, hub.ada), { " ": 1, "files echo": 2, [` ${otherName}`]: 1 })
      assert.deepStrictEqual(yield* countsOf(hub, hub.bo), { " ": 2, "files echo": 1 })
    })
  )

  it.live("B48: names that a client makes up are not counted apart, behind one server's address either", () =>
    Effect.gen(function* () {
      const upstream = yield* ScriptedHttpUpstream.make()
      const hub = yield* TestHub.make({ servers: { files: { url: upstream.url } } })
      const ada = yield* hub.connect(hub.ada, { path: "/mcp/files" })
      const bo = yield* hub.connect(hub.bo)
      for (let n = 0; n < 20; n++) {
        yield* Effect.exit(ada.callTool(`made-up-${n}`))
        yield* Effect.exit(bo.callTool(`files-made-up-${n}`))
      }
      assert.deepStrictEqual(yield* countsOf(hub, hub.ada), { " ": 1, [`files ${otherName}`]: 20 })
      assert.deepStrictEqual(yield* countsOf(hub, hub.bo), { " ": 1, [` ${otherName}`]: 20 })
    })
  )
})
