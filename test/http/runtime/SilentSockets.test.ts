import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { TestClock } from "effect/testing"
import { Socket } from "node:net"
import { Measures } from "../../../src/actors/limits/Pressure.ts"
import { firstHeadMs, lookEveryMs, make, nextHeadMs } from "../../../src/http/runtime/SilentSockets.ts"
import { RudeClients, ScriptedHttpUpstream, TestHub } from "../../../src/testkit/index.ts"
import { requestOf } from "../../http/support/StatelessClient.ts"

const from = (address: string): Socket => Object.defineProperty(new Socket(), "remoteAddress", { value: address })

/** Looks every second, as the listener does; what it closed so far. */
const watched = (most = 10) => {
  let moment = 0
  const sockets = make(() => moment, most)
  const closed: Array<Socket> = []
  const pass = (milliseconds: number): void => {
    for (const end = moment + milliseconds; moment < end;) {
      moment = Math.min(end, moment + lookEveryMs)
      for (const socket of sockets.overdue()) {
        closed.push(socket)
        sockets.closed(socket)
      }
    }
  }
  return { closed, pass, sockets, stall: (milliseconds: number) => (moment += milliseconds) }
}

describe("connections that say nothing", () => {
  it("A70: are closed before their first request sooner than after an answer, and never while one is under way", () => {
    const { closed, pass, sockets } = watched()
    const [silent, served, busy] = [from("1"), from("2"), from("3")]
    for (const socket of [silent, served, busy]) sockets.accept(socket)
    sockets.begun(served)
    sockets.ended(served)
    sockets.begun(busy)
    pass(firstHeadMs - lookEveryMs)
    assert.deepStrictEqual(closed, [])
    pass(lookEveryMs)
    assert.deepStrictEqual(closed, [silent])
    pass(nextHeadMs - firstHeadMs)
    assert.deepStrictEqual(closed, [silent, served])
    pass(10 * nextHeadMs)
    assert.deepStrictEqual(closed, [silent, served])
    sockets.ended(busy)
    pass(nextHeadMs)
    assert.deepStrictEqual(closed, [silent, served, busy])
  })

  it("A70: are not counted silent for the time in which the process stood still", () => {
    const { closed, pass, sockets, stall } = watched()
    sockets.accept(from("1"))
    pass(5_000)
    stall(60_000)
    pass(firstHeadMs - 5_000 - 3 * lookEveryMs)
    assert.deepStrictEqual(closed, [])
    pass(4 * lookEveryMs)
    assert.lengthOf(closed, 1)
  })

  it("A71: of one address have a share until a key is recognized, and take nothing from another's", () => {
    const { sockets } = watched(2)
    const [first, second, third] = [from("1"), from("1"), from("1")]
    assert.isTrue(sockets.accept(first))
    assert.isTrue(sockets.accept(second))
    assert.isFalse(sockets.accept(third))
    assert.isTrue(sockets.accept(from("2")))
    sockets.begun(first)
    sockets.ended(first)
    assert.isFalse(sockets.accept(third))
    sockets.begun(first)
    sockets.known(first)
    sockets.known(first)
    assert.isTrue(sockets.accept(third))
    sockets.closed(first)
    assert.isFalse(sockets.accept(from("1")))
    sockets.closed(second)
    assert.isTrue(sockets.accept(from("1")))
  })

  it.effect("A70: or begin a request and do not end its head are closed by the hub, and bo's is not", () =>
    Effect.gen(function* () {
      const upstream = yield* ScriptedHttpUpstream.make()
      const hub = yield* TestHub.make({ servers: { files: { url: upstream.url } } })
      const bo = yield* hub.connect(hub.bo)
      yield* bo.callTool("files-echo", { bo: 1 })
      const origin = new URL(hub.url).origin
      const sockets = yield* Effect.replicateEffect(RudeClients.socketTo(origin), 20)
      for (const socket of sockets.slice(10)) socket.write("POST /mcp HTTP/1.1\r\nhost: 127.0.0.1\r\nx-slow: ")
      const closed = sockets.map(
        (socket) =>
          new Promise<void>((resolve) =>
            socket
              .once("close", () => resolve())
              .on("error", () => {})
              .resume()
          )
      )
      // One after the other: a look that comes late leaves them the time.
      for (let seconds = 0; seconds <= 20; seconds++) yield* TestClock.adjust("1 second")
      yield* Effect.promise(() => Promise.all(closed))
      assert.deepStrictEqual(yield* bo.callTool("files-echo", { bo: 2 }), { bo: 2 })
    })
  )

  it.effect("A71: are nobody strange while the first answer to a recognized key, a stream, goes on", () =>
    Effect.gen(function* () {
      const upstream = yield* ScriptedHttpUpstream.make()
      // Descriptors for some 300 connections, of which strangers of one address may have 100.
      const hub = yield* TestHub.make({
        servers: { files: { url: upstream.url } },
        replace: Layer.succeed(Measures, { memory: () => 0.1, descriptors: () => ({ used: 20, limit: 400 }) })
      })
      const listen = requestOf(hub.bo, "subscriptions/listen", { notifications: { toolsListChanged: true } })
      const streams = yield* Effect.forEach(Array.from({ length: 112 }), () => hub.http.open(listen))
      assert.deepStrictEqual([...new Set(streams.map(({ status }) => status))], [200])
      const ada = yield* hub.connect(hub.ada)
      assert.deepStrictEqual(yield* ada.callTool("files-echo", { ada: 1 }), { ada: 1 })
    })
  )
})
