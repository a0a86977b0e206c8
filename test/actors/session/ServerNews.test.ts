import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import { TestClock } from "effect/testing"
import { FairShare } from "../../../src/actors/limits/FairShare.ts"
import { HubMetrics } from "../../../src/actors/observing/HubMetrics.ts"
import { LogOutput, LogSink } from "../../../src/actors/observing/LogOutput.ts"
import * as Logging from "../../../src/actors/observing/Logging.ts"
import { RequestTracker } from "../../../src/actors/requests/RequestTracker.ts"
import * as ServerNews from "../../../src/actors/session/ServerNews.ts"
import * as SessionBackground from "../../../src/actors/session/SessionBackground.ts"
import type { UpstreamMessage } from "../../../src/actors/upstream/connection/UpstreamConnection.ts"
import { SessionId } from "../../../src/domain/Ids.ts"
import { ada, bo } from "../support/Requests.ts"
import { roomOf } from "../support/Rooms.ts"

const { capacity, perSecond } = ServerNews.newsRate

const start = Effect.fnUntraced(function* (roomBytes?: number) {
  const chunks: Array<string> = []
  const lines = Logging.layer({ level: "Info" }).pipe(
    Layer.provideMerge(LogOutput.layer),
    Layer.provide(Layer.succeed(LogSink, { write: (chunk) => Effect.sync(() => void chunks.push(chunk)) }))
  )
  const layers = Layer.mergeAll(HubMetrics.layer, FairShare.layer, RequestTracker.layerMemory, lines)
  const services = yield* Layer.build(layers)
  const charged = new Map<string, number>()
  Object.assign(Context.get(services, FairShare), {
    charge: (userId: string, _work: string, units: number) =>
      void charged.set(userId, (charged.get(userId) ?? 0) + units)
  })
  const open = Effect.fnUntraced(function* (who: typeof ada) {
    const heard: Array<readonly [server: string, message: UpstreamMessage]> = []
    const sessionId = SessionId.make(`session-of-${who.username}`)
    const room = roomOf(roomBytes)
    const hear = yield* ServerNews.make({
      sessionId,
      principal: () => who,
      room,
      background: yield* SessionBackground.make(sessionId, who),
      deliver: (server, message) => void heard.push([server, message])
    })
    return { hear, heard, room }
  })
  const adas = yield* open(ada).pipe(Effect.provideContext(services))
  const bos = yield* open(bo).pipe(Effect.provideContext(services))
  const { value } = Context.get(services, HubMetrics)
  return { adas, bos, charged, value, text: () => chunks.join("") }
})

const changed = (uri: string): UpstreamMessage => ({
  jsonrpc: "2.0",
  method: "notifications/resources/updated",
  params: { uri }
})
const list = (kind: string): UpstreamMessage => ({ jsonrpc: "2.0", method: `notifications/${kind}/list_changed` })
const other: UpstreamMessage = { jsonrpc: "2.0", method: "shouts/x" }
const question: UpstreamMessage = { jsonrpc: "2.0", id: 1, method: "ping" }

const times = (count: number, what: () => void): void => {
  for (let index = 0; index < count; index++) what()
}

