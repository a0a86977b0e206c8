import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Scope } from "effect"
import { TestClock } from "effect/testing"
import { RawJson } from "../../../src/domain/protocol/json/RawJson.ts"
import * as ParkedCalls from "../../../src/actors/calls/ParkedCalls.ts"
import { InvalidParams, type RequestError } from "../../../src/domain/requests/RequestErrors.ts"
import { failure, type JsonRpcResponse, notification, request, success } from "../../../src/domain/protocol/JsonRpc.ts"
import { post } from "../support/Streams.ts"
import { claimOf } from "../support/Rooms.ts"

/** An upstream's call that asks what the test says and ends when the test says, and what became of it. */
const upstreamCall = Effect.gen(function* () {
  const begun = yield* Deferred.make<ParkedCalls.Ask>()
  const answer = yield* Deferred.make<unknown, RequestError>()
  const interrupted = yield* Deferred.make<void>()
  const replies: Array<JsonRpcResponse> = []
  let runs = 0
  return {
    run: (ask: ParkedCalls.Ask) =>
      Effect.suspend(() => {
        runs++
        Deferred.doneUnsafe(begun, Exit.succeed(ask))
        return Deferred.await(answer)
      }).pipe(Effect.onInterrupt(() => Deferred.succeed(interrupted, undefined))),
    ask: Deferred.await(begun),
    elicit: (id: number, message = "Which?") =>
      Effect.map(Deferred.await(begun), (ask) =>
        ask.question(request(id, "elicitation/create", { message }), (response) => void replies.push(response))
      ),
    end: (result: unknown) => Deferred.succeed(answer, result),
    fail: (error: RequestError) => Deferred.fail(answer, error),
    interrupted: Deferred.await(interrupted),
    isInterrupted: Deferred.isDone(interrupted),
    replies,
    runs: () => runs
  }
})

/** Past the moment in which more questions are waited for. */
const aBreath = TestClock.adjust("20 millis")

/** A call parked with one question. */
const parkedCall = Effect.fnUntraced(function* (calls: ParkedCalls.ParkedCalls) {
  const call = yield* upstreamCall
  const first = yield* Effect.forkChild(calls.start("files", post(), call.run))
  yield* call.elicit(1)
  yield* aBreath
  const outcome = yield* Fiber.join(first)
  assert(outcome.kind === "asked")
  return { call, job: outcome.job, inputRequests: outcome.inputRequests, key: Object.keys(outcome.inputRequests)[0]! }
})

const lost = "The call this requestState belongs to has ended; send the request anew without it"

describe("a call that asks nothing", () => {
  it.effect("answers its POST, and nothing of it stays", () =>
    Effect.gen(function* () {
      const calls = yield* ParkedCalls.make({ claim: claimOf })
      const call = yield* upstreamCall
      yield* call.end({ fine: true })
      assert.deepStrictEqual(yield* calls.start("files", post(), call.run), { kind: "result", result: { fine: true } })
      const failing = yield* upstreamCall
      yield* failing.fail(new InvalidParams({ message: "no" }))
      assert.strictEqual((yield* Effect.flip(calls.start("files", post(), failing.run))).message, "no")
      assert.strictEqual(calls.parked(), 0)
    }).pipe(Effect.scoped)
  )

  it.effect("ends with its POST: who disconnects cancels it", () =>
    Effect.gen(function* () {
      const calls = yield* ParkedCalls.make({ claim: claimOf })
      const [adas, bos] = [yield* upstreamCall, yield* upstreamCall]
      const [ada, bo] = [
        yield* Effect.forkChild(calls.start("files", post(), adas.run)),
        yield* Effect.forkChild(calls.start("files", post(), bos.run))
      ]
      yield* Effect.all([adas.ask, bos.ask])
      yield* Fiber.interrupt(ada)
      yield* adas.interrupted
      assert.strictEqual(calls.parked(), 1)
      yield* bos.end("still there")
      assert.deepStrictEqual(yield* Fiber.join(bo), { kind: "result", result: "still there" })
    }).pipe(Effect.scoped)
  )
})

