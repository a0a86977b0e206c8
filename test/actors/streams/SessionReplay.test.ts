import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import * as fc from "fast-check"
import type { EventWriter } from "../../../src/actors/calls/ClientExchange.ts"
import { maxStreamBytes, maxStreamEvents, type ReplayStream } from "../../../src/actors/streams/ReplayStream.ts"
import * as SessionReplay from "../../../src/actors/streams/SessionReplay.ts"
import type { Room } from "../../../src/actors/limits/Retained.ts"
import { SessionId } from "../../../src/domain/Ids.ts"
import { notification } from "../../../src/domain/protocol/JsonRpc.ts"
import { roomOf } from "../support/Rooms.ts"
import { stream as reader, textOf } from "../support/Streams.ts"

interface Options {
  readonly sessionId?: string
  readonly primes?: boolean
  readonly memory?: Room
  readonly background?: (effect: Effect.Effect<unknown>) => void
}

const make = (options: Options) =>
  SessionReplay.make({
    sessionId: SessionId.make(options.sessionId ?? crypto.randomUUID()),
    primes: options.primes ?? true,
    background: options.background ?? (() => {}),
    memory: options.memory ?? roomOf()
  })

type Replay = SessionReplay.SessionReplay

const message = (data: unknown) => notification("notifications/message", { level: "info", data })
const dataOf = (sent: ReadonlyArray<any>): ReadonlyArray<any> => sent.map(({ params }) => params.data)

const at = (replay: SessionReplay.SessionReplay, id: string) => {
  const found = replay.find(id)
  if (found.kind !== "at") throw new Error(`not resumable but ${found.kind}`)
  return found
}

/** What the client of an unreliable network does to one stream, and what the hub notices of it. */
type Step =
  | { readonly do: "send" }
  /** So many of the events under way reach the client. */
  | { readonly do: "arrive"; readonly count: number }
  /** The connection breaks with what is under way; the hub may notice or go on writing into it. */
  | { readonly do: "cut"; readonly noticed: boolean }
  | { readonly do: "reconnect" }

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.constant<Step>({ do: "send" }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("arrive" as const), count: fc.integer({ min: 1, max: 5 }) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("cut" as const), noticed: fc.boolean() }) },
  { weight: 1, arbitrary: fc.constant<Step>({ do: "reconnect" }) }
)

class UnsteadyClient {
  readonly seen: Array<unknown> = []
  private readonly replay: SessionReplay.SessionReplay
  private readonly stream: ReplayStream
  private lastEventId: string | undefined
  private underWay: Array<{ readonly id: string; readonly json: string }> = []
  private leave: () => void = () => {}

  constructor(replay: SessionReplay.SessionReplay, stream: ReplayStream) {
    this.replay = replay
    this.stream = stream
    this.connect()
  }

  connect(): void {
    const underWay: typeof this.underWay = []
    this.underWay = underWay
    const writer: EventWriter = { event: (id, json) => underWay.push({ id, json: textOf(json) }) > 0, end: () => {} }
    if (this.lastEventId === undefined) {
      this.leave = this.stream.begin(writer)
      return
    }
    const found = this.replay.find(this.lastEventId)
    if (found.kind === "at") this.leave = found.stream.resume(writer, found.after)
  }

  arrive(count: number): void {
    for (const { id, json } of this.underWay.splice(0, count)) {
      this.lastEventId = id
      if (json !== "") this.seen.push(JSON.parse(json).params.data)
    }
  }

  cut(noticed: boolean): void {
    this.underWay = []
    if (noticed) this.leave()
  }
}

