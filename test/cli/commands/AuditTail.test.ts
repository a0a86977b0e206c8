/** `mcphub audit tail`, beside a hub and after it, and the rows that survive when the database goes away. */
import { createServer, connect, type Server, type Socket } from "node:net"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Redacted, Schedule } from "effect"
import { randomUUID } from "node:crypto"
import * as AuditWriter from "../../../src/actors/observing/AuditWriter.ts"
import { HubMetrics } from "../../../src/actors/observing/HubMetrics.ts"
import * as Database from "../../../src/cli/database/Database.ts"
import { AuditLog } from "../../../src/domain/records/AuditLog.ts"
import * as AuditLogSql from "../../../src/domain/storage/sql/AuditLogSql.ts"
import { SessionId, UserId } from "../../../src/domain/Ids.ts"
import * as Migrations from "../../../src/domain/storage/migrations/Migrations.ts"
import { hasPostgres, Postgres } from "../../support/Postgres.ts"
import { folder, json, mcphub, patience, post, start, startHub, watch } from "../support/Program.ts"

describe("mcphub audit tail", () => {
  it.live(
    "R22: shows each user's requests beside the hub and after its SIGTERM, and bo's nothing of ada's",
    () =>
      Effect.gen(function* () {
        const cwd = yield* folder
        const hub = yield* startHub([], { cwd })
        const ada = (yield* json(["user", "add", "ada", "--key"], { cwd })).key.key
        const bo = (yield* json(["user", "add", "bo", "--key"], { cwd })).key.key
        const tail = (...flags: ReadonlyArray<string>) => json(["audit", "tail", ...flags], { cwd })
        const called = {
          id: 1,
          method: "tools/call",
          params: { name: "sample-echo", arguments: { text: "arg-canary" } }
        }
        yield* post(hub, ada, "one", called)
        yield* post(hub, bo, "one", { id: 1, method: "ping" })

        const all = yield* tail()
        assert.deepStrictEqual(
          all.map((row: any) => [row.username, row.kind, row.method, row.target, row.server, row.outcome]),
          [
            ["ada", "request", "tools/call", "sample-echo", "sample", "completed"],
            ["bo", "request", "ping", null, null, "completed"]
          ]
        )
        assert.notInclude(JSON.stringify(all), "canary")
        assert.deepStrictEqual(yield* tail("--user", "ada", "--server", "sample"), [all[0]])
        assert.deepStrictEqual(yield* tail("--user", "bo", "--server", "sample"), [])
        assert.deepStrictEqual(yield* tail("--outcome", "failed"), [])
        assert.deepStrictEqual(yield* tail("--since", "1h", "--limit", "1"), [all[1]])
        assert.deepStrictEqual(yield* tail("--since", new Date(Date.now() + 60_000).toISOString()), [])
        const text = yield* mcphub(["audit", "tail", "--user", "bo"], { cwd })
        assert.match(text.stdout, /^TIME +USER +OUTCOME .*\n\S+ \S+ +bo +completed +ping +- +- +\d+ ms\n$/)
        assert.notInclude(text.stdout, "ada")
        const stats = yield* json(["stats", "--user", "ada"], { cwd })
        assert.deepStrictEqual(
          stats.rows.map((row: any) => [row.server, row.tool, row.requests, row.errors]),
          [["sample", "echo", 1, 0]]
        )

        // The last of these is answered a moment before the hub is told to stop.
        for (let id = 2; id <= 20; id++) yield* post(hub, bo, "one", { id, method: "ping" })
        hub.signal("SIGTERM")
        assert.strictEqual(yield* hub.ended, 0)
        const after = yield* tail("--user", "bo")
        assert.strictEqual(after.length, 20)
        assert.strictEqual(new Set(after.map((row: any) => row.id)).size, 20)
        // Statistics go on where the hub before has left them.
        const lines = yield* mcphub(["stats", "--by", "user", "--since", "1h"], { cwd })
        assert.match(lines.stdout, /^USER +REQUESTS +ERRORS +P50 MS .*\nbo +20 +0 .*\nada +1 +0 .*\n$/)
        // A removed user's rows are there under the user's id.
        yield* json(["user", "rm", "ada"], { cwd })
        assert.strictEqual((yield* mcphub(["audit", "tail", "--user", "ada"], { cwd })).code, 1)
        assert.deepStrictEqual(yield* tail("--user", all[0].userId), [all[0]])
      }).pipe(Effect.scoped),
    patience
  )

  it.live(
    "--follow goes on with what is written later, one document a line",
    () =>
      Effect.gen(function* () {
        const cwd = yield* folder
        const hub = yield* startHub([], { cwd })
        const ada = (yield* json(["user", "add", "ada", "--key"], { cwd })).key.key
        const bo = (yield* json(["user", "add", "bo", "--key"], { cwd })).key.key
        yield* post(hub, ada, "one", { id: 1, method: "ping" })
        const child = start(["audit", "tail", "--user", "ada", "--follow", "--json", "--data", ".mcphub"], { cwd })
        const { ended, printed } = watch(child)
        const lines = (count: number) =>
          Effect.callback<ReadonlyArray<any>>((resume) => {
            const look = () => {
              const all = printed.stdout.split("\n").filter((line) => line !== "")
              if (all.length >= count) resume(Effect.succeed(all.map((line) => JSON.parse(line))))
            }
            child.stdout.on("data", look)
            look()
          })
        yield* lines(1)
        yield* post(hub, bo, "one", { id: 1, method: "ping" })
        yield* post(hub, ada, "one", { id: 2, method: "tools/list" })
        const [first, second] = yield* lines(2)
        assert.deepStrictEqual([first.username, first.method], ["ada", "ping"])
        assert.deepStrictEqual([second.username, second.method], ["ada", "tools/list"])
        child.kill("SIGINT")
        yield* Effect.promise(() => ended)
        assert.notInclude(printed.stdout, '"bo"')
      }).pipe(Effect.scoped),
    patience
  )

  it.live("a time or outcome that is none is wrong use", () =>
    Effect.gen(function* () {
      const cwd = yield* folder
      for (const flags of [
        ["--since", "yesterday"],
        ["--outcome", "good"],
        ["--limit", "0"]
      ]) {
        assert.strictEqual((yield* mcphub(["audit", "tail", ...flags], { cwd })).code, 1)
      }
    }).pipe(Effect.scoped)
  )
})

