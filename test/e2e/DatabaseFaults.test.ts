/**
 * A PostgreSQL that is away, slow or cut off, behind the real hub: a proxy on the line makes the faults, the server is
 * a real one. Whatever happens, nobody gets in without a key, and the hub serves known users for as long as promised.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Redacted } from "effect"
import { SqlClient } from "effect/sql"
import { createServer } from "node:net"
import { McpClient, RawHttp, ScriptedHttpUpstream, type ScriptedCall } from "../../src/testkit/index.ts"
import { patience } from "../cli/support/Program.ts"
import { eventually } from "../support/Eventually.ts"
import * as HubProcess from "../support/HubProcess.ts"
import { hasPostgres, Postgres } from "../support/Postgres.ts"
import * as TcpFaultProxy from "../../src/testkit/TcpFaultProxy.ts"
import { initialize, keyOf, users, wrongKey } from "./ThreeUsers.ts"

/** A hub on a database behind a proxy, with a server whose tool `hold` keeps its calls. */
const start = Effect.gen(function* () {
  const server = yield* Postgres
  const url = yield* server.database
  const proxy = yield* TcpFaultProxy.make(Number(new URL(Redacted.value(url)).port))
  const held: Array<ScriptedCall> = []
  const web = yield* ScriptedHttpUpstream.make({ tools: { hold: (call) => void held.push(call) } })
  const hub = yield* HubProcess.make({
    settings: { mcpServers: { web: { url: web.url } } },
    provision: HubProcess.withKeys(users),
    env: { DATABASE_URL: TcpFaultProxy.through(Redacted.value(url), proxy), CREDENTIAL_KEY: "k".repeat(40) }
  })
  const http = yield* RawHttp.make(hub.origin)
  const ready = HubProcess.get(`${hub.origin}/readyz`)
  return { server, url, proxy, web, held, hub, http, ready }
})

/** A port of 127.0.0.1 where nobody listens. */
const nobody = Effect.callback<number>((resume) => {
  const server = createServer()
  server.listen(0, "127.0.0.1", () => {
    const address = server.address()
    server.close(() => resume(Effect.succeed(typeof address === "object" && address !== null ? address.port : 0)))
  })
})

