import { assert, describe, it } from "@effect/vitest"
import { Clock, Context, Effect, Exit, Fiber, Scope } from "effect"
import { TestClock } from "effect/testing"
import { BodyBytes } from "../../../../src/actors/limits/BodyBytes.ts"
import { FairShare } from "../../../../src/actors/limits/FairShare.ts"
import { Retained } from "../../../../src/actors/limits/Retained.ts"
import { HubKeys } from "../../../../src/domain/identity/HubKeys.ts"
import type { HubConfigShape } from "../../../../src/domain/config/HubConfig.ts"
import { faults, McpClient, RawHttp, ScriptedHttpUpstream, TestHub } from "../../../../src/testkit/index.ts"
import { eventually } from "../../../support/Eventually.ts"
import * as RudeClients from "../../../../src/testkit/RudeClients.ts"

const large = `{"content":[{"type":"text","text":"${"x".repeat(500_000)}"}]}`

/** Twenty units a second, four of them at once: time stands still, so a turn comes only when a test lets it come. */
const start = Effect.fnUntraced(function* (config: Partial<HubConfigShape> = {}) {
  const upstream = yield* ScriptedHttpUpstream.make({
    tools: {
      hang: faults.hang,
      chatty: (call) => {
        for (let progress = 1; progress <= 200; progress++) {
          const params = { progressToken: call.progressToken, progress }
          call.event({ jsonrpc: "2.0", method: "notifications/progress", params })
        }
        call.content({ said: 200 })
      },
      brief: (call) =>
        call.body(200, "application/json", `{"jsonrpc":"2.0","id":${String(call.id)},"result":{"content":[]}}`),
      large: (call) => call.body(200, "application/json", `{"jsonrpc":"2.0","id":${String(call.id)},"result":${large}}`)
    }
  })
  const hub = yield* TestHub.make({ servers: { files: { url: upstream.url } }, config: { fairShare: 20, ...config } })
  const [ada, bo] = yield* Effect.all([hub.connect(hub.ada), hub.connect(hub.bo)])
  // A connection of each to the server, and a bucket that is full again.
  for (const client of [ada, bo]) yield* client.callTool("files-echo")
  yield* TestClock.adjust("2 seconds")
  yield* bo.callTool("files-echo", { bo: "is here" })
  const share = Context.get(hub.services, FairShare)
  const settled = (waiting: number) => eventually(Effect.sync(share.waiting), (now) => now === waiting)
  const calledBy = (user: TestHub["Service"]["ada"]) =>
    upstream.calls("tools/call").filter(({ headers }) => headers["x-mcphub-user-id"] === user.user.id).length
  const { begin } = share
  let arrived = 0
  const counted: FairShare["Service"]["begin"] = (...request) => {
    arrived++
    return begin(...request)
  }
  Object.assign(share, { begin: counted })

  /** Sends calls side by side, and comes back when all of them run or wait. */
  const flood = Effect.fnUntraced(function* (client: McpClient.McpClient, count: number) {
    const before = arrived
    const fiber = yield* Effect.forkChild(
      Effect.forEach(
        Array.from({ length: count }, (_, id) => id),
        (id) => client.send(call("echo", id)),
        { concurrency: "unbounded" }
      )
    )
    yield* eventually(
      Effect.sync(() => arrived),
      (now) => now >= before + count,
      { every: "10 millis" }
    )
    return fiber
  })
  return { ada, bo, calledBy, flood, hub, settled, share, upstream }
})

const call = (name: string, id: number) => ({
  jsonrpc: "2.0",
  id,
  method: "tools/call",
  params: { name: `files-${name}`, arguments: { id } }
})