describe("a call that asks", () => {
  it.effect("is answered with its questions, all of one breath together, and goes on with the answers", () =>
    Effect.gen(function* () {
      const calls = yield* ParkedCalls.make({ claim: claimOf })
      const call = yield* upstreamCall
      const first = yield* Effect.forkChild(calls.start("files", post(), call.run))
      yield* call.elicit(1, "Which?")
      yield* TestClock.adjust("10 millis")
      yield* call.elicit(2, "How many?")
      yield* aBreath
      const asked = yield* Fiber.join(first)
      assert(asked.kind === "asked")
      assert.deepStrictEqual(Object.values(asked.inputRequests), [
        { method: "elicitation/create", params: { message: "Which?" } },
        { method: "elicitation/create", params: { message: "How many?" } }
      ])
      const [which, many] = Object.keys(asked.inputRequests) as [string, string]
      const answers = { [many]: { action: "decline" }, [which]: { action: "accept" }, "no-such": {} }
      const second = yield* Effect.forkChild(calls.resume(asked.job, post(), answers), { startImmediately: true })
      assert.deepStrictEqual(call.replies, [success(2, { action: "decline" }), success(1, { action: "accept" })])
      yield* call.end("done")
      assert.deepStrictEqual(yield* Fiber.join(second), { kind: "result", result: "done" })
      assert.strictEqual(call.runs(), 1)
      assert.strictEqual(calls.parked(), 0)
    }).pipe(Effect.scoped)
  )

  it.effect("may ask again after the answers, and asks again what was not answered", () =>
    Effect.gen(function* () {
      const calls = yield* ParkedCalls.make({ claim: claimOf })
      const { call, inputRequests, job, key } = yield* parkedCall(calls)
      const again = yield* calls.resume(job, post(), {})
      assert.deepStrictEqual(again, { kind: "asked", inputRequests, job })
      const third = yield* Effect.forkChild(calls.resume(job, post(), { [key]: {} }), { startImmediately: true })
      yield* call.elicit(2, "Sure?")
      yield* aBreath
      const asked = yield* Fiber.join(third)
      assert(asked.kind === "asked")
      assert.deepStrictEqual(Object.values(asked.inputRequests), [
        { method: "elicitation/create", params: { message: "Sure?" } }
      ])
      assert.notInclude(Object.keys(asked.inputRequests), key)
    }).pipe(Effect.scoped)
  )

  it.effect("is told of an answer that is none as of an error", () =>
    Effect.gen(function* () {
      const calls = yield* ParkedCalls.make({ claim: claimOf })
      const { call, job, key } = yield* parkedCall(calls)
      yield* Effect.forkChild(calls.resume(job, post(), { [key]: "yes" }), { startImmediately: true })
      assert.deepStrictEqual(call.replies, [
        failure(1, { code: -32602, message: "The client answered with something else than an object" })
      ])
    }).pipe(Effect.scoped)
  )

  it.effect("goes on without a question it has taken back", () =>
    Effect.gen(function* () {
      const calls = yield* ParkedCalls.make({ claim: claimOf })
      const call = yield* upstreamCall
      const first = yield* Effect.forkChild(calls.start("files", post(), call.run))
      yield* call.elicit(1)
      ;(yield* call.ask).withdraw(1)
      yield* aBreath
      assert.isUndefined(first.pollUnsafe())
      yield* call.end("without")
      assert.deepStrictEqual(yield* Fiber.join(first), { kind: "result", result: "without" })
    }).pipe(Effect.scoped)
  )

  it.effect("asks a hundred questions at once and no more: the upstream hears that of the others", () =>
    Effect.gen(function* () {
      const calls = yield* ParkedCalls.make({ claim: claimOf })
      const call = yield* upstreamCall
      const first = yield* Effect.forkChild(calls.start("files", post(), call.run))
      for (let id = 1; id <= 102; id++) yield* call.elicit(id)
      yield* aBreath
      const asked = yield* Fiber.join(first)
      assert(asked.kind === "asked")
      assert.strictEqual(Object.keys(asked.inputRequests).length, 100)
      const message = "Too many questions of this call wait for an answer"
      assert.deepStrictEqual(call.replies, [
        failure(101, { code: -32603, message }),
        failure(102, { code: -32603, message })
      ])
    }).pipe(Effect.scoped)
  )

  it.effect("that ends between rounds keeps its outcome, good or bad, for the retry", () =>
    Effect.gen(function* () {
      const calls = yield* ParkedCalls.make({ claim: claimOf })
      const [good, bad] = [yield* parkedCall(calls), yield* parkedCall(calls)]
      yield* good.call.end("impatient")
      yield* bad.call.fail(new InvalidParams({ message: "gone" }))
      assert.strictEqual(calls.parked(), 2)
      const outcome = yield* calls.resume(good.job, post(), { [good.key]: {} })
      assert.deepStrictEqual(outcome, { kind: "result", result: "impatient" })
      assert.strictEqual((yield* Effect.flip(calls.resume(bad.job, post(), {}))).message, "gone")
      assert.strictEqual(calls.parked(), 0)
    }).pipe(Effect.scoped)
  )
})