/** A way to a TCP server that can be cut and restored. */
const cable = (target: { readonly host: string; readonly port: number }) =>
  Effect.gen(function* () {
    const sockets = new Set<Socket>()
    let server: Server | undefined
    const listen = (port: number) =>
      Effect.callback<number>((resume) => {
        server = createServer((near) => {
          const far = connect(target)
          for (const [one, other] of [
            [near, far],
            [far, near]
          ] as const) {
            sockets.add(one)
            one.on("error", () => other.destroy())
            one.on("close", () => {
              sockets.delete(one)
              other.destroy()
            })
            one.pipe(other)
          }
        })
        server.listen(port, "127.0.0.1", () => {
          const address = server!.address()
          resume(Effect.succeed(typeof address === "object" && address !== null ? address.port : 0))
        })
      })
    const cut = Effect.callback<void>((resume) => {
      if (server?.listening !== true) return resume(Effect.void)
      server.close(() => resume(Effect.void))
      for (const socket of sockets) socket.destroy()
    })
    const port = yield* Effect.acquireRelease(listen(0), () => cut)
    return { port, cut, restore: Effect.asVoid(Effect.suspend(() => listen(port))) }
  })

if (hasPostgres) {
  describe("the audit trail on PostgreSQL", () => {
    const row = (username: string, target: string) => ({
      id: `event-${randomUUID()}`,
      time: Date.now(),
      kind: "request" as const,
      userId: UserId.make("00000000-0000-4000-8000-000000000001"),
      username,
      keyId: randomUUID(),
      sessionId: SessionId.make(randomUUID()),
      server: "files",
      method: "tools/call",
      target,
      outcome: "completed" as const,
      durationMs: 1,
      errorCode: null,
      errorKind: null,
      origin: null
    })

    it.live(
      "B20: outlives a server that is cut off and comes back: every row once, in order",
      () =>
        Effect.gen(function* () {
          const url = new URL(Redacted.value(yield* (yield* Postgres).database))
          const line = yield* cable({ host: url.hostname, port: Number(url.port) })
          url.port = String(line.port)
          const database = AuditLogSql.layer.pipe(
            Layer.provide(Migrations.layer),
            Layer.provide(Database.layerPostgres(Redacted.make(url.href)))
          )
          yield* Effect.gen(function* () {
            const log = yield* AuditLog
            const writer = yield* AuditWriter.make({ retentionDays: 90 })
            const targets = Effect.map(log.find({ limit: 10_000 }), (rows) => rows.map((one) => one.target))
            writer.add(row("ada", "1"))
            yield* writer.flush
            assert.deepStrictEqual(yield* targets, ["1"])
            yield* line.cut
            writer.add(row("bo", "2"))
            yield* writer.flush
            assert.isFalse(writer.writable(row("bo", "").userId))
            for (let n = 3; n <= 2_000; n++) writer.add(row("ada", String(n)))
            yield* line.restore
            yield* writer.flush.pipe(
              Effect.andThen(Effect.sync(() => writer.writable(row("bo", "").userId))),
              Effect.repeat({ until: (good: boolean) => good, schedule: Schedule.spaced("100 millis") })
            )
            assert.deepStrictEqual(
              yield* targets,
              Array.from({ length: 2_000 }, (_, index) => String(index + 1))
            )
          }).pipe(Effect.scoped, Effect.provide(database), Effect.provide(HubMetrics.layer))
        }).pipe(Effect.scoped, Effect.provide(Postgres.layer)),
      patience
    )
  })
}
