import { isDeepStrictEqual } from "node:util"
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Fiber, Redacted } from "effect"
import { TestClock } from "effect/testing"
import { StdioChildren } from "../../../../src/actors/upstream/stdio/StdioChildren.ts"
import { UserPools } from "../../../../src/actors/upstream/http/UserPools.ts"
import { Sessions } from "../../../../src/actors/registry/Sessions.ts"
import { RequestTracker } from "../../../../src/actors/requests/RequestTracker.ts"
import { HubKeys } from "../../../../src/domain/identity/HubKeys.ts"
import type { HubKey } from "../../../../src/domain/identity/HubKey.ts"
import { Users } from "../../../../src/domain/identity/Users.ts"
import { type McpClient, ScriptedHttpUpstream, ScriptedStdioUpstream, TestHub } from "../../../../src/testkit/index.ts"
import { eventually } from "../../../support/Eventually.ts"
import { holdingUpstream } from "../../support/HoldingUpstream.ts"

const start = Effect.gen(function* () {
  const { hold, upstream } = yield* holdingUpstream()
  const hub = yield* TestHub.make({ servers: { files: { url: upstream.url } } })
  const [ada, bo] = yield* Effect.all([hub.connect(hub.ada), hub.connect(hub.bo)])
  return { hold, upstream, hub, ada, bo, sessions: Context.get(hub.services, Sessions) }
})

const call = (name: string) => ({
  jsonrpc: "2.0",
  id: 1,
  method: "tools/call",
  params: { name: `files-${name}`, arguments: { by: name } }
})

interface Ends {
  readonly keys: HubKeys["Service"]
  readonly users: Users["Service"]
  readonly row: HubKey
}

const ways = [
  ["revoked", ({ keys, row }: Ends) => keys.revoke(row.id)],
  ["whose user is disabled", ({ row, users }: Ends) => users.setActive(row.userId, false)],
  ["whose user is removed", ({ row, users }: Ends) => users.remove(row.userId)]
] as const

