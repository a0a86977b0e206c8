/** The operations that read statistics, as the local door of a running hub serves them. */
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import { RpcTest } from "effect/rpc"
import { TestClock } from "effect/testing"
import { LiveHandlers } from "../../../../src/http/admin/handlers/LiveHandlers.ts"
import { LiveOperations } from "../../../../src/http/admin/operations/LiveOperations.ts"
import { StatisticsHandlers } from "../../../../src/http/admin/handlers/StatisticsHandlers.ts"
import { StatisticsOperations } from "../../../../src/http/admin/operations/StatisticsOperations.ts"
import { Users } from "../../../../src/domain/identity/Users.ts"
import { ScriptedHttpUpstream, TestHub } from "../../../../src/testkit/index.ts"

const hour = 3_600_000
const began = 100_000 * hour

const start = Effect.gen(function* () {
  // A moment before the hour is over.
  yield* TestClock.setTime(began + hour - 1_000)
  const upstream = yield* ScriptedHttpUpstream.make({
    tools: { broken: (call) => call.error(-32_000, "broken") }
  })
  const hub = yield* TestHub.make({ servers: { files: { url: upstream.url } } })
  const handlers = yield* Layer.build(StatisticsHandlers).pipe(Effect.provideContext(hub.services))
  const operations = yield* RpcTest.makeClient(StatisticsOperations).pipe(Effect.provideContext(handlers))
  const nothing = { user: null, server: null, tool: null, until: null, by: [], limit: 100, since: began }
  const ask = (query: Partial<Parameters<typeof operations.statsSum>[0]>) =>
    operations.statsSum({ ...nothing, ...query })
  return { hub, ask, users: Context.get(hub.services, Users) }
})

describe("statistics of a running hub", () => {
  it.effect("have what was answered a moment ago, each user's own, in hours, days and by tool", () =>
    Effect.gen(function* () {
      const { ask, hub } = yield* start
      const [ada, bo] = yield* Effect.all([hub.connect(hub.ada), hub.connect(hub.bo)])
      yield* ada.callTool("files-echo", { n: 1 })
      yield* Effect.exit(ada.callTool("files-broken"))
      yield* TestClock.adjust("2 seconds")
      yield* ada.callTool("files-echo", { n: 2 })
      yield* bo.callTool("files-echo", { n: 3 })

      const tools = yield* ask({ user: "ada", by: ["server", "tool"] })
      assert.deepStrictEqual(
        tools.rows.map((row) => [row.server, row.tool, row.requests, row.errors, row.username]),
        [
          ["files", "echo", 2, 0, null],
          ["", "", 1, 0, null],
          ["files", "broken", 1, 1, null]
        ]
      )
      assert.deepStrictEqual(tools.errorsByKind, { upstream_error: 1 })
      assert.deepStrictEqual((yield* ask({ user: "bo" })).errorsByKind, {})
      const byUser = yield* ask({ by: ["user"], server: "files" })
      assert.deepStrictEqual(
        byUser.rows.map((row) => [row.username, row.userId, row.requests, row.errorRate]),
        [
          ["ada", hub.ada.user.id, 3, 1 / 3],
          ["bo", hub.bo.user.id, 1, 0]
        ]
      )
      const hours = yield* ask({ user: "ada", by: ["hour"], tool: "echo" })
      assert.deepStrictEqual(
        hours.rows.map((row) => [row.time, row.requests]),
        [
          [new Date(began).toISOString(), 1],
          [new Date(began + hour).toISOString(), 1]
        ]
      )
      assert.deepStrictEqual(
        [hours.since, hours.until],
        [new Date(began).toISOString(), new Date(began + 2 * hour).toISOString()]
      )
      assert.strictEqual((yield* ask({ user: "ada", since: began + hour + 59 })).rows[0]!.requests, 1)
      assert.strictEqual((yield* ask({ user: "ada", until: began + hour })).rows[0]!.requests, 3)
      assert.deepStrictEqual(
        (yield* ask({ by: ["user"], limit: 1 })).rows.map(({ username }) => username),
        ["ada"]
      )
    })
  )

  it.effect("are asked by an id that is never taken for a name, and times out of reach are none", () =>
    Effect.gen(function* () {
      const { ask, hub, users } = yield* start
      // A user whose name is another's id.
      const odd = yield* users.add({ username: hub.ada.user.id })
      const ada = yield* hub.connect(hub.ada)
      yield* ada.callTool("files-echo", { n: 1 })
      assert.strictEqual((yield* ask({ user: { id: hub.ada.user.id } })).rows[0]!.requests, 2)
      assert.deepStrictEqual((yield* ask({ user: { id: odd.id } })).rows, [])
      assert.deepStrictEqual((yield* ask({ user: { id: hub.bo.user.id } })).rows, [])
      for (const id of ["ada", "", "' or true"]) {
        assert.strictEqual((yield* Effect.flip(ask({ user: { id } }))).kind, "UserNotFound")
      }
      for (const since of [Number.NaN, Number.POSITIVE_INFINITY, -1e300, 1e300]) {
        assert.isAtMost((yield* ask({ user: { id: hub.ada.user.id }, since })).rows.length, 1)
      }
    })
  )
})

describe("numbers of the live sessions", () => {
  it.effect("have each user's own, and of what has ended how long it lived", () =>
    Effect.gen(function* () {
      const hub = yield* TestHub.make()
      const facts = { pid: 1, url: hub.url, version: "1", startedAt: 0 }
      const handlers = yield* Layer.build(LiveHandlers(facts)).pipe(Effect.provideContext(hub.services))
      const operations = yield* RpcTest.makeClient(LiveOperations).pipe(Effect.provideContext(handlers))
      const first = yield* hub.connect(hub.ada)
      yield* TestClock.adjust("30 seconds")
      const oldest = yield* hub.connect(hub.ada, { protocolVersion: "2025-06-18" })
      yield* hub.connect(hub.bo, { clientInfo: { name: "cursor", version: "1" } })
      yield* oldest.stream
      yield* first.end
      const { oldestAt, ...stats } = yield* operations.sessionStats({ user: null })
      assert.strictEqual(oldestAt, new Date(30_000).toISOString())
      assert.deepStrictEqual(stats, {
        sessions: 2,
        active: 1,
        idle: 1,
        adopted: 0,
        recovered: 0,
        streams: 1,
        inFlight: 0,
        byUser: [
          { userId: hub.ada.user.id, username: "ada", sessions: 1, inFlight: 0, streams: 1 },
          { userId: hub.bo.user.id, username: "bo", sessions: 1, inFlight: 0, streams: 0 }
        ],
        byTarget: [{ name: "*", sessions: 2 }],
        byClient: [
          { name: "cursor", sessions: 1 },
          { name: "testkit", sessions: 1 }
        ],
        byRevision: [
          { name: "2025-06-18", sessions: 1 },
          { name: "2025-11-25", sessions: 1 }
        ],
        ended: 1,
        meanLifeMs: 30_000
      })
      const bos = yield* operations.sessionStats({ user: "bo" })
      assert.deepStrictEqual([bos.sessions, bos.byUser.map(({ username }) => username)], [1, ["bo"]])
    })
  )
})
