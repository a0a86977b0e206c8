import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { type Asking, make } from "../../../src/actors/calls/ClientQuestions.ts"
import { RequestTracker } from "../../../src/actors/requests/RequestTracker.ts"
import {
  failure,
  type JsonObject,
  type JsonRpcRequest,
  type JsonRpcResponse,
  request,
  success
} from "../../../src/domain/protocol/JsonRpc.ts"
import { ada, call, errorOf, hanging, test } from "../support/Requests.ts"
import { stream, type TestStream } from "../support/Streams.ts"

/** An upstream that asks, and what it was answered. */
const asker = (to: TestStream = stream(), record?: Asking["record"]) => {
  const answers: Array<JsonRpcResponse> = []
  const progress: Array<JsonObject> = []
  return {
    to,
    answers,
    progress,
    asking: {
      reply: (response: JsonRpcResponse) => void answers.push(response),
      progress: (params: JsonObject) => void progress.push(params),
      send: to.send,
      record
    }
  }
}

/** Requests and notifications the client was sent. */
const sentTo = (one: TestStream) => one.sent as ReadonlyArray<JsonRpcRequest>

const elicit = (id: number, params: JsonObject = { message: "Which?" }) => request(id, "elicitation/create", params)

describe("a question of an upstream to the client", () => {
  it("goes out under an id of the hub, and its answer comes back under the upstream's own", () => {
    const questions = make(() => ({ elicitation: {} }))
    const [notes, mail] = [asker(), asker()]
    questions.ask("notes", elicit(1), notes.asking)
    questions.ask("mail", elicit(1), mail.asking)
    const [toNotes, toMail] = [sentTo(notes.to)[0]!, sentTo(mail.to)[0]!]
    assert.deepInclude(toNotes, { method: "elicitation/create", params: { message: "Which?" } })
    assert.match(String(toNotes.id), /^[0-9a-f]{8}-[0-9a-f-]{27}$/)
    assert.notStrictEqual(toNotes.id, toMail.id)
    assert.isTrue(questions.answer(success(toMail.id, { action: "accept" })))
    assert.deepStrictEqual(mail.answers, [success(1, { action: "accept" })])
    assert.deepStrictEqual(notes.answers, [])
    assert.isTrue(questions.answer(failure(toNotes.id, { code: -1, message: "no" })))
    assert.deepStrictEqual(notes.answers, [failure(1, { code: -1, message: "no" })])
    assert.strictEqual(questions.pending(), 0)
  })

  it("is refused where a thousand and more of the session wait for an answer, until one has got its own", () => {
    const [adas, bos] = [make(() => ({ elicitation: {} })), make(() => ({ elicitation: {} }))]
    const flood = asker()
    for (let id = 1; id <= 1025; id++) adas.ask("notes", elicit(id), flood.asking)
    assert.strictEqual(adas.pending(), 1024)
    assert.strictEqual(sentTo(flood.to).length, 1024)
    const message = "Too many questions to this client wait for an answer"
    assert.deepStrictEqual(flood.answers, [failure(1025, { code: -32603, message })])
    const bo = asker()
    bos.ask("notes", elicit(1), bo.asking)
    assert.strictEqual(sentTo(bo.to).length, 1, "another session's questions are not counted")
    adas.answer(success(sentTo(flood.to)[0]!.id, {}))
    adas.ask("notes", elicit(1026), flood.asking)
    assert.strictEqual(sentTo(flood.to).length, 1025)
  })

  it("is answered once, and only in the session that was asked", () => {
    const [adas, bos] = [make(() => ({ elicitation: {} })), make(() => ({ elicitation: {} }))]
    const notes = asker()
    adas.ask("notes", elicit(1), notes.asking)
    const { id } = sentTo(notes.to)[0]!
    assert.isFalse(bos.answer(success(id, {})), "bo cannot answer what ada was asked")
    assert.isFalse(adas.answer(success(1, {})), "the upstream's own id is none of the hub's")
    assert.isFalse(adas.answer(failure(null, { code: -32700, message: "what" })))
    assert.deepStrictEqual(notes.answers, [])
    assert.isTrue(adas.answer(success(id, { action: "decline" })))
    assert.isFalse(adas.answer(success(id, { action: "accept" })))
    assert.deepStrictEqual(notes.answers, [success(1, { action: "decline" })])
  })

  it("is refused for the client where it did not declare what it takes, and a ping answered", () => {
    const questions = make(() => ({ sampling: {} }))
    const notes = asker()
    for (const method of ["elicitation/create", "roots/list", "no/such", "sampling/createMessage", "ping"]) {
      questions.ask("notes", request(method, method), notes.asking)
    }
    const refused = (method: string) =>
      failure(method, { code: -32601, message: `The client did not declare what ${method} needs` })
    assert.deepStrictEqual(notes.answers, [
      refused("elicitation/create"),
      refused("roots/list"),
      refused("no/such"),
      success("ping", {})
    ])
    assert.deepStrictEqual(
      sentTo(notes.to).map(({ method }) => method),
      ["sampling/createMessage"]
    )
  })

  it("that no stream carries is answered at once", () => {
    const questions = make(() => ({ elicitation: {} }))
    const notes = asker(stream(0))
    questions.ask("notes", elicit(1), notes.asking)
    assert.deepStrictEqual(notes.answers, [
      failure(1, { code: 1503, message: "The client has no stream open on which it could be asked" })
    ])
    assert.strictEqual(questions.pending(), 0)
  })

  it("carries a progress token of the hub, and the client's progress comes back with the upstream's", () => {
    const questions = make(() => ({ sampling: {} }))
    const [notes, mail] = [asker(), asker()]
    const sampling = request(1, "sampling/createMessage", {
      maxTokens: 1,
      _meta: { progressToken: 7, traceparent: "t" }
    })
    questions.ask("notes", sampling, notes.asking)
    questions.ask("mail", sampling, mail.asking)
    const meta = (one: TestStream) => sentTo(one)[0]!.params!["_meta"] as JsonObject
    assert.strictEqual(meta(notes.to)["traceparent"], "t")
    assert.notStrictEqual(meta(notes.to)["progressToken"], meta(mail.to)["progressToken"])
    questions.progress({ progressToken: meta(notes.to)["progressToken"], progress: 1 })
    questions.progress({ progressToken: 7, progress: 2 })
    questions.progress(undefined)
    assert.deepStrictEqual([notes.progress, mail.progress], [[{ progressToken: 7, progress: 1 }], []])
    questions.answer(success(sentTo(notes.to)[0]!.id, {}))
    questions.progress({ progressToken: meta(notes.to)["progressToken"], progress: 3 })
    assert.strictEqual(notes.progress.length, 1, "progress after the answer is nobody's")
  })

  it("taken back by its server is cancelled at the client, and nobody else's of the same id", () => {
    const questions = make(() => ({ elicitation: {} }))
    const [notes, mail] = [asker(), asker()]
    questions.ask("notes", elicit(1), notes.asking)
    questions.ask("mail", elicit(1), mail.asking)
    questions.withdraw("notes", { requestId: 1, reason: "changed my mind" })
    questions.withdraw("notes", { requestId: 2 })
    questions.withdraw("mail", undefined)
    const { id } = sentTo(notes.to)[0]!
    assert.deepInclude(sentTo(notes.to)[1], {
      method: "notifications/cancelled",
      params: { requestId: id, reason: "changed my mind" }
    })
    assert.strictEqual(sentTo(mail.to).length, 1)
    assert.isFalse(questions.answer(success(id, {})))
    assert.deepStrictEqual(notes.answers, [])
    assert.strictEqual(questions.pending(), 1)
  })
})

