/**
 * A PostgreSQL server that ends in the middle, and comes back with what it had written down: the real server is stopped
 * as by `pg_ctl stop -m immediate`, or one of its processes by itself.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Redacted } from "effect"
import { SqlClient } from "effect/sql"
import { McpClient, RawHttp, ScriptedHttpUpstream, type ScriptedCall } from "../../src/testkit/index.ts"
import { patience } from "../cli/support/Program.ts"
import { eventually } from "../support/Eventually.ts"
import * as HubProcess from "../support/HubProcess.ts"
import { hasOwnPostgres, Postgres } from "../support/Postgres.ts"
import { initialize, keyOf, users, wrongKey } from "./ThreeUsers.ts"

interface AuditCount {
  readonly username: string
  readonly target: string
  readonly rows: number
  readonly ids: number
}

/** A hub directly on a server that the test may end. */
const start = Effect.gen(function* () {
  const server = yield* Postgres
  const url = yield* server.database
  const held: Array<ScriptedCall> = []
  const web = yield* ScriptedHttpUpstream.make({ tools: { hold: (call) => void held.push(call) } })
  const hub = yield* HubProcess.make({
    settings: { mcpServers: { web: { url: web.url } } },
    provision: HubProcess.withKeys(users),
    env: { DATABASE_URL: Redacted.value(url), CREDENTIAL_KEY: "k".repeat(40) }
  })
  const http = yield* RawHttp.make(hub.origin)
  const ready = HubProcess.get(`${hub.origin}/readyz`)
  const calls = server.on(
    url,
    Effect.flatMap(
      SqlClient.SqlClient,
      (sql) => sql<AuditCount>`select "username", "target", count(*)::int as "rows", count(distinct "id")::int as "ids"
        from "mcphub_hub"."audit_log" where "method" = 'tools/call' group by 1, 2 order by 1, 2`
    )
  )
  /** When the hub said LISTEN for key events, in milliseconds since the epoch; undefined while it does not listen. */
  const subscribed = server.on(
    url,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const rows = yield* sql<{ since: number }>`select extract(epoch from "query_start")::float8 * 1000 as "since"
        from pg_stat_activity where datname = current_database() and query ilike 'listen %'`
      return rows[0]?.since
    })
  )
  const revoke = (at: Redacted.Redacted<string>, username: string) =>
    server.on(
      at,
      Effect.flatMap(
        SqlClient.SqlClient,
        (sql) => sql`update "mcphub_keys" set "isActive" = false
          where "userId" = (select "id" from "users" where "username" = ${username})`
      )
    )
  /** Calls that ended because their session did: whose, and when in milliseconds since the epoch. */
  const endedCall = eventually(
    server.on(
      url,
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const rows = yield* sql<{ username: string; at: number }>`select "username",
          extract(epoch from "time")::float8 * 1000 as "at"
          from "mcphub_hub"."audit_log" where "outcome" = 'sessionClosed' and "method" = 'tools/call'`
        return rows
      })
    ),
    (rows) => rows.length > 0
  )
  return { server, own: server.own!, url, held, hub, http, ready, calls, subscribed, revoke, endedCall }
})

