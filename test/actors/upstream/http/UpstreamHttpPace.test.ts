/**
 * Large answers that the hub reads with pauses, down to the sockets: wherever a pause falls, it changes nothing but the
 * time.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { createServer, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import { Pool } from "undici"
import { unitsOfBytes } from "../../../../src/actors/limits/FairShare.ts"
import type { RunningExchange } from "../../../../src/actors/upstream/http/ExchangeRequest.ts"
import { exchange } from "../../../../src/actors/upstream/http/UpstreamHttpExchange.ts"
import type { Payer } from "../../../../src/actors/limits/Payer.ts"
import { contextOf } from "../support/HttpCalls.ts"

const size = 2_000_000
/** Bytes between two pauses. */
const step = 256 * 1024
const text = "x".repeat(size)

type Answer = (response: ServerResponse) => void

/** A server with one answer, and a pool that pauses every time it is asked, for as long as the test wants. */
const start = Effect.fnUntraced(function* (answer: Answer) {
  const server = createServer((_, response) => answer(response))
  let sockets = 0
  server.on("connection", () => sockets++)
  yield* Effect.callback<void>((resume) => void server.listen(0, "127.0.0.1", () => resume(Effect.void)))
  const dispatcher = new Pool(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, { bodyTimeout: 0 })
  yield* Effect.addFinalizer(() =>
    Effect.promise(async () => {
      await dispatcher.destroy()
      server.closeAllConnections()
      server.close()
    })
  )
  const running = new Set<RunningExchange>()
  const heard: Array<object> = []
  const paused: Array<() => void> = []
  const counts = { pauses: 0, bytes: 0, takenBack: 0 }
  let goesOn = true
  let onPause = (): void => {}
  const spend = (_: Payer, units: number, goOn: () => void): (() => void) => {
    counts.pauses++
    counts.bytes += units / unitsOfBytes(1)
    if (goesOn) setImmediate(goOn)
    else paused.push(goOn)
    setImmediate(onPause)
    return () => void counts.takenBack++
  }
  const read = exchange({
    server: "scripted",
    fork: Effect.runFork,
    context: contextOf("ada"),
    payer: contextOf("ada").principal.userId,
    pool: { dispatch: (options, handler) => void dispatcher.dispatch(options, handler) },
    spend,
    method: "POST",
    path: "/mcp",
    headers: [],
    body: "{}",
    maxBytes: 2 * size,
    running,
    onMessage: (message) => {
      heard.push(message as object)
      return typeof message === "object" && message !== null && "result" in message
    },
    onNoise: () => {},
    onLate: () => assert.fail("Nothing is late")
  })
  /** From now on pauses do not end; done at the first. */
  const untilPaused = Effect.callback<void>((resume) => {
    onPause = () => resume(Effect.void)
  })
  return {
    read: Effect.map(read, (end) => (end.kind === "body" ? end.body === text : end.kind)),
    counts,
    heard,
    running,
    paused,
    sockets: () => sockets,
    hold: () => void (goesOn = false),
    untilPaused
  }
})

const inPieces =
  (length: number): Answer =>
  (response) => {
    response.writeHead(200, { "content-type": "application/json" })
    for (let at = 0; at < size; at += length) response.write(text.slice(at, at + length))
    response.end()
  }

const whole =
  (headers: Record<string, string>): Answer =>
  (response) =>
    void response.writeHead(200, { "content-type": "application/json", ...headers }).end(text)

const endings: ReadonlyArray<readonly [string, Answer]> = [
  ["of a known length", whole({ "content-length": String(size) })],
  ["of a known length, on a connection that closes", whole({ "content-length": String(size), connection: "close" })],
  ["in chunks, on a connection that closes", whole({ connection: "close", "transfer-encoding": "chunked" })],
  [
    "that only the end of the connection ends",
    (response) => {
      response.useChunkedEncodingByDefault = false
      whole({ connection: "close" })(response)
    }
  ]
]