describe("what servers say beside any call", () => {
  it.effect(
    "B44: goes on up to a rate; beyond it the latest of what says the same counts, and none of it is lost",
    () =>
      Effect.gen(function* () {
        const { adas, bos, value } = yield* start()
        times(capacity, () => adas.hear("loud", list("tools")))
        assert.lengthOf(adas.heard, capacity)
        times(10_000, () => adas.hear("loud", list("tools")))
        times(10_000, () => adas.hear("loud", list("prompts")))
        for (const uri of ["file:///a", "file:///b"]) times(1_000, () => adas.hear("loud", changed(uri)))
        assert.lengthOf(adas.heard, capacity)
        yield* TestClock.adjust("1 second")
        assert.deepStrictEqual(
          adas.heard.slice(capacity).map(([, message]) => message),
          [list("tools"), list("prompts"), changed("file:///a"), changed("file:///b")]
        )
        assert.strictEqual(value("mcphub_server_messages_coalesced_total", { server: "loud" }), 22_000 - 4)
        assert.strictEqual(value("mcphub_server_messages_dropped_total"), 0)
        assert.lengthOf(bos.heard, 0)
      }).pipe(Effect.scoped)
  )

  it.effect("B44: drops what says nothing that a later one would say again, questions too, and counts it", () =>
    Effect.gen(function* () {
      const { adas, value } = yield* start()
      times(capacity + 300, () => adas.hear("loud", other))
      times(200, () => adas.hear("loud", question))
      assert.lengthOf(adas.heard, capacity)
      yield* TestClock.adjust("10 seconds")
      assert.lengthOf(adas.heard, capacity)
      assert.strictEqual(value("mcphub_server_messages_dropped_total", { server: "loud" }), 500)
      times(1_000, () => adas.hear("loud", other))
      assert.lengthOf(adas.heard, capacity + 10 * perSecond)
    }).pipe(Effect.scoped)
  )

  it.effect("B44: what waits is bounded, whatever the server names", () =>
    Effect.gen(function* () {
      const { adas, value } = yield* start()
      times(capacity, () => adas.hear("loud", other))
      let n = 0
      times(5_000, () => adas.hear("loud", changed(`file:///${n++}`)))
      adas.hear("loud", changed("x".repeat(10_000)))
      yield* TestClock.adjust("60 seconds")
      assert.lengthOf(adas.heard, capacity + 1_024)
      assert.strictEqual(value("mcphub_server_messages_dropped_total"), 5_001 - 1_024)
    }).pipe(Effect.scoped)
  )

  it.effect(
    "A85: what waits is in its user's memory; what has no room there is dropped, and what goes on gives it back",
    () =>
      Effect.gen(function* () {
        const { adas, bos, value } = yield* start(10_000)
        times(capacity, () => adas.hear("loud", other))
        let n = 0
        times(1_000, () => adas.hear("loud", changed(`file:///${n++}`)))
        assert.isAbove(adas.room.held(), 9_000)
        const dropped = value("mcphub_server_messages_dropped_total") ?? 0
        assert.isAbove(dropped, 900)
        times(100, () => adas.hear("loud", changed("file:///0")))
        assert.isAtMost(adas.room.held(), 10_000)
        assert.strictEqual(bos.room.held(), 0)
        yield* TestClock.adjust("60 seconds")
        assert.lengthOf(adas.heard, capacity + 1_000 - dropped)
        assert.strictEqual(adas.room.held(), 0)
      }).pipe(Effect.scoped)
  )

  it.effect("B44: one server's flood takes nothing of another server's, nor of the other user's session", () =>
    Effect.gen(function* () {
      const { adas, bos, charged } = yield* start()
      times(capacity + 5_000, () => adas.hear("loud", other))
      const before = charged.get(ada.userId)!
      adas.hear("quiet", other)
      bos.hear("loud", other)
      assert.deepStrictEqual(adas.heard.at(-1), ["quiet", other])
      assert.deepStrictEqual(bos.heard, [["loud", other]])
      // Each pays for what their own session hears.
      assert.strictEqual(before, capacity * charged.get(bo.userId)!)
    }).pipe(Effect.scoped)
  )

  it.effect("B44: is said once a minute, with whose session it is", () =>
    Effect.gen(function* () {
      const { adas, text } = yield* start()
      const lines = () => text().split("sends more than a session takes").length - 1
      times(capacity + 100, () => adas.hear("loud", other))
      yield* TestClock.adjust("1 second")
      assert.strictEqual(lines(), 1)
      assert.match(text(), /"server":"loud","userId":"ada-id","user":"ada","sessionId":"session-of-ada"/)
      yield* TestClock.adjust("50 seconds")
      times(5_000, () => adas.hear("loud", other))
      yield* TestClock.adjust("1 second")
      assert.strictEqual(lines(), 1)
      yield* TestClock.adjust("10 seconds")
      times(5_000, () => adas.hear("loud", other))
      yield* TestClock.adjust("1 second")
      assert.strictEqual(lines(), 2)
    }).pipe(Effect.scoped)
  )
})