if (hasOwnPostgres) {
  describe("a database server that ends", () => {
    it.live(
      "B20: at once, while calls run, and recovers: known users are served, and no audit row is lost or there twice",
      () =>
        Effect.gen(function* () {
          const { calls, held, http, own, ready } = yield* start
          const [ada, bo] = [yield* McpClient.connect(http, keyOf(0)), yield* McpClient.connect(http, keyOf(1))]
          const running = yield* Effect.forkChild(ada.callTool("web-hold"))
          yield* eventually(
            Effect.sync(() => held.length),
            (count) => count === 1
          )
          // Calls without a pause, so that rows are being written whenever it ends.
          const made = [0, 0]
          let isOver = false
          const calling = yield* Effect.forEach([ada, bo], (client, index) =>
            Effect.suspend(() => {
              const n = made[index]! + 1
              return client.callTool("web-echo", { n }).pipe(
                Effect.map((echo) => {
                  assert.deepStrictEqual(echo, { n })
                  made[index] = n
                }),
                // A key that was last read thirty seconds ago is not let in while nobody can check it; nothing was done.
                Effect.catch((failure) => (failure.status === 503 ? Effect.void : Effect.fail(failure)))
              )
            }).pipe(Effect.repeat({ until: () => isOver }), Effect.forkChild)
          )
          const callsMore = (count: number) =>
            Effect.suspend(() => {
              const wanted = made.map((now) => now + count)
              return eventually(
                Effect.sync(() => made.every((now, index) => now >= wanted[index]!)),
                (enough) => enough,
                { every: "10 millis" }
              )
            })
          for (let round = 0; round < 3; round++) {
            assert.isTrue(yield* callsMore(20))
            yield* own.crash
            assert.strictEqual((yield* eventually(ready, ({ status }) => status === 503)).status, 503)
            if (round === 0) {
              for (const key of [keyOf(2), wrongKey]) {
                const refused = yield* http.send(initialize(key))
                assert.strictEqual(refused.status, 503)
                assert.match(refused.headers["retry-after"]!, /^\d+$/)
              }
              held[0]!.content({ finished: "while it was away" })
              assert.deepStrictEqual(yield* Fiber.join(running), { finished: "while it was away" })
            }
            yield* own.start
            assert.strictEqual((yield* eventually(ready, ({ status }) => status === 200)).status, 200)
          }
          isOver = true
          yield* Effect.forEach(calling, Fiber.join)
          assert.strictEqual((yield* http.send(initialize(keyOf(2)))).status, 200)
          assert.strictEqual((yield* http.send(initialize(wrongKey))).status, 401)
          const wanted = [
            { username: "ada", target: "web-echo", rows: made[0]!, ids: made[0]! },
            { username: "ada", target: "web-hold", rows: 1, ids: 1 },
            { username: "bo", target: "web-echo", rows: made[1]!, ids: made[1]! }
          ]
          const sum = (rows: ReadonlyArray<AuditCount>) => rows.reduce((total, each) => total + each.rows, 0)
          assert.deepStrictEqual(yield* eventually(calls, (rows) => sum(rows) >= sum(wanted)), wanted)
        }).pipe(Effect.scoped, Effect.provide(Postgres.layerOwn)),
      patience
    )

    it.live(
      "B21: and loses a revocation's announcement: its sessions end within a second of the new subscription, no others",
      () =>
        Effect.gen(function* () {
          const { endedCall, held, http, own, revoke, subscribed, url } = yield* start
          const [ada, bo] = [yield* McpClient.connect(http, keyOf(0)), yield* McpClient.connect(http, keyOf(1))]
          const [adas, bos] = yield* Effect.forEach([ada, bo], (client) =>
            Effect.forkChild(Effect.exit(client.callTool("web-hold")))
          )
          yield* eventually(
            Effect.sync(() => held.length),
            (count) => count === 2
          )
          const before = (yield* subscribed)!
          yield* own.crash
          // Committed by the same data, where the hub does not look.
          yield* Effect.scoped(Effect.flatMap(own.elsewhere, (there) => revoke(there(url), "ada")))
          yield* own.start
          const since = (yield* eventually(subscribed, (now) => now !== undefined))!
          assert.isAbove(since, before)
          yield* Fiber.join(adas!)
          const ended = yield* endedCall
          assert.deepStrictEqual(
            ended.map(({ username }) => username),
            ["ada"]
          )
          assert.isBelow(ended[0]!.at - since, 1_000)
          const ping = { jsonrpc: "2.0", id: 1, method: "ping" }
          assert.strictEqual((yield* ada.send(ping)).status, 401)
          assert.strictEqual((yield* bo.send(ping)).status, 200)
          for (const call of held) call.content({ still: "running" })
          assert.deepStrictEqual(yield* yield* Fiber.join(bos!), { still: "running" })
        }).pipe(Effect.scoped, Effect.provide(Postgres.layerOwn)),
      patience
    )

    it.live(
      "B21: only the connection that listens: a revocation that nobody announces ends its sessions within a second",
      () =>
        Effect.gen(function* () {
          const { endedCall, held, http, revoke, server, subscribed, url } = yield* start
          const [ada, bo] = [yield* McpClient.connect(http, keyOf(0)), yield* McpClient.connect(http, keyOf(1))]
          const adas = yield* Effect.forkChild(Effect.exit(ada.callTool("web-hold")))
          yield* eventually(
            Effect.sync(() => held.length),
            (count) => count === 1
          )
          const before = (yield* subscribed)!
          yield* revoke(url, "ada")
          yield* server.on(
            url,
            Effect.gen(function* () {
              const sql = yield* SqlClient.SqlClient
              const killed = yield* sql<{ done: boolean }>`select pg_terminate_backend(pid) as "done"
                from pg_stat_activity where datname = current_database() and query ilike 'listen %'`
              assert.deepStrictEqual(killed, [{ done: true }])
            })
          )
          yield* Fiber.join(adas)
          const since = (yield* eventually(subscribed, (now) => now !== undefined && now > before))!
          assert.isAbove(since, before)
          const ended = yield* endedCall
          assert.isBelow(ended[0]!.at - since, 1_000)
          const ping = { jsonrpc: "2.0", id: 1, method: "ping" }
          assert.strictEqual((yield* ada.send(ping)).status, 401)
          assert.deepStrictEqual(yield* bo.callTool("web-echo", { bo: 1 }), { bo: 1 })
        }).pipe(Effect.scoped, Effect.provide(Postgres.layerOwn)),
      patience
    )
  })
}