describe("a parked call", () => {
  it.effect("is resumed by one retry at a time, and by none after its end", () =>
    Effect.gen(function* () {
      const calls = yield* ParkedCalls.make({ claim: claimOf })
      const { call, job, key } = yield* parkedCall(calls)
      const waiting = yield* Effect.forkChild(calls.resume(job, post(), { [key]: {} }), { startImmediately: true })
      assert.strictEqual((yield* Effect.flip(calls.resume(job, post(), { [key]: { other: true } }))).message, lost)
      assert.strictEqual(call.replies.length, 1)
      yield* call.end("done")
      yield* Fiber.join(waiting)
      for (const id of [job, "no-such"]) {
        assert.strictEqual((yield* Effect.flip(calls.resume(id, post(), {}))).message, lost)
      }
    }).pipe(Effect.scoped)
  )

  it.effect("is given up ten minutes after it was parked; a retry starts that time anew", () =>
    Effect.gen(function* () {
      const calls = yield* ParkedCalls.make({ claim: claimOf })
      const [left, kept] = [yield* parkedCall(calls), yield* parkedCall(calls)]
      yield* TestClock.adjust("9 minutes")
      assert.strictEqual((yield* calls.resume(kept.job, post(), {})).kind, "asked")
      yield* TestClock.adjust("1 minute")
      yield* left.call.interrupted
      assert.isFalse(yield* kept.call.isInterrupted)
      assert.strictEqual((yield* Effect.flip(calls.resume(left.job, post(), {}))).message, lost)
      yield* TestClock.adjust("9 minutes")
      yield* kept.call.interrupted
      assert.strictEqual(calls.parked(), 0)
    }).pipe(Effect.scoped)
  )

  it.effect("is not given up while a retry waits for it", () =>
    Effect.gen(function* () {
      const calls = yield* ParkedCalls.make({ claim: claimOf })
      const { call, job, key } = yield* parkedCall(calls)
      const waiting = yield* Effect.forkChild(calls.resume(job, post(), { [key]: {} }), { startImmediately: true })
      yield* TestClock.adjust("20 minutes")
      assert.isFalse(yield* call.isInterrupted)
      yield* call.end("late")
      assert.deepStrictEqual(yield* Fiber.join(waiting), { kind: "result", result: "late" })
    }).pipe(Effect.scoped)
  )

  it.effect("ends when its retry is given up", () =>
    Effect.gen(function* () {
      const calls = yield* ParkedCalls.make({ claim: claimOf })
      const { call, job, key } = yield* parkedCall(calls)
      const waiting = yield* Effect.forkChild(calls.resume(job, post(), { [key]: {} }), { startImmediately: true })
      yield* Fiber.interrupt(waiting)
      yield* call.interrupted
      assert.strictEqual(calls.parked(), 0)
    }).pipe(Effect.scoped)
  )

  it.effect("ends when its retry is given up while it is told what it missed", () =>
    Effect.gen(function* () {
      const calls = yield* ParkedCalls.make({ claim: claimOf })
      const { call, job, key } = yield* parkedCall(calls)
      const ask = yield* call.ask
      ask.send(notification("notifications/message", { data: "meanwhile" }))
      const gone = yield* Deferred.make<Fiber.Fiber<unknown, unknown>>()
      const exchange = post()
      const leaving = {
        ...exchange,
        send: () => {
          fiber.interruptUnsafe()
          return true
        }
      }
      const fiber = yield* Effect.forkChild(
        Effect.andThen(
          Effect.suspend(() => Deferred.await(gone)),
          calls.resume(job, leaving, { [key]: {} })
        )
      )
      yield* Deferred.succeed(gone, fiber)
      yield* Fiber.await(fiber)
      yield* call.interrupted
      assert.strictEqual(calls.parked(), 0)
    }).pipe(Effect.scoped)
  )

  it.effect("ends with its session, and another session's does not", () =>
    Effect.gen(function* () {
      const session = yield* Scope.make()
      const adas = yield* Scope.provide(ParkedCalls.make({ claim: claimOf }), session)
      const bos = yield* ParkedCalls.make({ claim: claimOf })
      const [ada, bo] = [yield* parkedCall(adas), yield* parkedCall(bos)]
      assert.strictEqual((yield* Effect.flip(bos.resume(ada.job, post(), {}))).message, lost)
      yield* Scope.close(session, Exit.void)
      yield* ada.call.interrupted
      assert.isFalse(yield* bo.call.isInterrupted)
      assert.strictEqual(bos.parked(), 1)
    }).pipe(Effect.scoped)
  )
})

