import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { TestClock } from "effect/testing"
import { type Admission, FairShare, unitsOfBytes, type Work } from "../../../src/actors/limits/FairShare.ts"
import * as Payer from "../../../src/actors/limits/Payer.ts"
import { defaults, HubConfig } from "../../../src/domain/config/HubConfig.ts"
import { UserId } from "../../../src/domain/Ids.ts"

const ada = UserId.make("ada")
const bo = UserId.make("bo")
const cy = UserId.make("cy")

/** Ten units a second, two of them at once; four requests may wait. */
const layer = (fairShare = 10) =>
  FairShare.layer.pipe(Layer.provide(Layer.succeed(HubConfig, { ...defaults, fairShare, maxInflightPerUser: 2 })))

/** Requests by name, and which of them have run, in order. */
const requests = Effect.map(FairShare, (share) => {
  const ran: Array<string> = []
  const send = (user: UserId, name: string): Admission => share.admit(user, true, () => ran.push(name))
  return { share, ran, send }
})

/** One request that runs and ends. */
const brief = (share: FairShare["Service"], user: UserId) => {
  assert.strictEqual(
    share.admit(user, true, () => {}),
    "runs"
  )
  share.ended(user)
}

const piece = 64 * 1024

/** A large answer that is read for as long as it may be, and how many pieces of it were. */
const answer = (share: FairShare["Service"], user: UserId) => {
  let pieces = 0
  let end: (() => void) | undefined
  const read = (): void => {
    pieces++
    end = share.spend(user, "answer", unitsOfBytes(piece), read)
    assert.isDefined(end)
  }
  read()
  return { pieces: () => pieces, end: () => end?.() }
}

