import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Fiber, Layer } from "effect"
import { TestClock } from "effect/testing"
import { randomUUID } from "node:crypto"
import { Sessions } from "../../../../src/actors/registry/Sessions.ts"
import type { HubConfigShape } from "../../../../src/domain/config/HubConfig.ts"
import { SessionStore } from "../../../../src/domain/records/SessionStore.ts"
import { ScriptedHttpUpstream, TestHub } from "../../../../src/testkit/index.ts"
import { secondHub, watchedStore } from "../../support/SecondHub.ts"

const start = Effect.fnUntraced(function* (config: Partial<HubConfigShape> = {}) {
  const upstream = yield* ScriptedHttpUpstream.make({
    sessions: false,
    methods: {
      initialize: (call) =>
        call.result({
          protocolVersion: call.params["protocolVersion"],
          capabilities: { tools: {}, logging: {}, resources: { subscribe: true } },
          serverInfo: { name: "files", version: "1" }
        }),
      "resources/list": (call) => call.result({ resources: [{ uri: "file:///a", name: "a" }] }),
      "resources/subscribe": (call) => call.result({}),
      "logging/setLevel": (call) => call.result({})
    }
  })
  const store = yield* watchedStore
  const servers = { files: { url: upstream.url, isolation: "session" as const } }
  const hub = yield* TestHub.make({ servers, config, replace: store.layer })
  return { upstream, hub, store, first: Context.get(hub.services, Sessions) }
})

const echo = (id: number) => ({
  jsonrpc: "2.0",
  id,
  method: "tools/call",
  params: { name: "files-echo", arguments: { id } }
})

describe("a session of an earlier run of the hub", () => {
  it.live("is one actor again however many requests come at once, with all the client had said", () =>
    Effect.gen(function* () {
      const { first, hub, store, upstream } = yield* start()
      const client = yield* hub.connect(hub.ada, {
        protocolVersion: "2025-06-18",
        capabilities: { roots: { listChanged: true } },
        clientInfo: { name: "editor", version: "7" }
      })
      const bo = yield* hub.connect(hub.bo)
      yield* client.request("resources/subscribe", { uri: "file:///a" })
      yield* client.request("logging/setLevel", { level: "info" })
      const [summary] = (yield* first.list).filter(({ username }) => username === "ada")
      yield* first.drain(0)
      const told = upstream.received.length

      const next = yield* secondHub(hub.services)
      const answers = yield* Effect.forEach([1, 2, 3, 4, 5], (id) => next.send(client, echo(id)), {
        concurrency: "unbounded"
      })
      for (const { status } of answers) assert.strictEqual(status, 200)
      assert.lengthOf(store.claims, 1)
      const [recovered, ...others] = yield* next.sessions.list
      assert.lengthOf(others, 0)
      const kept = ({ sessionId, createdAt, protocolVersion, client, keyId, target }: typeof recovered & object) => ({
        sessionId,
        createdAt,
        protocolVersion,
        client,
        keyId,
        target
      })
      assert.deepStrictEqual(kept(recovered!), kept(summary!))
      assert.isTrue(recovered!.recovered)

      const since = upstream.received.slice(told).map(({ body }) => body)
      const opening = since.filter((body) => body?.method === "initialize")
      assert.lengthOf(opening, 1)
      assert.deepInclude(opening[0]!.params, {
        protocolVersion: "2025-06-18",
        capabilities: { roots: { listChanged: true } }
      })
      assert.deepInclude(
        since.filter((body) => body?.method === "logging/setLevel").map((body) => body!.params),
        { level: "info" }
      )
      assert.deepInclude(
        since.filter((body) => body?.method === "resources/subscribe").map((body) => body!.params),
        { uri: "file:///a" }
      )
      // A second initialize is as out of place as ever, and bo's own session knows nothing of all this.
      const again = { jsonrpc: "2.0", id: 9, method: "initialize", params: { protocolVersion: "2025-06-18" } }
      assert.strictEqual((yield* next.send(client, again)).status, 400)
      const foreign = yield* next.send(bo, echo(1), { "mcp-session-id": client.sessionId })
      assert.strictEqual(foreign.status, 404)
      assert.strictEqual((yield* next.send(bo, echo(1))).status, 200)
    })
  )

  it.effect("B36: that is live in two hubs goes on where it was used last; the other one lets it go", () =>
    Effect.gen(function* () {
      const { first, hub } = yield* start()
      const moving = yield* hub.connect(hub.ada)
      yield* hub.connect(hub.bo)
      const next = yield* secondHub(hub.services)
      const ping = { jsonrpc: "2.0", id: 1, method: "ping" }
      assert.strictEqual((yield* next.send(moving, ping)).status, 200)
      assert.strictEqual(first.size(), 2)
      yield* TestClock.adjust("61 seconds")
      const left = yield* first.list
      assert.deepStrictEqual(
        left.map(({ username }) => username),
        ["bo"]
      )
      assert.strictEqual((yield* next.send(moving, ping)).status, 200)
      // Back again: a session follows its client.
      assert.strictEqual((yield* moving.send(ping)).status, 200)
      assert.isTrue((yield* first.list).find(({ username }) => username === "ada")?.recovered)
    })
  )
})