describe("an event stream that can be resumed", () => {
  for (const primes of [true, false]) {
    it(`brings everything once and in order wherever it is cut, ${primes ? "with" : "without"} a first event`, () => {
      fc.assert(
        fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
          const replay = make({ primes })
          const stream = replay.open("answer")
          const client = new UnsteadyClient(replay, stream)
          let sent = 0
          for (const one of steps) {
            if (one.do === "send") assert.isTrue(stream.send(message(++sent)))
            else if (one.do === "arrive") client.arrive(one.count)
            else if (one.do === "cut") client.cut(one.noticed)
            else client.connect()
          }
          stream.end()
          client.connect()
          client.arrive(Infinity)
          assert.deepStrictEqual(
            client.seen,
            Array.from({ length: sent }, (_, index) => index + 1)
          )
        }),
        { numRuns: 300 }
      )
    })
  }

  it("has ids that no other stream has, and each is found again at its place", () => {
    const replay = make({})
    const readers = [reader(), reader(), reader()]
    const streams = (["session", "answer", "answer"] as const).map((kind) => replay.open(kind))
    streams.forEach((stream, index) => stream.begin(readers[index]!))
    for (let n = 0; n < 5; n++) for (const stream of streams) stream.send(message(n))
    const ids = readers.flatMap((one) => one.ids)
    assert.strictEqual(new Set(ids).size, 3 * 6)
    readers.forEach((one, index) =>
      one.ids.forEach((id, position) => {
        assert.match(id, /^[\x21-\x7e]{1,64}$/)
        const found = at(replay, id)
        assert.strictEqual(found.stream, streams[index])
        assert.deepStrictEqual([found.after, found.of], [position, index === 0 ? "session" : "answer"])
      })
    )
  })

  it("tells ids of another session, ids it cannot have made, and streams it keeps no more", () => {
    const [ada, bo] = [make({}), make({})]
    const [adas, bos] = [reader(), reader()]
    const [adaStream, boStream] = [ada.open("session"), bo.open("session")]
    adaStream.begin(adas)
    boStream.begin(bos)
    adaStream.send(message("ada's"))
    const id = adas.ids.at(-1)!
    assert.strictEqual(ada.find(id).kind, "at")
    assert.strictEqual(bo.find(id).kind, "foreign")
    const own = id.slice(0, id.lastIndexOf("."))
    for (const wrong of [
      "",
      "1",
      "garbage",
      own,
      `${own}.`,
      `${own}.-1`,
      `${own}.01`,
      `${own}.2`,
      `${own}.1e3`,
      ` ${id}`
    ]) {
      assert.strictEqual(ada.find(wrong).kind, "malformed", wrong)
    }
    ada.forget(adaStream)
    assert.strictEqual(ada.find(id).kind, "fresh")
    const answered = reader()
    const answer = ada.open("answer")
    answer.begin(answered)
    answer.send(message("last"))
    answer.end()
    assert.isTrue(answered.ended())
    assert.strictEqual(ada.find(answered.ids[0]!).kind, "at")
    assert.strictEqual(ada.find(answered.ids[1]!).kind, "over")
    assert.deepStrictEqual(bos.sent, [])
  })

  it("tells an answer that an earlier run of the hub has left, with the requests it was for", () => {
    const [before, now, bo] = ["ada", "ada", "bo"].map((sessionId) => make({ sessionId })) as [Replay, Replay, Replay]
    const ids = [1, -7, "r\u00f8d \u0000 \ud83d\ude80", "x".repeat(100)]
    const idIn = (replay: Replay, kind: "session" | "answer", answered?: ReadonlyArray<string | number>) => {
      const one = reader()
      replay.open(kind, answered).begin(one)
      return one.ids[0]!
    }
    const lost = idIn(before, "answer", ids)
    assert.match(lost, /^[\x21-\x7e]{1,640}$/)
    assert.strictEqual(before.find(lost).kind, "at")
    assert.deepStrictEqual(now.find(lost), { kind: "lost", ids })
    assert.strictEqual(bo.find(lost).kind, "foreign")
    assert.strictEqual(now.find(idIn(before, "session")).kind, "fresh")
    // Too many to be named, and what the hub has never made.
    const many = idIn(
      before,
      "answer",
      Array.from({ length: 100 }, (_, index) => `request ${index}`)
    )
    assert.strictEqual(now.find(many).kind, "over")
    const forge = (text: string) => lost.replace(/~[^.]+/, `~${Buffer.from(text).toString("base64url")}`)
    for (const forged of ["{}", "[{}]", "[null]", "[1.5]", "nonsense"])
      assert.strictEqual(now.find(forge(forged)).kind, "over", forged)
  })

  it("keeps its latest messages within its bounds, and what is left still comes in order", () => {
    const replay = make({})
    const one = reader()
    const stream = replay.open("answer")
    stream.begin(one)
    for (let n = 1; n <= maxStreamEvents + 44; n++) stream.send(message(n))
    assert.strictEqual(replay.kept().events, maxStreamEvents)
    const late = reader()
    at(replay, one.ids[0]!).stream.resume(late, 0)
    assert.isTrue(one.ended())
    assert.deepStrictEqual([dataOf(late.sent)[0], dataOf(late.sent).at(-1)], [45, maxStreamEvents + 44])
    const large = "x".repeat(maxStreamBytes / 2 - 200)
    for (let n = 0; n < 3; n++) stream.send(message(large))
    assert.isAtMost(replay.kept().bytes, maxStreamBytes)
    assert.strictEqual(replay.kept().events, 2)
    assert.strictEqual(dataOf(late.sent).at(-1), large)
  })

  it("takes no message that nobody reads and that is too large to be kept", () => {
    const replay = make({})
    const stream = replay.open("answer")
    const tooLarge = message("x".repeat(maxStreamBytes))
    const leave = stream.begin(reader())
    assert.isTrue(stream.send(tooLarge))
    leave()
    assert.isFalse(stream.send(tooLarge))
    assert.isTrue(stream.send(message("small")))
    assert.strictEqual(replay.kept().events, 1)
  })

  it("gives way to newer ones when it has ended and the session's room is used up, the longest ended first", () => {
    const replay = make({})
    const answers = Array.from({ length: 12 }, (_, n) => {
      const stream = replay.open("answer")
      const one = reader()
      stream.begin(one)
      for (let part = 0; part < 100; part++) stream.send(message([n, part]))
      stream.end()
      return one.ids[0]!
    })
    assert.isAtMost(replay.kept().events, SessionReplay.maxSessionEvents)
    assert.deepStrictEqual(
      answers.map((id) => replay.find(id).kind),
      [...Array(2).fill("over"), ...Array(10).fill("at")]
    )
    const half = "x".repeat(SessionReplay.maxSessionBytes / 4)
    for (let n = 0; n < 8; n++) replay.open("answer").send(message(half))
    assert.isAtMost(replay.kept().bytes, SessionReplay.maxSessionBytes)
    replay.end()
    assert.deepStrictEqual(replay.kept(), { events: 0, bytes: 0 })
  })

  it("A64: gives up its oldest messages, ended streams first, when its user's memory is short; none is refused", () => {
    const memory = roomOf(10_000)
    const replay = make({ memory })
    const [older, newer] = [replay.open("answer"), replay.open("answer")]
    older.send(message("x".repeat(2_000)))
    older.end()
    for (let n = 0; n < 20; n++) assert.isTrue(newer.send(message(`${n}${"x".repeat(2_000)}`)))
    assert.isAtMost(memory.held(), 10_000)
    assert.strictEqual(replay.kept().bytes, memory.held())
    assert.deepStrictEqual(replay.find(`${older.name}.0`), { kind: "over" })
    const client = reader()
    newer.begin(client)
    assert.deepStrictEqual(
      dataOf(client.sent).map((data: string) => data.slice(0, 2)),
      ["16", "17", "18", "19"]
    )
    assert.isFalse(
      make({ memory: roomOf(1_000) })
        .open("answer")
        .send(message("x".repeat(2_000)))
    )
    replay.end()
    assert.strictEqual(memory.held(), 0)
  })

  it.effect("is kept for five minutes after its end and not longer than ten, by one fiber for all of them", () =>
    Effect.gen(function* () {
      const fibers: Array<Fiber.Fiber<unknown>> = []
      const runFork = Effect.runForkWith(yield* Effect.context<never>())
      const replay = make({ background: (effect) => void fibers.push(runFork(effect)) })
      const ending = () => {
        const stream = replay.open("answer")
        const one = reader()
        stream.begin(one)
        stream.send(message("answer"))
        stream.end()
        return one.ids[0]!
      }
      const first = ending()
      yield* TestClock.adjust("4 minutes")
      const second = ending()
      assert.strictEqual(replay.find(first).kind, "at")
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(replay.find(first).kind, "over")
      yield* TestClock.adjust("4 minutes")
      assert.strictEqual(replay.find(second).kind, "at")
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(replay.find(second).kind, "over")
      assert.deepStrictEqual(replay.kept(), { events: 0, bytes: 0 })
      yield* Fiber.join(fibers[0]!)
      assert.strictEqual(fibers.length, 1)
      ending()
      assert.strictEqual(fibers.length, 2)
      for (const fiber of fibers) yield* Fiber.interrupt(fiber)
    })
  )
})
