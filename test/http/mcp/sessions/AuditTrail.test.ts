import { assert, describe, it } from "@effect/vitest"
import { Context, Deferred, Effect, Fiber, Layer, Queue } from "effect"
import { AuditTrail } from "../../../../src/actors/observing/AuditTrail.ts"
import { HubMetrics } from "../../../../src/actors/observing/HubMetrics.ts"
import { RequestTracker } from "../../../../src/actors/requests/RequestTracker.ts"
import { AuditLog } from "../../../../src/domain/records/AuditLog.ts"
import * as AuditLogMemory from "../../../../src/domain/storage/memory/AuditLogMemory.ts"
import { HubKeys } from "../../../../src/domain/identity/HubKeys.ts"
import { Groups } from "../../../../src/domain/identity/Groups.ts"
import { DatabaseUnavailable } from "../../../../src/domain/identity/IdentityErrors.ts"
import {
  McpClient,
  type RawHttp,
  type RunningHub,
  ScriptedHttpUpstream,
  TestHub
} from "../../../../src/testkit/index.ts"
import { holdingUpstream } from "../../support/HoldingUpstream.ts"
import { requestOf } from "../../support/StatelessClient.ts"

type Running = RunningHub & { readonly services: Context.Context<AuditLog | HubMetrics> }

/** All rows so far, those that wait included. */
const rowsOf = Effect.fnUntraced(function* (hub: Running) {
  yield* Context.get(hub.services, AuditTrail).flush
  return yield* Context.get(hub.services, AuditLog).find({ limit: 1_000 })
})

const brief = (rows: Effect.Success<ReturnType<typeof rowsOf>>) =>
  rows.map((row) => [row.username, row.method, row.target, row.outcome, row.errorKind])