describe("the end of a key", () => {
  for (const [what, act] of ways) {
    it.live(`A36: a key ${what} ends its sessions within a second: requests answered, streams closed, then 401`, () =>
      Effect.gen(function* () {
        const { ada, bo, hold, hub, sessions, upstream } = yield* start
        const [adas, bos] = [yield* hold(ada), yield* hold(bo)]
        const [stream, bosStream] = yield* Effect.all([ada.stream, bo.stream])
        const before = performance.now()
        yield* act({
          keys: Context.get(hub.services, HubKeys),
          users: Context.get(hub.services, Users),
          row: hub.ada.row
        })
        const { error } = yield* adas.answer
        assert.deepStrictEqual([error.code, error.data.kind], [1499, "session_closed"])
        yield* stream.ended
        assert.isBelow(performance.now() - before, 1_000)
        assert.strictEqual((yield* ada.send(call("echo"))).status, 401)
        assert.strictEqual((yield* ada.stream).status, 401)
        yield* upstream.await(({ body }) => body?.method === "notifications/cancelled")
        // Bo's call, stream and session are as they were.
        bos.call.content({ fine: true })
        assert.deepStrictEqual((yield* bos.answer).result.structuredContent, { fine: true })
        assert.deepStrictEqual(
          (yield* sessions.list).map(({ username }) => username),
          ["bo"]
        )
        yield* bo.end
        yield* bosStream.ended
      })
    )
  }

  it.live("another key of the same user goes on", () =>
    Effect.gen(function* () {
      const { ada, hub } = yield* start
      const keys = Context.get(hub.services, HubKeys)
      const second = yield* keys.create({ userId: hub.ada.user.id })
      const other = yield* hub.connect({ key: second.key })
      yield* keys.revoke(hub.ada.row.id)
      assert.strictEqual((yield* ada.send(call("echo"))).status, 401)
      assert.deepStrictEqual(yield* other.callTool("files-echo", { n: 1 }), { n: 1 })
    })
  )

  it.effect("a key that expires ends its sessions at that moment, though a stream is open", () =>
    Effect.gen(function* () {
      const { ada, hub, sessions } = yield* start
      yield* ada.end
      const key = Redacted.make(`mcphub_${"a1".repeat(32)}`)
      yield* Context.get(hub.services, HubKeys).insert({
        userId: hub.ada.user.id,
        name: "short",
        key,
        // Between two of the looks at all keys, every 30 seconds: what is tested is the look at its expiry.
        expiresAt: 50_000
      })
      const short = yield* hub.connect({ key })
      const stream = yield* short.stream
      yield* TestClock.adjust("49 seconds")
      assert.deepStrictEqual(yield* short.request("ping"), {})
      yield* TestClock.adjust("2 seconds")
      yield* stream.ended
      assert.strictEqual((yield* short.send(call("echo"))).status, 401)
      assert.deepStrictEqual(
        (yield* sessions.list).map(({ username }) => username),
        ["bo"]
      )
    })
  )

  it.effect("a key that was extended keeps its sessions beyond the old end, though their clients are silent", () =>
    Effect.gen(function* () {
      const { bo, hub, sessions } = yield* start
      const keys = Context.get(hub.services, HubKeys)
      const [extended, expiring] = ["a1", "b2"].map((digits) => Redacted.make(`mcphub_${digits.repeat(32)}`))
      const insert = (name: string, userId: typeof hub.ada.user.id, key: typeof extended) =>
        keys.insert({ userId, name, key: key!, expiresAt: 50_000 })
      const row = yield* insert("extended", hub.ada.user.id, extended)
      yield* insert("expiring", hub.bo.user.id, expiring)
      const long = yield* hub.connect({ key: extended! })
      const short = yield* hub.connect({ key: expiring! })
      const [stream, ends] = yield* Effect.all([long.stream, short.stream])
      yield* TestClock.adjust("49 seconds")
      yield* keys.extend(row.id, 1)
      yield* TestClock.adjust("2 seconds")
      yield* ends.ended
      assert.strictEqual((yield* long.send(call("echo"))).status, 200)
      assert.deepStrictEqual((yield* sessions.list).map(({ keyName }) => keyName).sort(), [
        "extended",
        "first",
        "first"
      ])
      yield* long.end
      yield* stream.ended
      yield* bo.end
    })
  )

  for (const [what, act] of ways) {
    it.live(`a key ${what} ends what its sessions share at the upstreams within a second, sockets and children`, () =>
      Effect.gen(function* () {
        const { hold, upstream } = yield* holdingUpstream()
        const isolation = "user"
        const hub = yield* TestHub.make({
          servers: {
            files: { url: upstream.url, isolation },
            notes: ScriptedStdioUpstream.config({}, { isolation })
          }
        })
        const children = Context.get(hub.services, StdioChildren)
        const pools = Context.get(hub.services, UserPools)
        const left = Effect.sync(() => ({
          sessions: upstream.sessions.size,
          children: children.live(),
          sockets: pools.stats().open
        }))
        const bo = yield* hub.connect(hub.bo)
        yield* bo.callTool("notes-set-context", { project: "apollo" })
        const bos = yield* hold(bo)
        const bosOnly = yield* left
        const [ada, second] = yield* Effect.all([hub.connect(hub.ada), hub.connect(hub.ada)])
        for (const client of [ada, second]) yield* client.callTool("notes-set-context", { project: "zephyr" })
        const adas = yield* hold(ada)
        assert.deepInclude(yield* left, { sessions: 2, children: 2 })
        const before = performance.now()
        yield* act({
          keys: Context.get(hub.services, HubKeys),
          users: Context.get(hub.services, Users),
          row: hub.ada.row
        })
        assert.deepInclude((yield* adas.answer).error.data, { kind: "session_closed" })
        yield* upstream.await(({ httpMethod }) => httpMethod === "DELETE")
        assert.deepStrictEqual(
          yield* eventually(left, (now) => isDeepStrictEqual(now, bosOnly), { deadline: "2 seconds" }),
          bosOnly
        )
        assert.isBelow(performance.now() - before, 1_000)
        bos.call.content({ fine: true })
        assert.deepStrictEqual((yield* bos.answer).result.structuredContent, { fine: true })
        assert.deepInclude((yield* bo.callTool("notes-get-data")).value, { project: "apollo" })
        // What he shares is still there for his next session, too.
        const later = yield* hub.connect(hub.bo)
        assert.deepInclude((yield* later.callTool("notes-get-data")).value, { project: "apollo" })
      })
    )
  }

  it.effect("a shared connection that nobody uses at the moment ends with its key, revoked or expired", () =>
    Effect.gen(function* () {
      const upstream = yield* ScriptedHttpUpstream.make()
      const hub = yield* TestHub.make({ servers: { files: { url: upstream.url, isolation: "user" } } })
      const keys = Context.get(hub.services, HubKeys)
      const key = Redacted.make(`mcphub_${"a1".repeat(32)}`)
      yield* keys.insert({ userId: hub.ada.user.id, name: "short", key, expiresAt: 60_000 })
      for (const user of [{ key }, hub.ada, hub.bo]) {
        const client = yield* hub.connect(user)
        yield* client.callTool("files-echo")
        yield* client.end
      }
      const endedBy = () => upstream.calls("DELETE").map(({ headers }) => headers["x-mcphub-user-id"])
      const ended = () => upstream.calls("DELETE").length
      yield* TestClock.adjust("59 seconds")
      assert.deepStrictEqual([upstream.sessions.size, ended()], [3, 0])
      yield* TestClock.adjust("1 second")
      yield* upstream.await(() => ended() === 1)
      // That of her other key is still there, and is what her next session with it uses.
      const other = yield* hub.connect(hub.ada)
      yield* other.callTool("files-echo")
      yield* other.end
      assert.strictEqual(upstream.calls("initialize").length, 3)
      yield* keys.revoke(hub.ada.row.id)
      yield* upstream.await(() => ended() === 2)
      // Bo's is kept for as long as an unused one is.
      assert.notInclude(endedBy(), hub.bo.user.id)
      yield* TestClock.adjust("1 minute")
      yield* upstream.await(() => ended() === 3)
      assert.strictEqual(endedBy()[2], hub.bo.user.id)
    })
  )

  it.live("service tokens that change are used from the next request on, in a session that goes on", () =>
    Effect.gen(function* () {
      const upstream = yield* ScriptedHttpUpstream.make()
      const hub = yield* TestHub.make({
        servers: { github: { url: upstream.url, headers: { authorization: "Bearer ${USER_GITHUB_TOKEN}" } } }
      })
      const [ada, bo] = yield* Effect.all([hub.connect(hub.ada), hub.connect(hub.bo)])
      const seen = (client: McpClient.McpClient) =>
        Effect.map(client.callTool("github-whoami"), ({ authorization }) => authorization)
      assert.strictEqual(yield* seen(ada), "Bearer canary-ada-github")
      yield* Context.get(hub.services, HubKeys).setTokens(
        { keyId: hub.ada.row.id },
        { GITHUB_TOKEN: Redacted.make("canary-ada-second") }
      )
      assert.strictEqual(yield* seen(ada), "Bearer canary-ada-second")
      assert.strictEqual(yield* seen(bo), "Bearer canary-bo-github")
    })
  )
})