describe("a user's fair share", () => {
  it.effect("makes nobody wait who is alone, however much they do", () =>
    Effect.gen(function* () {
      const { ran, send, share } = yield* requests
      for (let i = 0; i < 500; i++) assert.strictEqual(send(ada, String(i)), "runs")
      assert.strictEqual(ran.length, 500)
      assert.isUndefined(share.spend(ada, "answer", unitsOfBytes(1e9), () => {}))
    }).pipe(Effect.provide(layer()))
  )

  it.effect("beside bo, ada's requests beyond it wait their turn, in order and at its pace; bo's do not", () =>
    Effect.gen(function* () {
      const { ran, send, share } = yield* requests
      brief(share, bo)
      for (const name of ["1", "2", "3", "4"]) send(ada, name)
      assert.deepStrictEqual(ran, ["1", "2"])
      assert.strictEqual(share.waiting(), 2)
      assert.strictEqual(send(bo, "bo's"), "runs")
      yield* TestClock.adjust("99 millis")
      assert.deepStrictEqual(ran, ["1", "2", "bo's"])
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual(ran, ["1", "2", "bo's", "3"])
      yield* TestClock.adjust("100 millis")
      assert.deepStrictEqual(ran, ["1", "2", "bo's", "3", "4"])
      assert.deepStrictEqual([share.waiting(), share.waited()], [0, 2])
    }).pipe(Effect.provide(layer()))
  )

  it.effect("never holds the only request of a user: who awaits each answer is not slowed down", () =>
    Effect.gen(function* () {
      const { ran, send, share } = yield* requests
      brief(share, bo)
      for (let i = 0; i < 100; i++) {
        assert.strictEqual(send(ada, String(i)), "runs")
        share.ended(ada)
        yield* Effect.yieldNow
      }
      assert.strictEqual(ran.length, 100)
      // A second one beside it does have to wait, and so does one whose answer is not awaited.
      send(ada, "one")
      assert.isFunction(send(ada, "another"))
      share.ended(ada)
      yield* TestClock.adjust("300 millis")
      share.ended(ada)
      assert.strictEqual(share.waiting(), 0)
      assert.isFunction(share.admit(ada, false, () => {}))
    }).pipe(Effect.provide(layer()))
  )

  it.effect("requests that arrive together are several, though each is answered before the next one is looked at", () =>
    Effect.gen(function* () {
      const { ran, send, share } = yield* requests
      brief(share, bo)
      for (let i = 0; i < 100; i++) {
        const admission = share.admit(ada, true, () => {
          ran.push(String(i))
          share.ended(ada)
        })
        // Two may run at once, four wait.
        assert.strictEqual(
          typeof admission === "function" ? "waits" : admission,
          i < 2 ? "runs" : i < 6 ? "waits" : "refused"
        )
      }
      assert.strictEqual(send(bo, "bo's"), "runs")
      yield* Effect.yieldNow
      assert.deepStrictEqual(ran, ["0", "1", "bo's"])
      yield* TestClock.adjust("100 millis")
      assert.deepStrictEqual(ran, ["0", "1", "bo's", "2"])
    }).pipe(Effect.provide(layer()))
  )

  it.effect("protects those who ask little: where all ask much, nobody waits", () =>
    Effect.gen(function* () {
      const { send } = yield* requests
      const waits = (user: UserId) => typeof send(user, "") === "function"
      const both = Array.from({ length: 10 }, () => [waits(ada), waits(bo)])
      assert.deepStrictEqual(both.flat().filter(Boolean), [])
      // Cy asks for one thing only, and both have to leave room for it.
      assert.isFalse(waits(cy))
      assert.deepStrictEqual([waits(ada), waits(bo), waits(cy)], [true, true, false])
    }).pipe(Effect.provide(layer()))
  )

  it.effect("lets waiting requests go as soon as there is nobody left to be protected", () =>
    Effect.gen(function* () {
      const { ran, send, share } = yield* requests
      brief(share, bo)
      yield* TestClock.adjust("9900 millis")
      for (const name of ["1", "2", "3", "4", "5", "6"]) send(ada, name)
      assert.strictEqual(ran.length, 2)
      yield* TestClock.adjust("200 millis")
      assert.strictEqual(ran.length, 6)
    }).pipe(Effect.provide(layer()))
  )

  it.effect("refuses what more than a user's bound would wait; other users have theirs", () =>
    Effect.gen(function* () {
      const { send, share } = yield* requests
      brief(share, cy)
      const adas = Array.from({ length: 8 }, (_, i) => send(ada, String(i)))
      assert.deepStrictEqual(
        adas.map((admission) => (typeof admission === "string" ? admission : "waits")),
        ["runs", "runs", "waits", "waits", "waits", "waits", "refused", "refused"]
      )
      assert.deepStrictEqual([send(bo, "1"), send(bo, "2")], ["runs", "runs"])
      assert.strictEqual(typeof send(bo, "3"), "function")
    }).pipe(Effect.provide(layer()))
  )

  it.effect("a waiting request that is taken back never runs, and makes room", () =>
    Effect.gen(function* () {
      const { ran, send, share } = yield* requests
      brief(share, bo)
      const admissions = ["1", "2", "3", "4"].map((name) => send(ada, name))
      ;(admissions[2] as () => void)()
      assert.strictEqual(share.waiting(), 1)
      yield* TestClock.adjust("100 millis")
      assert.deepStrictEqual(ran, ["1", "2", "4"])
      ;(admissions[2] as () => void)()
      ;(admissions[3] as () => void)()
      assert.strictEqual(share.waiting(), 0)
    }).pipe(Effect.provide(layer()))
  )

  it.effect("a large answer is read at its pace beside others, and all at once alone", () =>
    Effect.gen(function* () {
      const { share } = yield* requests
      assert.isUndefined(share.spend(ada, "answer", unitsOfBytes(piece), () => {}))
      brief(share, bo)
      const adas = answer(share, ada)
      // One and a half units are left, a piece is half of one, and it takes a whole one to go on.
      yield* TestClock.adjust(0)
      assert.strictEqual(adas.pieces(), 3)
      yield* TestClock.adjust("49 millis")
      assert.strictEqual(adas.pieces(), 3)
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(adas.pieces(), 4)
      adas.end()
      yield* TestClock.adjust("1 second")
      assert.strictEqual(adas.pieces(), 4)
      assert.deepStrictEqual([share.waiting(), share.waited()], [0, 0])
    }).pipe(Effect.provide(layer()))
  )

  it.effect("however many large answers are read at once, together they are no faster than one", () =>
    Effect.gen(function* () {
      const { share } = yield* requests
      brief(share, bo)
      const adas = Array.from({ length: 100 }, () => answer(share, ada))
      const pass = TestClock.adjust("50 millis")
      for (let i = 0; i < 10; i++) yield* pass
      const before = adas.reduce((sum, { pieces }) => sum + pieces(), 0)
      for (let i = 0; i < 100; i++) yield* pass
      const read = adas.reduce((sum, { pieces }) => sum + pieces(), 0) - before
      assert.approximately(read, 100, 2)
    }).pipe(Effect.provide(layer()))
  )

  it.effect("requests and large answers of one user take turns: neither keeps the other waiting", () =>
    Effect.gen(function* () {
      const { ran, send, share } = yield* requests
      brief(share, bo)
      for (const name of ["1", "2"]) send(ada, name)
      const adas = [answer(share, ada), answer(share, ada)]
      for (const name of ["3", "4", "5"]) send(ada, name)
      yield* TestClock.adjust("500 millis")
      assert.deepStrictEqual(ran, ["1", "2", "3", "4", "5"])
      assert.deepStrictEqual(
        adas.map(({ pieces }) => pieces()),
        [3, 2]
      )
    }).pipe(Effect.provide(layer()))
  )

  it.effect("what is owed is bounded: an hour of work alone is paid for within a moment", () =>
    Effect.gen(function* () {
      const { ran, send, share } = yield* requests
      for (let i = 0; i < 10_000; i++) {
        send(ada, "")
        share.ended(ada)
      }
      yield* Effect.yieldNow
      brief(share, bo)
      send(ada, "only")
      send(ada, "next")
      assert.strictEqual(ran.length, 10_001)
      yield* TestClock.adjust("300 millis")
      assert.strictEqual(ran.length, 10_002)
    }).pipe(Effect.provide(layer()))
  )

  it.effect(
    "A56: one large piece of work is owed in full beside others, and little ones after it take nothing off",
    () =>
      Effect.gen(function* () {
        const { ran, send, share } = yield* requests
        brief(share, bo)
        share.charge(ada, "body", 12)
        for (let i = 0; i < 3; i++) share.charge(ada, "server", 1)
        send(ada, "only")
        send(ada, "next")
        assert.deepStrictEqual(ran, ["only"])
        // Ten units are owed, and it takes a whole one to go on.
        yield* TestClock.adjust("1099 millis")
        assert.deepStrictEqual(ran, ["only"])
        yield* TestClock.adjust("1 millis")
        assert.deepStrictEqual(ran, ["only", "next"])
        assert.strictEqual(send(bo, "bo's"), "runs")
      }).pipe(Effect.provide(layer()))
  )

  it.effect("A57: tells what has been charged by kind of work, and how many users have used up their share", () =>
    Effect.gen(function* () {
      const { send, share } = yield* requests
      brief(share, bo)
      assert.strictEqual(share.overdrawn(), 0)
      for (const name of ["1", "2", "3"]) send(ada, name)
      share.charge(ada, "server", 3)
      share.spend(ada, "answer", 0.5, () => {})
      assert.deepStrictEqual(
        ["request", "server", "answer", "body"].map((work) => share.charged(work as Work)),
        [3, 3, 0, 0]
      )
      assert.strictEqual(share.overdrawn(), 1)
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual([share.charged("request"), share.charged("answer")], [4, 0.5])
      assert.strictEqual(share.overdrawn(), 0)
    }).pipe(Effect.provide(layer()))
  )

  it.effect(
    "B46: what a shared server says is held to a bucket of its own, whatever its users owe, and only beside two",
    () =>
      Effect.gen(function* () {
        const { send, share } = yield* requests
        const server = Payer.ofConnection("files", "shared", ada)
        assert.strictEqual(Payer.ofConnection("files", "user", ada), ada)
        let went = 0
        const say = (units: number) => share.spend(server, "answer", units, () => went++)
        brief(share, bo)
        assert.isUndefined(say(1_000), "bo alone waits for nobody by waiting for it")
        yield* TestClock.adjust("1 second")
        send(ada, "runs on")
        share.charge(ada, "answer", 10_000)
        assert.isDefined(say(1))
        // Ada's debt would take a quarter of an hour; the server's own is as old as it is.
        yield* TestClock.adjust("200 millis")
        assert.strictEqual(went, 1)
        for (let n = 0; n < 5; n++) say(1)
        assert.strictEqual(send(bo, "bo's"), "runs")
        yield* TestClock.adjust("10 millis")
        assert.isBelow(went, 4)
        yield* TestClock.adjust("1 second")
        assert.strictEqual(went, 6)
      }).pipe(Effect.provide(layer()))
  )

  it.effect("is over when the hub stops: whoever waits goes on, and nobody waits any more", () =>
    Effect.gen(function* () {
      const { ran, send, share } = yield* requests
      brief(share, bo)
      for (const name of ["1", "2", "3", "4"]) send(ada, name)
      yield* share.release
      yield* TestClock.adjust(0)
      assert.strictEqual(ran.length, 4)
      for (const name of ["5", "6", "7"]) assert.strictEqual(send(ada, name), "runs")
    }).pipe(Effect.provide(layer()))
  )

  it.effect("can be turned off", () =>
    Effect.gen(function* () {
      const { send, share } = yield* requests
      brief(share, bo)
      for (let i = 0; i < 100; i++) assert.strictEqual(send(ada, ""), "runs")
      assert.isUndefined(share.spend(ada, "answer", unitsOfBytes(1e9), () => {}))
    }).pipe(Effect.provide(layer(0)))
  )
})