/** A session's calls in this much memory, and what is held of it. */
const callsWithin = Effect.fnUntraced(function* (bytes: number) {
  const claims: Array<ReturnType<typeof claimOf>> = []
  const claim = () => {
    const one = claimOf(bytes)
    claims.push(one)
    return one
  }
  const calls = yield* ParkedCalls.make({ claim })
  return { calls, held: () => claims.reduce((sum, one) => sum + one.held(), 0) }
})

describe("what a call keeps while nobody waits for it", () => {
  it.effect("A85: counts for its user, from the question to the answer that is fetched", () =>
    Effect.gen(function* () {
      const { calls, held } = yield* callsWithin(100_000)
      const { call, job, key } = yield* parkedCall(calls)
      const asked = held()
      assert.isAbove(asked, 0)
      ;(yield* call.ask).send(notification("notifications/message", { data: "x".repeat(5_000) }))
      assert.isAbove(held(), asked + 5_000)
      assert.strictEqual((yield* calls.resume(job, post(), {})).kind, "asked")
      assert.strictEqual(held(), asked)
      yield* call.end({ text: "x".repeat(50_000) })
      assert.isAbove(held(), asked + 50_000)
      assert.strictEqual((yield* calls.resume(job, post(), { [key]: {} })).kind, "result")
      assert.strictEqual(held(), 0)
    }).pipe(Effect.scoped)
  )

  it.effect("A85: takes no room once its question is taken back, and none once the call is given up", () =>
    Effect.gen(function* () {
      const { calls, held } = yield* callsWithin(100_000)
      const [left, withdrawn] = [yield* parkedCall(calls), yield* upstreamCall]
      const one = held()
      const waiting = yield* Effect.forkChild(calls.start("files", post(), withdrawn.run))
      yield* withdrawn.elicit(2)
      assert.strictEqual(held(), 2 * one)
      ;(yield* withdrawn.ask).withdraw(2)
      assert.strictEqual(held(), one)
      yield* TestClock.adjust("10 minutes")
      yield* left.call.interrupted
      assert.strictEqual(held(), 0)
      yield* Fiber.interrupt(waiting)
    }).pipe(Effect.scoped)
  )

  it.effect(
    "A85: is refused beyond its user's room: the server's question, a message, and the answer, which is said",
    () =>
      Effect.gen(function* () {
        const { calls } = yield* callsWithin(10_000)
        const { call, job } = yield* parkedCall(calls)
        yield* call.elicit(2, "x".repeat(20_000))
        assert.deepInclude(call.replies[0], { id: 2 })
        assert.include(JSON.stringify(call.replies[0]), "MAX_MEMORY_PER_USER")
        assert.isFalse((yield* call.ask).send(notification("notifications/message", { data: "x".repeat(20_000) })))
        yield* call.end(new RawJson([Buffer.alloc(20_000, "7")]))
        const error = yield* Effect.flip(calls.resume(job, post(), {}))
        assert.strictEqual(error._tag, "AnswerLost")
        assert.include(error.message, "what the call did is done")
        assert.strictEqual(calls.parked(), 0)
      }).pipe(Effect.scoped)
  )
})

describe("what a call tells on the way", () => {
  it.effect("reaches the POST that waits, and between rounds the next one, the first 256 of it", () =>
    Effect.gen(function* () {
      const calls = yield* ParkedCalls.make({ claim: claimOf })
      const call = yield* upstreamCall
      const [first, second] = [post(), post()]
      const said = (index: number) => notification("notifications/message", { data: index })
      const starting = yield* Effect.forkChild(calls.start("files", first, call.run))
      const ask = yield* call.ask
      assert.isTrue(ask.send(said(0)))
      yield* call.elicit(1)
      yield* aBreath
      const asked = yield* Fiber.join(starting)
      assert(asked.kind === "asked")
      const taken = Array.from({ length: 300 }, (_, index) => ask.send(said(index + 1)))
      assert.strictEqual(taken.filter(Boolean).length, 256)
      assert.deepStrictEqual(first.sent, [said(0)])
      const exit = yield* Effect.forkChild(calls.resume(asked.job, second, {}))
      assert.strictEqual((yield* Fiber.join(exit)).kind, "asked")
      assert.strictEqual(second.sent.length, 256)
      assert.deepStrictEqual([second.sent[0], second.sent.at(-1)], [said(1), said(256)])
    }).pipe(Effect.scoped)
  )
})