describe("a user who asks for much", () => {
  it.effect("R25: waits beside one who asks for little and is answered at once; nothing is lost or refused", () =>
    Effect.gen(function* () {
      const { ada, bo, flood, settled, share } = yield* start()
      const adas = yield* flood(ada, 12)
      const waiting = share.waiting()
      assert.isAtLeast(waiting, 7)
      // No time passes, and bo is served all the same.
      for (let i = 0; i < 3; i++) assert.deepStrictEqual(yield* bo.callTool("files-echo", { i }), { i })
      assert.strictEqual(share.waiting(), waiting)
      yield* TestClock.adjust("1 second")
      yield* settled(0)
      for (const [id, answer] of (yield* Fiber.join(adas)).entries()) {
        assert.strictEqual(answer.status, 200)
        assert.deepStrictEqual(JSON.parse(answer.text).result.structuredContent, { id })
      }
    })
  )

  it.effect("R25: with hung calls cannot start more of them at bo's cost, and is told when too many wait", () =>
    Effect.gen(function* () {
      const { ada, bo, calledBy, hub, settled, share } = yield* start({ maxInflightPerUser: 3 })
      const before = calledBy(hub.ada)
      const refused: Array<RawHttp.RawAnswer> = []
      yield* Effect.forkChild(
        Effect.forEach(
          Array.from({ length: 30 }, (_, id) => id),
          (id) =>
            Effect.map(ada.send(call("hang", id)), (answer) => {
              if (answer.text.includes('"too_many_waiting"')) refused.push(answer)
            }),
          { concurrency: "unbounded", discard: true }
        )
      )
      yield* settled(6)
      assert.isAtMost(calledBy(hub.ada) - before, 5)
      assert.deepStrictEqual(yield* bo.callTool("files-echo", { bo: 1 }), { bo: 1 })
      assert.strictEqual(share.waiting(), 6)
      const clock = yield* Clock.Clock
      // Not at once: who is refused comes again, and would be a flood of refusals.
      assert.deepStrictEqual(refused, [])
      yield* eventually(
        Effect.provideService(TestClock.adjust("100 millis"), Clock.Clock, clock).pipe(
          Effect.map(() => refused.length)
        ),
        (count) => count > 0
      )
      assert.strictEqual(refused[0]!.status, 429)
      assert.match(refused[0]!.headers["retry-after"]!, /^[1-9]\d*$/)
      assert.deepStrictEqual(yield* bo.callTool("files-echo", { bo: 2 }), { bo: 2 })
    })
  )

  it.effect("A36: whose key is revoked while requests wait is answered 401, and nothing of them is done", () =>
    Effect.gen(function* () {
      const { ada, bo, calledBy, flood, hub, settled, share } = yield* start()
      const adas = yield* flood(ada, 12)
      const waited = share.waiting()
      assert.isAbove(waited, 0)
      const called = 1 + 12 - waited
      yield* eventually(
        Effect.sync(() => calledBy(hub.ada)),
        (calls) => calls === called
      )
      yield* Context.get(hub.services, HubKeys).revoke(hub.ada.row.id)
      yield* TestClock.adjust("1 second")
      yield* settled(0)
      const answers = yield* Fiber.join(adas)
      assert.strictEqual(answers.filter(({ status }) => status === 401).length, waited)
      assert.strictEqual(calledBy(hub.ada), called)
      assert.deepStrictEqual(yield* bo.callTool("files-echo", { bo: 1 }), { bo: 1 })
    })
  )

  it.effect("does not wait who sends one request after the other, each upon the answer to the one before", () =>
    Effect.gen(function* () {
      const { ada, bo, share } = yield* start()
      for (let i = 0; i < 50; i++) assert.deepStrictEqual(yield* ada.callTool("files-echo", { i }), { i })
      assert.deepStrictEqual(yield* bo.callTool("files-echo", { bo: 1 }), { bo: 1 })
      assert.strictEqual(share.waited(), 0)
    })
  )

  it.effect("has every request counted as one use of its key, whether it waited or not", () =>
    Effect.gen(function* () {
      const { ada, bo, flood, hub, settled, share } = yield* start()
      const keys = Context.get(hub.services, HubKeys)
      const uses = Effect.andThen(
        TestClock.adjust("5 seconds"),
        Effect.map(
          Effect.all([keys.byId(hub.ada.row.id), keys.byId(hub.bo.row.id)]),
          ([adas, bos]) => [adas.usageCount, bos.usageCount] as const
        )
      )
      const before = yield* uses
      yield* bo.callTool("files-echo", { bo: 1 })
      const adas = yield* flood(ada, 12)
      assert.isAbove(share.waiting(), 0)
      yield* TestClock.adjust("1 second")
      yield* settled(0)
      yield* Fiber.join(adas)
      const after = yield* uses
      assert.deepStrictEqual([after[0] - before[0], after[1] - before[1]], [12, 1])
    })
  )

  it.effect("B14: a request whose client goes while it waits never runs", () =>
    Effect.gen(function* () {
      const { ada, calledBy, flood, hub, settled, share } = yield* start()
      const adas = yield* flood(ada, 12)
      const waiting = share.waiting()
      assert.isAbove(waiting, 0)
      const socket = yield* RudeClients.socketTo(new URL(hub.url).origin)
      const body = JSON.stringify(call("echo", 99))
      yield* RudeClients.write(socket, { method: "POST", path: "/mcp", headers: ada.headers, body })
      yield* settled(waiting + 1)
      socket.destroy()
      yield* settled(waiting)
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(adas)
      assert.strictEqual(calledBy(hub.ada), 1 + 12)
    })
  )

  it.effect(
    "B24: whose requests wait when the hub stops is told so, every one of them, and nothing of them is done",
    () =>
      Effect.gen(function* () {
        const scope = yield* Scope.make()
        const { calledBy, flood, hub, share } = yield* Scope.provide(start({ drainMs: 5_000 }), scope)
        const http = yield* RawHttp.make(new URL(hub.url).origin)
        const ada = yield* McpClient.connect(http, hub.ada)
        const adas = yield* flood(ada, 100)
        const waiting = share.waiting()
        assert.isAtLeast(waiting, 90)
        yield* eventually(
          Effect.sync(() => calledBy(hub.ada)),
          (calls) => calls === 1 + 100 - waiting
        )
        yield* Scope.close(scope, Exit.void)
        const answers = yield* Fiber.join(adas)
        assert.strictEqual(answers.filter(({ status }) => status === 503).length, waiting)
        assert.strictEqual(answers.filter(({ status }) => status === 200).length, 100 - waiting)
        assert.strictEqual(calledBy(hub.ada), 1 + 100 - waiting)
      })
  )

  it.effect("A56: pays for a large body before it is parsed: the next one waits, and holds up nobody else", () =>
    Effect.gen(function* () {
      const { ada, bo, calledBy, hub } = yield* start()
      const held = Effect.sync(Context.get(hub.services, BodyBytes).held)
      const text = "x".repeat(800_000)
      const large = (id: number) =>
        ada.send({ ...call("echo", id), params: { name: "files-brief", arguments: { text } } })
      assert.strictEqual((yield* large(1)).status, 200)
      const called = calledBy(hub.ada)
      const second = yield* Effect.forkChild(large(2))
      yield* eventually(held, (bytes) => bytes > text.length)
      for (let i = 0; i < 3; i++) assert.deepStrictEqual(yield* bo.callTool("files-echo", { i }), { i })
      assert.strictEqual(calledBy(hub.ada), called)
      assert.isAbove(yield* held, text.length)
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* Fiber.join(second)).status, 200)
      assert.strictEqual(yield* held, 0)
    })
  )

  it.effect("A56: pays for the many values of a small body, so that what follows waits, and holds up nobody else", () =>
    Effect.gen(function* () {
      const { ada, bo, flood, settled, share } = yield* start()
      const values = Array.from({ length: 10_000 }, () => ({}))
      const body = { ...call("echo", 1), params: { name: "files-brief", arguments: { values } } }
      assert.isBelow(JSON.stringify(body).length, 64 * 1024)
      assert.strictEqual((yield* ada.send(body)).status, 200)
      assert.isAbove(share.charged("body"), 20)
      const adas = yield* flood(ada, 2)
      yield* settled(1)
      for (let i = 0; i < 3; i++) assert.deepStrictEqual(yield* bo.callTool("files-echo", { i }), { i })
      // All of it is owed: more than twice what a user may use at once.
      yield* TestClock.adjust("700 millis")
      assert.strictEqual(share.waiting(), 1)
      yield* TestClock.adjust("1 second")
      for (const { status } of yield* Fiber.join(adas)) assert.strictEqual(status, 200)
    })
  )

  it.effect(
    "A57: pays for what the hub sends to servers beside the request, and the other user for nothing of it",
    () =>
      Effect.gen(function* () {
        const { ada, bo, flood, settled, share, upstream } = yield* start()
        const lists = ["tools", "prompts", "resources", "resources/templates"]
        const fetched = lists.reduce((sum, list) => sum + upstream.calls(`${list}/list`).length, 0)
        assert.isAbove(fetched, 1)
        assert.strictEqual(share.charged("server"), fetched)
        const method = "notifications/roots/list_changed"
        assert.strictEqual((yield* ada.send({ jsonrpc: "2.0", method })).status, 202)
        yield* eventually(
          Effect.sync(() => upstream.calls(method).length),
          (count) => count === 1
        )
        assert.strictEqual(share.charged("server"), fetched + 1)
        // Of four units two are left: the first two go, the third would have gone without the server's one.
        const adas = yield* flood(ada, 3)
        yield* settled(1)
        for (let i = 0; i < 3; i++) assert.deepStrictEqual(yield* bo.callTool("files-echo", { i }), { i })
        yield* TestClock.adjust("1 second")
        for (const { status } of yield* Fiber.join(adas)) assert.strictEqual(status, 200)
      })
  )

  it.effect("A57: pays for each message of a batch, so that the next batch waits, and holds up nobody else", () =>
    Effect.gen(function* () {
      const { bo, hub, settled, share, upstream } = yield* start()
      const ada = yield* hub.connect(hub.ada, { protocolVersion: "2025-03-26" })
      yield* ada.callTool("files-echo")
      const retained = Context.get(hub.services, Retained)
      const held = () => [hub.ada, hub.bo].map(({ user }) => retained.heldBy(user.id).bodies)
      const method = "notifications/roots/list_changed"
      const batch = Array.from({ length: 50 }, () => ({ jsonrpc: "2.0", method }))
      yield* TestClock.adjust("2 seconds")
      yield* bo.callTool("files-echo", { bo: "is here" })
      assert.strictEqual((yield* ada.send(batch)).status, 202)
      yield* eventually(
        Effect.sync(() => upstream.calls(method).length),
        (count) => count === 50
      )
      const others = yield* Effect.forkChild(Effect.all([ada.send(batch), ada.send(batch)], { concurrency: 2 }))
      yield* settled(1)
      for (let i = 0; i < 3; i++) assert.deepStrictEqual(yield* bo.callTool("files-echo", { i }), { i })
      assert.strictEqual(upstream.calls(method).length, 50)
      // It is in its user's account while it waits.
      assert.deepStrictEqual(held(), [JSON.stringify(batch).length, 0])
      yield* Effect.forkChild(Effect.forever(Effect.andThen(TestClock.adjust("1 second"), Effect.yieldNow)))
      for (const { status } of yield* Fiber.join(others)) assert.strictEqual(status, 202)
      assert.strictEqual(share.waiting(), 0)
      assert.deepStrictEqual(held(), [0, 0])
    })
  )

  it.effect("A58: pays for each session opened, so that what follows waits, and holds up nobody else", () =>
    Effect.gen(function* () {
      const { bo, flood, hub, settled, share } = yield* start()
      const ada = yield* hub.connect(hub.ada)
      const waited = share.waited()
      const adas = yield* flood(ada, 2)
      yield* settled(1)
      assert.strictEqual(share.waited(), waited + 1)
      for (let i = 0; i < 3; i++) assert.deepStrictEqual(yield* bo.callTool("files-echo", { i }), { i })
      yield* TestClock.adjust("1 second")
      for (const { status } of yield* Fiber.join(adas)) assert.strictEqual(status, 200)
    })
  )

  it.effect("A59: pays for the streams that are resumed, so that the next one waits, and holds up nobody else", () =>
    Effect.gen(function* () {
      const { ada, bo } = yield* start()
      const answer = yield* ada.open({
        ...call("chatty", 7),
        params: { name: "files-chatty", _meta: { progressToken: 1 } }
      })
      const { id } = yield* answer.event
      assert.isString(id)
      // The server's messages are charged, too.
      const time = yield* Effect.forkChild(Effect.forever(TestClock.adjust("50 millis")))
      assert.lengthOf(yield* answer.rest, 201)
      yield* Fiber.interrupt(time)
      yield* TestClock.adjust("2 seconds")
      yield* bo.callTool("files-echo", { bo: "is here" })
      const resumed = Effect.flatMap(ada.resume(id!), ({ rest }) => rest)
      assert.lengthOf(yield* resumed, 201)
      const again = yield* Effect.forkChild(resumed)
      for (let i = 0; i < 3; i++) assert.deepStrictEqual(yield* bo.callTool("files-echo", { i }), { i })
      assert.isUndefined(again.pollUnsafe())
      yield* TestClock.adjust("1 second")
      assert.lengthOf(yield* Fiber.join(again), 201)
    })
  )

  it.effect("R25: gets a large answer in pieces with pauses between them, and every byte of it", () =>
    Effect.gen(function* () {
      const { ada, bo, share } = yield* start()
      const adas = yield* Effect.forkChild(ada.send(call("large", 7)))
      assert.deepStrictEqual(yield* bo.callTool("files-echo", { bo: 1 }), { bo: 1 })
      // Time goes on for as long as the answer needs it.
      yield* Effect.forkChild(Effect.forever(TestClock.adjust("50 millis")))
      const { text } = yield* Fiber.join(adas)
      assert.isTrue(text === `{"jsonrpc":"2.0","id":7,"result":${large}}`)
      assert.strictEqual(share.waiting(), 0)
    })
  )
})