if (hasPostgres) {
  describe("a database that is away", () => {
    it.live(
      "B19: at the start: the hub is up, not ready, lets nobody in, and serves once the database answers",
      () =>
        Effect.gen(function* () {
          const server = yield* Postgres
          const url = yield* server.database
          const proxy = yield* TcpFaultProxy.make(Number(new URL(Redacted.value(url)).port))
          yield* proxy.cut
          const port = yield* nobody
          const origin = `http://127.0.0.1:${port}`
          const starting = yield* Effect.forkChild(
            HubProcess.make({
              settings: { mcpServers: {} },
              provision: HubProcess.withKeys(users),
              env: { DATABASE_URL: TcpFaultProxy.through(Redacted.value(url), proxy), CREDENTIAL_KEY: "k".repeat(40) },
              port
            })
          )
          const alive = yield* eventually(HubProcess.get(`${origin}/livez`), ({ status }) => status === 200)
          assert.strictEqual(alive.status, 200)
          const before = proxy.connections().accepted
          assert.strictEqual((yield* HubProcess.get(`${origin}/readyz`)).status, 503)
          const http = yield* RawHttp.make(origin)
          for (const key of [keyOf(0), wrongKey]) {
            const refused = yield* http.send(initialize(key))
            assert.strictEqual(refused.status, 503)
            assert.match(refused.headers["retry-after"]!, /^\d+$/)
          }
          // It keeps trying by itself.
          yield* eventually(
            Effect.sync(() => proxy.connections().accepted),
            (now) => now > before + 1
          )
          assert.isAbove(proxy.connections().accepted, before + 1)
          yield* proxy.restore
          const hub = yield* Fiber.join(starting)
          assert.strictEqual(hub.origin, origin)
          assert.strictEqual((yield* HubProcess.get(`${origin}/readyz`)).status, 200)
          const again = yield* RawHttp.make(origin)
          assert.strictEqual((yield* again.send(initialize(keyOf(0)))).status, 200)
          assert.strictEqual((yield* again.send(initialize(wrongKey))).status, 401)
          assert.strictEqual(yield* hub.terminate, 0)
        }).pipe(Effect.scoped, Effect.provide(Postgres.layer)),
      patience
    )

    it.live(
      "B20: in the middle: who is known is served, who is not gets 503, running calls end, and all is well again after",
      () =>
        Effect.gen(function* () {
          const { held, http, proxy, ready } = yield* start
          const [ada, bo] = [yield* McpClient.connect(http, keyOf(0)), yield* McpClient.connect(http, keyOf(1))]
          yield* bo.callTool("web-echo")
          const running = yield* Effect.forkChild(ada.callTool("web-hold"))
          yield* eventually(
            Effect.sync(() => held.length),
            (count) => count === 1
          )
          yield* proxy.cut
          // Their keys are cached, cy's is not.
          assert.deepStrictEqual(yield* bo.callTool("web-echo", { cached: true }), { cached: true })
          const begun = performance.now()
          for (const key of [keyOf(2), wrongKey]) {
            const refused = yield* http.send(initialize(key))
            assert.strictEqual(refused.status, 503)
            assert.match(refused.headers["retry-after"]!, /^\d+$/)
          }
          assert.isBelow(performance.now() - begun, 7_000)
          assert.strictEqual((yield* eventually(ready, ({ status }) => status === 503)).status, 503)
          held[0]!.content({ finished: "while it was away" })
          assert.deepStrictEqual(yield* Fiber.join(running), { finished: "while it was away" })
          yield* proxy.restore
          assert.strictEqual((yield* eventually(ready, ({ status }) => status === 200)).status, 200)
          assert.strictEqual((yield* http.send(initialize(keyOf(2)))).status, 200)
          assert.strictEqual((yield* http.send(initialize(wrongKey))).status, 401)
          assert.deepStrictEqual(yield* ada.callTool("web-echo", { after: 1 }), { after: 1 })
        }).pipe(Effect.scoped, Effect.provide(Postgres.layer)),
      patience
    )
  })

  describe("a database that does not keep up", () => {
    it.live(
      "B21: is slow or stands still: keys are checked within three seconds or answered 503, known ones at once",
      () =>
        Effect.gen(function* () {
          const { http, proxy } = yield* start
          const ada = yield* McpClient.connect(http, keyOf(0))
          yield* ada.callTool("web-echo")
          yield* proxy.slow(2_000)
          const slow = yield* http.send(initialize(keyOf(1)))
          assert.include([200, 503], slow.status)
          yield* proxy.stall
          const begun = performance.now()
          // More at once than the pool has connections.
          const [stalled, known] = yield* Effect.all(
            [
              Effect.all(
                Array.from({ length: 30 }, (_, n) =>
                  http.send(
                    initialize(
                      n === 0 ? keyOf(2) : { key: Redacted.make(`mcphub_${n.toString(16).padStart(64, "e")}`) }
                    )
                  )
                ),
                { concurrency: "unbounded" }
              ),
              Effect.map(ada.callTool("web-echo", { known: 1 }), () => performance.now() - begun)
            ],
            { concurrency: "unbounded" }
          )
          const took = performance.now() - begun
          assert.isBelow(known, 1_000)
          assert.isBelow(took, 6_000)
          // Told apart from a wrong key: nobody was checked, so nobody is called wrong, and nobody is let in.
          assert.deepStrictEqual([...new Set(stalled.map(({ status }) => status))], [503])
          yield* proxy.restore
          const well = yield* eventually(http.send(initialize(keyOf(2))), ({ status }) => status === 200)
          assert.strictEqual(well.status, 200)
        }).pipe(Effect.scoped, Effect.provide(Postgres.layer)),
      patience
    )

    it.live(
      "B21: fails over: the subscription to key events is renewed, and a key revoked meanwhile ends its sessions",
      () =>
        Effect.gen(function* () {
          const { http, proxy, server, url } = yield* start
          const [ada, bo] = [yield* McpClient.connect(http, keyOf(0)), yield* McpClient.connect(http, keyOf(1))]
          yield* Effect.all([ada.callTool("web-echo"), bo.callTool("web-echo")])
          const stream = yield* ada.stream
          yield* proxy.cut
          // Past the hub, and while it cannot hear.
          yield* server.on(
            url,
            Effect.gen(function* () {
              const sql = yield* SqlClient.SqlClient
              yield* sql`update "mcphub_keys" set "isActive" = false
                where "userId" = (select "id" from "users" where "username" = 'ada')`
            })
          )
          yield* proxy.restore
          yield* stream.ended
          const echo = { jsonrpc: "2.0", id: 1, method: "ping" }
          assert.strictEqual((yield* ada.send(echo)).status, 401)
          assert.strictEqual((yield* bo.send(echo)).status, 200)
          // Heard again, not only looked at: a key revoked now ends within the second that is promised.
          yield* server.on(
            url,
            Effect.gen(function* () {
              const sql = yield* SqlClient.SqlClient
              const rows = yield* sql<{ id: string; userId: string }>`update "mcphub_keys" set "isActive" = false
                where "userId" = (select "id" from "users" where "username" = 'bo') returning "id", "userId"`
              const event = JSON.stringify({ userId: rows[0]!.userId, keyId: rows[0]!.id, revoked: true })
              yield* sql`select pg_notify('mcphub_key_events', ${event})`
            })
          )
          const told = performance.now()
          const ended = yield* eventually(bo.send(echo), ({ status }) => status === 401, { every: "20 millis" })
          assert.strictEqual(ended.status, 401)
          assert.isBelow(performance.now() - told, 1_000)
        }).pipe(Effect.scoped, Effect.provide(Postgres.layer)),
      patience
    )
  })
}