describe("the drain of a stopping hub", () => {
  it.live("B25: refuses what is new with 503 and lets what runs come to its end", () =>
    Effect.gen(function* () {
      const { ada, bo, hold, hub, sessions } = yield* start
      const [adas, bos] = [yield* hold(ada), yield* hold(bo)]
      const stream = yield* ada.stream
      const drained = yield* Effect.forkChild(sessions.drain(10_000))
      yield* Effect.yieldNow
      const refused = yield* ada.send(call("echo"))
      assert.strictEqual(refused.status, 503)
      assert.match(refused.headers["retry-after"]!, /^[1-9]\d*$/)
      assert.strictEqual((yield* Effect.flip(hub.connect(hub.bo))).status, 503)
      assert.strictEqual((yield* hub.http.send({ method: "GET", path: "/readyz" })).status, 503)
      assert.strictEqual((yield* hub.http.send({ method: "GET", path: "/livez" })).status, 200)
      assert.strictEqual((yield* bo.notify("notifications/cancelled", { requestId: 1 })).status, 202)
      assert.deepInclude((yield* bos.answer).error.data, { kind: "cancelled" })
      adas.call.content({ done: true })
      assert.deepStrictEqual((yield* adas.answer).result.structuredContent, { done: true })
      yield* Fiber.join(drained)
      yield* stream.ended
      assert.strictEqual(sessions.size(), 0)
    })
  )

  it.effect("ends with a typed answer what has not come to its end in time", () =>
    Effect.gen(function* () {
      const { ada, hold, hub, sessions } = yield* start
      const adas = yield* hold(ada)
      const drained = yield* Effect.forkChild(sessions.drain(10_000))
      yield* TestClock.adjust("10 seconds")
      yield* Fiber.join(drained)
      assert.deepInclude((yield* adas.answer).error.data, { kind: "session_closed" })
      assert.deepStrictEqual(yield* Context.get(hub.services, RequestTracker).pending, [])
    })
  )
})