describe("a large answer that is read with pauses", () => {
  for (const [what, answer] of endings) {
    it.live(`R25: arrives whole: one ${what}`, () =>
      Effect.gen(function* () {
        const { counts, read, running } = yield* start(answer)
        for (let i = 0; i < 5; i++) assert.isTrue(yield* read)
        assert.isAtLeast(counts.pauses, 5 * Math.floor(size / (2 * step)))
        assert.strictEqual(running.size, 0)
      }).pipe(Effect.scoped)
    )
  }

  it.live("R25: is paused after so many bytes, not after every little piece the server writes", () =>
    Effect.gen(function* () {
      const { counts, read, sockets } = yield* start(inPieces(2_000))
      assert.isTrue(yield* read)
      assert.isAtMost(counts.bytes, size)
      assert.isAtMost(counts.pauses, size / step)
      // Its socket is as good as before: there is one more at the most, opened while the other was not free yet.
      for (let i = 0; i < 10; i++) assert.isTrue(yield* read)
      assert.isAtMost(sockets(), 2)
    }).pipe(Effect.scoped)
  )

  it.live("R25: costs what its pieces do where they are little: each as much as a thousand bytes", () =>
    Effect.gen(function* () {
      const pieces = 2_000
      const { counts, read } = yield* start((response) => {
        response.writeHead(200, { "content-type": "application/json" })
        for (let i = 0; i < pieces; i++) response.write("x")
        response.end()
      })
      assert.isFalse(yield* read)
      assert.isAtLeast(counts.pauses, Math.floor((pieces * 1_024) / step) - 1)
      assert.isAtLeast(counts.bytes, (pieces * 1_024) / 2)
    }).pipe(Effect.scoped)
  )

  it.live("B14: is given up in the middle of a pause: nothing of it goes on, and the next one is read", () =>
    Effect.gen(function* () {
      const { counts, hold, paused, read, running, untilPaused } = yield* start(inPieces(10_000))
      hold()
      const reading = yield* Effect.forkChild(read, { startImmediately: true })
      yield* untilPaused
      for (const one of running) one.close()
      assert.strictEqual(counts.takenBack, 1)
      assert.strictEqual(running.size, 0)
      assert.strictEqual(
        (yield* Effect.flip(Fiber.join(reading))).message,
        "Server scripted was disconnected because the session ended"
      )
      for (const goOn of paused) goOn()
      assert.strictEqual(counts.pauses, 1)
    }).pipe(Effect.scoped)
  )
})

const said = Array.from({ length: 200 }, (_, n) => ({ jsonrpc: "2.0", method: "shouts/x", params: { n } }))
const answer = { jsonrpc: "2.0", id: 1, result: {} }

const events =
  (messages: ReadonlyArray<object>): Answer =>
  (response) => {
    response.writeHead(200, { "content-type": "text/event-stream" })
    response.end(messages.map((message) => `data: ${JSON.stringify(message)}\n\n`).join(""))
  }

describe("little messages that are read with pauses", () => {
  it.live("B43: all come, in order, before the answer behind them and before the end of the stream", () =>
    Effect.gen(function* () {
      const cases: ReadonlyArray<readonly [messages: Array<object>, kind: "answered" | "stream"]> = [
        [[...said, answer], "answered"],
        [said, "stream"]
      ]
      for (const [messages, kind] of cases) {
        const { counts, heard, read, running } = yield* start(events(messages))
        assert.strictEqual(yield* read, kind)
        assert.deepStrictEqual(heard, messages)
        assert.isAtLeast(counts.pauses, 10)
        if (kind === "stream") assert.strictEqual(running.size, 0)
      }
    }).pipe(Effect.scoped)
  )

  it.live("B43: after a pause that nothing ends, none of what has arrived is dealt with", () =>
    Effect.gen(function* () {
      const { heard, hold, paused, read, running, untilPaused } = yield* start(events(said))
      hold()
      const reading = yield* Effect.forkChild(read, { startImmediately: true })
      yield* untilPaused
      const before = heard.length
      assert.isBelow(before, 20)
      for (const one of running) one.close()
      for (const goOn of paused) goOn()
      assert.strictEqual((yield* Effect.flip(Fiber.join(reading)))._tag, "UpstreamFailed")
      assert.strictEqual(heard.length, before)
      assert.strictEqual(running.size, 0)
    }).pipe(Effect.scoped)
  )
})
