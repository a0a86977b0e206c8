/** Calls that wait for their users' answers, in random orders: no answer, and no outcome, ever reaches another call. */
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Schema } from "effect"
import { TestClock } from "effect/testing"
import type { JsonObject, JsonRpcResponse } from "../../../src/domain/protocol/JsonRpc.ts"
import type { ClientExchange } from "../../../src/actors/calls/ClientExchange.ts"
import * as ParkedCalls from "../../../src/actors/calls/ParkedCalls.ts"
import { claimOf } from "../support/Rooms.ts"

const exchange: ClientExchange = { send: () => true, succeed: () => {}, fail: () => {}, die: () => {} }

/** A call of an upstream that asks as often as told and ends with every answer it got. */
const asking =
  (owner: string, rounds: number) =>
  (ask: ParkedCalls.Ask): Effect.Effect<JsonObject> =>
    Effect.gen(function* () {
      const heard: Array<unknown> = []
      for (let round = 1; round <= rounds; round++) {
        const answered = yield* Deferred.make<JsonRpcResponse>()
        const params = { message: `${owner} ${round}` }
        // The same id for everybody, as two servers or two connections would choose.
        ask.question(
          { jsonrpc: "2.0", id: round, method: "elicitation/create", params },
          (response) => void Deferred.doneUnsafe(answered, Effect.succeed(response))
        )
        const response = yield* Deferred.await(answered)
        heard.push("result" in response ? response.result : response.error)
      }
      return { owner, heard }
    })

/** Waits out the time the hub gives a server to ask more. */
const settled = Effect.fnUntraced(function* <A, E>(outcome: Effect.Effect<A, E>) {
  const waiting = yield* Effect.forkChild(outcome, { startImmediately: true })
  yield* TestClock.adjust("20 millis")
  return yield* Fiber.join(waiting)
})

interface Talk {
  readonly owner: string
  readonly rounds: number
  outcome: ParkedCalls.Outcome
  answered: number
}

describe("parked calls", () => {
  it.effect.prop(
    "of two users, answered in any order, end with their own users' answers alone",
    {
      rounds: Schema.Array(Schema.Literals([1, 2, 3])).check(Schema.isMinLength(2), Schema.isMaxLength(6)),
      order: Schema.Array(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 1_000 }))).check(
        Schema.isMaxLength(30)
      )
    },
    ({ order, rounds }) =>
      Effect.gen(function* () {
        // An actor's calls are parked apart from another actor's; one user's calls share a place.
        const places = {
          ada: yield* ParkedCalls.make({ claim: claimOf }),
          bo: yield* ParkedCalls.make({ claim: claimOf })
        }
        const talks: Array<Talk> = []
        for (const [index, count] of rounds.entries()) {
          const user = index % 2 === 0 ? "ada" : "bo"
          const owner = `${user}-${index}`
          const outcome = yield* settled(places[user].start("files", exchange, asking(owner, count)))
          talks.push({ owner, rounds: count, outcome, answered: 0 })
        }
        const open = () => talks.filter(({ outcome }) => outcome.kind === "asked")
        const answerOne = Effect.fnUntraced(function* (pick: number) {
          const left = open()
          if (left.length === 0) return
          const talk = left[pick % left.length]!
          if (talk.outcome.kind !== "asked") return
          const [user, other] = talk.owner.startsWith("ada") ? (["ada", "bo"] as const) : (["bo", "ada"] as const)
          const { inputRequests, job } = talk.outcome
          const [key, asked] = Object.entries(inputRequests)[0]!
          const { message } = (asked as { readonly params: { readonly message: string } }).params
          assert.strictEqual(message, `${talk.owner} ${talk.answered + 1}`)
          const answers = { [key]: { from: talk.owner, round: talk.answered + 1 } }
          // The other user, who has somehow learnt the name of the job, reaches nothing with it.
          const stolen = yield* Effect.flip(places[other].resume(job, exchange, { [key]: { from: other } }))
          assert.strictEqual(stolen._tag, "InvalidParams")
          talk.answered++
          talk.outcome = yield* settled(places[user].resume(job, exchange, answers))
        })
        for (const pick of order) yield* answerOne(pick)
        while (open().length > 0) yield* answerOne(0)
        for (const { outcome, owner, rounds: count } of talks) {
          assert.deepStrictEqual(outcome, {
            kind: "result",
            result: { owner, heard: Array.from({ length: count }, (_, at) => ({ from: owner, round: at + 1 })) }
          })
        }
        assert.deepStrictEqual([places.ada.parked(), places.bo.parked()], [0, 0])
      }).pipe(Effect.scoped),
    { arbitrary: { runs: 60 } }
  )
})