describe("the audit trail of a hub", () => {
  it.live("R8: has one row for each message of a batch, each ping and each notification, and none of its content", () =>
    Effect.gen(function* () {
      const upstream = yield* ScriptedHttpUpstream.make()
      const hub = yield* TestHub.make({ servers: { files: { url: upstream.url } } })
      const send = (user: "ada" | "bo", body: unknown) =>
        hub.http.send({
          path: "/mcp",
          headers: { ...McpClient.clientHeaders(hub[user].key), "mcp-session-id": `label-of-${user}` },
          body: JSON.stringify(body)
        })
      yield* send("ada", [
        { jsonrpc: "2.0", id: 1, method: "ping" },
        {
          jsonrpc: "2.0",
          id: 2,
          method: "tools/call",
          params: { name: "files-echo", arguments: { secret: "arg-canary" } }
        },
        { jsonrpc: "2.0", id: 3, method: "tools/call", params: { name: "files-nothing" } }
      ])
      yield* send("bo", { jsonrpc: "2.0", method: "notifications/roots/list_changed" })
      yield* send("bo", {
        jsonrpc: "2.0",
        id: 1,
        method: "resources/read",
        params: { uri: "https://user:uri-canary@files/x?token=uri-canary" }
      })
      const rows = yield* rowsOf(hub)
      assert.sameDeepMembers(brief(rows.filter((row) => row.username === "ada")), [
        ["ada", "ping", null, "completed", null],
        ["ada", "tools/call", "files-echo", "completed", null],
        ["ada", "tools/call", "files-nothing", "failed", "invalid_params"]
      ])
      assert.sameDeepMembers(brief(rows.filter((row) => row.username === "bo")), [
        ["bo", "notifications/roots/list_changed", null, "completed", null],
        ["bo", "resources/read", null, "failed", "upstream_error"]
      ])
      assert.strictEqual(rows.length, 5)
      assert.strictEqual(rows.find((row) => row.target === "files-echo")!.server, "files")
      assert.notMatch(JSON.stringify(rows), /canary|label-of/)
    })
  )

  it.live("A03: tells of another user's session id, whose user loses nothing, and of no other unknown id", () =>
    Effect.gen(function* () {
      const hub = yield* TestHub.make()
      const ada = yield* hub.connect(hub.ada)
      const bo = yield* hub.connect(hub.bo)
      const ended = yield* hub.connect(hub.ada)
      yield* ended.end
      const present = (key: typeof hub.ada.key, id: string, method: string) =>
        hub.http.send({
          method,
          path: "/mcp",
          headers: { ...McpClient.clientHeaders(key), "mcp-session-id": id },
          body: method === "POST" ? '{"jsonrpc":"2.0","id":1,"method":"ping"}' : undefined
        })
      const as = (user: "ada" | "bo", id: string, method = "POST") => present(hub[user].key, id, method)
      const adasOther = yield* Context.get(hub.services, HubKeys).create({ userId: hub.ada.user.id })
      for (const method of ["POST", "GET", "DELETE"]) {
        assert.strictEqual((yield* as("bo", ada.sessionId, method)).status, 404)
        assert.strictEqual((yield* as("bo", ended.sessionId, method)).status, 404)
        assert.strictEqual((yield* as("bo", "00000000-0000-4000-8000-000000000000", method)).status, 404)
        // Her own session under her other key is out of reach, and nobody else's.
        assert.strictEqual((yield* present(adasOther.key, ada.sessionId, method)).status, 404)
      }
      assert.strictEqual((yield* as("ada", ada.sessionId)).status, 200)
      // A label is anybody's: two users with the same one are no mismatch.
      assert.strictEqual((yield* as("ada", "a-label")).status, 200)
      assert.strictEqual((yield* as("bo", "a-label")).status, 200)
      const rows = yield* rowsOf(hub)
      const events = rows.filter((row) => row.kind === "security")
      assert.deepStrictEqual(brief(events), [
        ["bo", "POST", null, "refused", "session_owner_mismatch"],
        ["bo", "GET", null, "refused", "session_owner_mismatch"],
        ["bo", "DELETE", null, "refused", "session_owner_mismatch"]
      ])
      const adas = rows.find((row) => row.username === "ada")!.sessionId
      for (const event of events) {
        assert.strictEqual(event.sessionId, adas)
        assert.strictEqual(event.userId, hub.bo.user.id)
        assert.match(event.id, /^event-/)
      }
      assert.notInclude(JSON.stringify(rows), ada.sessionId)
      assert.strictEqual((yield* bo.send({ jsonrpc: "2.0", id: 1, method: "ping" })).status, 200)
    })
  )

  it.live("A17: tells of a cancel that names nothing, and of the request that one that does has ended", () =>
    Effect.gen(function* () {
      const { hold, upstream } = yield* holdingUpstream()
      const hub = yield* TestHub.make({ servers: { files: { url: upstream.url } } })
      const [ada, bo] = yield* Effect.all([hub.connect(hub.ada), hub.connect(hub.bo)])
      const adas = yield* hold(ada, { id: "mine" })
      assert.strictEqual((yield* bo.notify("notifications/cancelled", { requestId: "mine" })).status, 202)
      assert.deepStrictEqual(brief((yield* rowsOf(hub)).filter((row) => row.errorKind !== null)), [
        ["bo", "notifications/cancelled", null, "refused", "cancel_ignored"]
      ])
      assert.strictEqual((yield* ada.notify("notifications/cancelled", { requestId: "mine" })).status, 202)
      yield* adas.answer
      assert.deepStrictEqual(brief((yield* rowsOf(hub)).filter((row) => row.errorKind !== null)), [
        ["bo", "notifications/cancelled", null, "refused", "cancel_ignored"],
        ["ada", "tools/call", "files-hold", "cancelled", "cancelled"]
      ])
    })
  )

  it.live("has a row for each request that its session's end has ended", () =>
    Effect.gen(function* () {
      const { hold, upstream } = yield* holdingUpstream()
      const hub = yield* TestHub.make({ servers: { files: { url: upstream.url } } })
      const [ada, bo] = yield* Effect.all([hub.connect(hub.ada), hub.connect(hub.bo)])
      const adas = yield* hold(ada)
      const bos = yield* hold(bo)
      yield* ada.end
      yield* adas.answer
      bos.call.content({})
      yield* bos.answer
      const calls = (yield* rowsOf(hub)).filter((row) => row.method === "tools/call")
      assert.deepStrictEqual(brief(calls), [
        ["ada", "tools/call", "files-hold", "sessionClosed", "session_closed"],
        ["bo", "tools/call", "files-hold", "completed", null]
      ])
    })
  )

  it.live(
    "has the end of a call whose client went away: cancelled without sessions, and what became of it with them",
    () =>
      Effect.gen(function* () {
        const { arrived, upstream } = yield* holdingUpstream()
        const hub = yield* TestHub.make({ servers: { files: { url: upstream.url } } })
        const bo = yield* hub.connect(hub.bo)
        const params = { name: "files-hold", arguments: {}, _meta: { progressToken: "mine" } }
        /** The client opens its call, hears of progress, and goes away. */
        const goAway = Effect.fnUntraced(function* (open: Effect.Effect<RawHttp.OpenAnswer>) {
          const opening = yield* Effect.forkChild(open)
          const call = yield* Queue.take(arrived)
          call.event({
            jsonrpc: "2.0",
            method: "notifications/progress",
            params: { progressToken: call.progressToken, progress: 1 }
          })
          yield* (yield* Fiber.join(opening)).abandon
          return call
        })
        const meta = { progressToken: "mine" }
        yield* goAway(hub.http.open(requestOf(hub.ada, "tools/call", { name: "files-hold", arguments: {} }, { meta })))
        yield* upstream.await(({ body }) => body?.method === "notifications/cancelled")
        const bos = yield* goAway(bo.open({ jsonrpc: "2.0", id: 1, method: "tools/call", params }))
        const ended = yield* Deferred.make<void>()
        Context.get(hub.services, RequestTracker).onEnded(({ record }) => {
          if (record.requestId === bos.received.headers["x-mcphub-request-id"]) Deferred.doneUnsafe(ended, Effect.void)
        })
        bos.content({})
        yield* Deferred.await(ended)
        const calls = (yield* rowsOf(hub)).filter((row) => row.method === "tools/call")
        assert.deepStrictEqual(brief(calls), [
          ["ada", "tools/call", "files-hold", "cancelled", "cancelled"],
          ["bo", "tools/call", "files-hold", "completed", null]
        ])
      })
  )

  it.live("counts keys that open nothing and keeps no row of them", () =>
    Effect.gen(function* () {
      const hub = yield* TestHub.make()
      const wrong = { authorization: `Bearer mcphub_${"a".repeat(64)}` }
      for (const headers of [{}, wrong, wrong, { "x-mcphub-key": "nonsense" }]) {
        const answer = yield* hub.http.send({ path: "/mcp", headers, body: '{"jsonrpc":"2.0","id":1,"method":"ping"}' })
        assert.strictEqual(answer.status, 401)
      }
      assert.strictEqual(Context.get(hub.services, HubMetrics).value("mcphub_keys_rejected_total"), 4)
      assert.deepStrictEqual(yield* rowsOf(hub), [])
    })
  )
})