describe("a question on behalf of a request", () => {
  it.effect("stops the clock of that request until it is answered", () =>
    Effect.gen(function* () {
      const questions = make(() => ({ elicitation: {} }))
      const mine = yield* hanging(call(ada, { timeoutMs: 1_000 }))
      const other = yield* hanging(call(ada, { timeoutMs: 1_000 }))
      const notes = asker(stream(), mine.record)
      yield* TestClock.adjust(600)
      questions.ask("notes", elicit(1), notes.asking)
      questions.ask("notes", elicit(2), notes.asking)
      yield* TestClock.adjust("5 minutes")
      assert.strictEqual(errorOf(yield* Fiber.await(other.fiber))._tag, "RequestTimeout")
      const [first, second] = sentTo(notes.to)
      questions.answer(success(first!.id, {}))
      yield* TestClock.adjust("5 minutes")
      assert.isUndefined(mine.fiber.pollUnsafe())
      questions.answer(success(second!.id, {}))
      yield* TestClock.adjust(399)
      assert.isUndefined(mine.fiber.pollUnsafe())
      yield* TestClock.adjust(1)
      assert.strictEqual(errorOf(yield* Fiber.await(mine.fiber))._tag, "RequestTimeout")
    }).pipe(Effect.provide(test))
  )

  it.effect("that no stream carries does not stop it", () =>
    Effect.gen(function* () {
      const questions = make(() => ({ elicitation: {} }))
      const { fiber, record } = yield* hanging(call(ada, { timeoutMs: 1_000 }))
      questions.ask("notes", elicit(1), asker(stream(0), record).asking)
      yield* TestClock.adjust(1_000)
      assert.strictEqual(errorOf(yield* Fiber.await(fiber))._tag, "RequestTimeout")
    }).pipe(Effect.provide(test))
  )

  it.effect("is cancelled at the client when the request ends; questions of other requests stay", () =>
    Effect.gen(function* () {
      const questions = make(() => ({ elicitation: {} }))
      const tracker = yield* RequestTracker
      const mine = yield* hanging(call(ada))
      const other = yield* hanging(call(ada))
      const notes = asker(stream(), mine.record)
      const mail = asker(stream(), other.record)
      questions.ask("notes", elicit(1), notes.asking)
      questions.ask("mail", elicit(1), mail.asking)
      yield* tracker.endWith(mine.record.requestId, "cancelled", "the client cancelled it")
      questions.settle(mine.record)
      assert.deepInclude(sentTo(notes.to)[1], { method: "notifications/cancelled" })
      assert.deepInclude(sentTo(notes.to)[1]!.params, { requestId: sentTo(notes.to)[0]!.id })
      assert.strictEqual(sentTo(mail.to).length, 1)
      assert.isFalse(questions.answer(success(sentTo(notes.to)[0]!.id, {})))
      assert.isTrue(questions.answer(success(sentTo(mail.to)[0]!.id, {})))
    }).pipe(Effect.provide(test))
  )
})
