import { assert, describe, it } from "@effect/vitest"
import { Context, Deferred, Effect, Layer } from "effect"
import { AuditTrail } from "../../../../src/actors/observing/AuditTrail.ts"
import { HubMetrics } from "../../../../src/actors/observing/HubMetrics.ts"
import { RequestTracker } from "../../../../src/actors/requests/RequestTracker.ts"
import { AuditLog } from "../../../../src/domain/records/AuditLog.ts"
import { Groups } from "../../../../src/domain/identity/Groups.ts"
import * as AuditLogMemory from "../../../../src/domain/storage/memory/AuditLogMemory.ts"
import { McpClient, ScriptedHttpUpstream, TestHub } from "../../../../src/testkit/index.ts"

/** A hub where ada's group requires the audit trail, whose database takes rows only once the test lets it. */
const makeHub = Effect.fnUntraced(function* (capacity: number) {
  const mayWrite = yield* Deferred.make<void>()
  const upstream = yield* ScriptedHttpUpstream.make()
  const log = Layer.effect(
    AuditLog,
    Effect.map(AuditLog, (own) => ({
      ...own,
      append: (rows: Parameters<typeof own.append>[0]) => Effect.andThen(Deferred.await(mayWrite), own.append(rows))
    }))
  ).pipe(Layer.provide(AuditLogMemory.layer))
  const hub = yield* TestHub.make({
    servers: { files: { url: upstream.url } },
    groups: [{ name: "finance", servers: ["files"], audit: "required" }],
    replace: AuditTrail.layerWith({ capacity }).pipe(Layer.provide(HubMetrics.layer), Layer.provideMerge(log))
  })
  yield* Context.get(hub.services, Groups).create({ userId: hub.ada.user.id, name: "finance", servers: ["files"] })
  const send = (user: "ada" | "bo", body: unknown) =>
    hub.http.send({
      path: "/mcp",
      headers: { ...McpClient.clientHeaders(hub[user].key), "mcp-session-id": `label-of-${user}` },
      body: JSON.stringify(body)
    })
  const trail = Context.get(hub.services, AuditTrail)
  /** The rows of a user, once the database takes them. */
  const rowsOf = Effect.fnUntraced(function* (user: "ada" | "bo") {
    yield* Deferred.succeed(mayWrite, undefined)
    yield* trail.flush
    const rows = yield* Context.get(hub.services, AuditLog).find({ limit: 1_000 })
    return rows.filter((row) => row.userId === hub[user].user.id)
  })
  return { hub, rowsOf, send, trail, upstream }
})

const call = (id: number, text: string) => ({
  jsonrpc: "2.0",
  id,
  method: "tools/call",
  params: { name: "files-echo", arguments: { text } }
})

const batch = (count: number, text: string) => Array.from({ length: count }, (_, id) => call(id, text))

interface Answer {
  readonly result?: unknown
  readonly error?: { readonly code: number; readonly data: unknown }
}

describe("a group that requires the audit trail", () => {
  it.live("B40: has a row for each call that reached a server, and what has no place for one does not leave", () =>
    Effect.gen(function* () {
      const { hub, rowsOf, send, upstream } = yield* makeHub(8)
      const answers = JSON.parse((yield* send("ada", batch(10, "adas"))).text) as ReadonlyArray<Answer>
      const bos = JSON.parse((yield* send("bo", call(1, "bos"))).text) as Answer
      const done = answers.filter(({ result }) => result !== undefined)
      const refused = answers.filter(({ error }) => error !== undefined)
      assert.strictEqual(done.length, 4)
      assert.strictEqual(refused.length, 6)
      for (const { error } of refused) {
        assert.strictEqual(error!.code, 1503)
        assert.deepInclude(error!.data, { kind: "audit_unavailable", retryable: true, origin: "hub" })
      }
      assert.property(bos, "result")
      const of = (user: "ada" | "bo") =>
        upstream.calls("tools/call").filter(({ headers }) => headers["x-mcphub-user-id"] === hub[user].user.id)
      assert.strictEqual(of("ada").length, 4)
      assert.strictEqual(of("bo").length, 1)
      const ids = (rows: Effect.Success<ReturnType<typeof rowsOf>>) => rows.map(({ id }) => id).sort()
      const sent = (user: "ada" | "bo") =>
        of(user)
          .map(({ headers }) => headers["x-mcphub-request-id"])
          .sort()
      assert.deepStrictEqual(ids(yield* rowsOf("ada")), sent("ada"))
      assert.deepStrictEqual(ids(yield* rowsOf("bo")), sent("bo"))
      // What was refused holds no place: the next ones find it.
      const again = JSON.parse((yield* send("ada", batch(4, "adas"))).text) as ReadonlyArray<Answer>
      assert.isTrue(again.every(({ result }) => result !== undefined))
    })
  )

  it.live("B40: a notification without a place for its row is not carried to the servers", () =>
    Effect.gen(function* () {
      const { hub, rowsOf, send, upstream } = yield* makeHub(6)
      const method = "notifications/roots/list_changed"
      const ended = yield* Deferred.make<void>()
      Context.get(hub.services, RequestTracker).onEnded(({ record }) => {
        if (record.method === method) Deferred.doneUnsafe(ended, Effect.void)
      })
      const changed = { jsonrpc: "2.0", method, params: { from: "ada" } }
      // The calls take the three places she may have.
      yield* send("ada", [...batch(3, "adas"), changed])
      assert.strictEqual((yield* rowsOf("ada")).length, 3)
      yield* send("ada", { ...changed, params: { from: "ada, later" } })
      yield* Deferred.await(ended)
      assert.deepStrictEqual(
        upstream.calls(method).map(({ body }) => body?.params),
        [{ from: "ada, later" }]
      )
      assert.deepStrictEqual(
        (yield* rowsOf("ada")).map((row) => row.method),
        ["tools/call", "tools/call", "tools/call", method]
      )
      assert.deepStrictEqual(yield* rowsOf("bo"), [])
    })
  )
})

describe("the audit trail while its database is slow", () => {
  it.live("B39: one user's rows leave room for the other's, of whose none is lost", () =>
    Effect.gen(function* () {
      const { hub, rowsOf, send } = yield* makeHub(60)
      const pings = (count: number) =>
        Array.from({ length: count }, (_, id) => ({ jsonrpc: "2.0", id, method: "ping" }))
      yield* Effect.forEach(Array.from({ length: 4 }), () => send("bo", pings(20)), { concurrency: "unbounded" })
      assert.strictEqual((yield* send("ada", pings(10))).status, 200)
      assert.strictEqual((yield* rowsOf("ada")).length, 10)
      assert.strictEqual((yield* rowsOf("bo")).length, 30)
      assert.strictEqual(Context.get(hub.services, HubMetrics).value("mcphub_audit_lost_total"), 0)
    })
  )
})