describe("a session whose row the database does not take", () => {
  it.live("B42: is the only one that a restart ends; the other user goes on", () =>
    Effect.gen(function* () {
      const { layer } = yield* watchedStore
      const refusing = Layer.effect(
        SessionStore,
        Effect.map(SessionStore, (own) => ({
          ...own,
          save: (owner: string, rows: Parameters<typeof own.save>[1]) =>
            rows.some(({ client }) => client.clientInfo["name"] === "refused")
              ? Effect.die(new Error("A statement failed"))
              : own.save(owner, rows)
        }))
      ).pipe(Layer.provide(layer))
      const hub = yield* TestHub.make({ replace: refusing })
      const adas = yield* hub.connect(hub.ada, { clientInfo: { name: "refused", version: "1" } })
      const bos = yield* hub.connect(hub.bo)
      yield* Context.get(hub.services, Sessions).drain(0)
      const next = yield* secondHub(hub.services)
      const ping = { jsonrpc: "2.0", id: 1, method: "ping" }
      assert.strictEqual((yield* next.send(bos, ping)).status, 200)
      assert.strictEqual((yield* next.send(adas, ping)).status, 404)
    })
  )
})

describe("an id that no session has", () => {
  it.effect("is looked up once in a while, and who tries many has to wait, alone", () =>
    Effect.gen(function* () {
      const { hub, store } = yield* start({ maxSessionsPerUser: 10 })
      const [ada, bo] = yield* Effect.all([hub.connect(hub.ada), hub.connect(hub.bo)])
      const guess = (client: typeof ada, id: string) =>
        hub.http.send({
          path: "/mcp",
          headers: { ...client.headers, "mcp-session-id": id },
          body: JSON.stringify({ jsonrpc: "2.0", id: 1, method: "ping" })
        })
      const one = randomUUID()
      for (let round = 0; round < 5; round++) assert.strictEqual((yield* guess(ada, one)).status, 404)
      assert.lengthOf(store.claims, 1)
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual((yield* guess(ada, one)).status, 404)
      assert.lengthOf(store.claims, 2)
      for (let round = 2; round < 20; round++) assert.strictEqual((yield* guess(ada, randomUUID())).status, 404)
      const refused = yield* guess(ada, randomUUID())
      assert.strictEqual(refused.status, 429)
      assert.match(refused.headers["retry-after"]!, /^[1-9]\d*$/)
      assert.lengthOf(store.claims, 20)
      assert.strictEqual((yield* guess(bo, randomUUID())).status, 404)
      assert.deepStrictEqual(yield* ada.request("ping"), {})
      yield* TestClock.adjust("1 minute")
      assert.strictEqual((yield* guess(ada, randomUUID())).status, 404)
    })
  )
})

describe("a database that does not answer", () => {
  it.effect("delays initialize by a second at most, and the session is written when it answers again", () =>
    Effect.gen(function* () {
      const { hub, store } = yield* start()
      store.stop()
      const connecting = yield* Effect.forkChild(hub.connect(hub.ada))
      yield* store.asked
      assert.isUndefined(connecting.pollUnsafe())
      yield* TestClock.adjust("1 second")
      const client = yield* Fiber.join(connecting)
      assert.deepStrictEqual(yield* client.request("ping"), {})
      store.go()
      // The statement that hangs is given up, and the next one takes its place.
      yield* TestClock.adjust("10 seconds")
      const next = yield* secondHub(hub.services)
      assert.strictEqual((yield* next.send(client, { jsonrpc: "2.0", id: 1, method: "ping" })).status, 200)
    })
  )

  it.effect("makes an unknown id 503 and not 404: its client must not take the session for lost", () =>
    Effect.gen(function* () {
      const { hub, store } = yield* start()
      const client = yield* hub.connect(hub.ada)
      const next = yield* secondHub(hub.services)
      const ping = { jsonrpc: "2.0", id: 1, method: "ping" }
      store.stop()
      const asking = yield* Effect.forkChild(next.send(client, ping))
      yield* store.asked
      yield* TestClock.adjust("3 seconds")
      const refused = yield* Fiber.join(asking)
      assert.strictEqual(refused.status, 503)
      assert.match(refused.headers["retry-after"]!, /^[1-9]\d*$/)
      store.go()
      assert.strictEqual((yield* next.send(client, ping)).status, 200)
    })
  )
})