describe("a group that requires the audit trail", () => {
  /** The hub with an audit log whose database is away until the test brings it back. */
  const withoutDatabase = Effect.fnUntraced(function* () {
    const state = { away: true }
    const upstream = yield* ScriptedHttpUpstream.make()
    const log = Layer.effect(
      AuditLog,
      Effect.map(AuditLog, (own) => ({
        ...own,
        append: (events: Parameters<typeof own.append>[0]) =>
          Effect.suspend(() =>
            state.away ? new DatabaseUnavailable({ message: "The database does not answer" }) : own.append(events)
          )
      }))
    ).pipe(Layer.provide(AuditLogMemory.layer))
    const hub = yield* TestHub.make({
      servers: { files: { url: upstream.url } },
      groups: [{ name: "finance", servers: ["files"], audit: "required" }],
      replace: log
    })
    return { hub, state }
  })

  const ping = (hub: RunningHub, user: "ada" | "bo", path = "/mcp") =>
    hub.http.send({
      path,
      headers: { ...McpClient.clientHeaders(hub[user].key), "mcp-session-id": "label" },
      body: '{"jsonrpc":"2.0","id":1,"method":"ping"}'
    })

  it.live("B20: refuses its users while rows cannot be written, everybody else goes on, and nothing is lost", () =>
    Effect.gen(function* () {
      const { hub, state } = yield* withoutDatabase()
      yield* Context.get(hub.services, Groups).create({ userId: hub.ada.user.id, name: "finance", servers: ["files"] })
      // What is not known to be broken is not refused; this row is the first to find out.
      assert.strictEqual((yield* ping(hub, "ada")).status, 200)
      yield* Context.get(hub.services, AuditTrail).flush
      const refused = yield* ping(hub, "ada")
      assert.strictEqual(refused.status, 503)
      assert.strictEqual(refused.headers["retry-after"], "2")
      assert.deepInclude(JSON.parse(refused.text).error, { code: 1503 })
      assert.deepInclude(JSON.parse(refused.text).error.data, { kind: "audit_unavailable", retryable: true })
      assert.strictEqual((yield* ping(hub, "bo")).status, 200)
      // Whoever addresses the group is bound by it too.
      assert.strictEqual((yield* ping(hub, "bo", "/mcp/finance")).status, 503)
      state.away = false
      yield* Context.get(hub.services, AuditTrail).flush
      assert.strictEqual((yield* ping(hub, "ada")).status, 200)
      assert.strictEqual((yield* ping(hub, "bo", "/mcp/finance")).status, 200)
      assert.deepStrictEqual(
        (yield* rowsOf(hub)).map((row) => row.username),
        ["ada", "bo", "ada", "bo"]
      )
    })
  )

  it.live("refuses its users where no audit trail is kept at all", () =>
    Effect.gen(function* () {
      const hub = yield* TestHub.make({
        groups: [{ name: "finance", servers: [], audit: "required" }],
        config: { auditRetentionDays: 0 }
      })
      yield* Context.get(hub.services, Groups).create({ userId: hub.ada.user.id, name: "finance", servers: ["files"] })
      assert.strictEqual((yield* ping(hub, "ada")).status, 503)
      assert.strictEqual((yield* ping(hub, "bo")).status, 200)
    })
  )
})
