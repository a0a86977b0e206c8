import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { TestClock } from "effect/testing"
import * as RequestStates from "../../../src/actors/calls/RequestStates.ts"
import { Credentials } from "../../../src/domain/identity/Credentials.ts"
import { SessionId, UserId } from "../../../src/domain/Ids.ts"
import { credentials } from "../../support/Identity.ts"

const adas: RequestStates.Subject = {
  userId: UserId.make("ada"),
  sessionId: SessionId.make("session-of-ada"),
  method: "tools/call",
  params: { name: "notes-search", arguments: { query: "mine", options: { limit: 3, deep: true } } }
}

const refused = (states: RequestStates.RequestStates, subject: RequestStates.Subject, state: unknown) =>
  Effect.map(Effect.flip(states.open(subject, state)), (error) => {
    assert.strictEqual(error._tag, "InvalidParams")
    return error.message
  })

describe("the state a client carries between rounds", () => {
  it.effect("gives back what was put in, once, and shows nothing of it", () =>
    Effect.gen(function* () {
      const states = yield* RequestStates.make
      const parked = yield* states.seal(adas, { job: "job-7" })
      const passed = yield* states.seal(adas, { upstream: { server: "notes", state: "its-own" } })
      assert.notMatch(parked + passed, /job-7|its-own|notes|ada-id/)
      assert.notStrictEqual(yield* states.seal(adas, { job: "job-7" }), parked)
      assert.strictEqual((yield* states.open(adas, parked)).job, "job-7")
      assert.deepStrictEqual((yield* states.open(adas, passed)).upstream, { server: "notes", state: "its-own" })
      yield* refused(states, adas, parked)
      yield* refused(states, adas, passed)
    }).pipe(Effect.provide(credentials))
  )

  it.effect(
    "A44: is refused, always in the same words, for another user, session, method or arguments, and then still opens",
    () =>
      Effect.gen(function* () {
        const states = yield* RequestStates.make
        const state = yield* states.seal(adas, { job: "job-7" })
        const others: ReadonlyArray<Partial<RequestStates.Subject>> = [
          { userId: UserId.make("bo") },
          { sessionId: SessionId.make("session-of-bo") },
          { method: "prompts/get" },
          { params: { ...adas.params, name: "notes-delete" } },
          { params: { ...adas.params, arguments: { query: "mine", options: { limit: 300, deep: true } } } },
          { params: { name: "notes-search" } },
          { params: undefined }
        ]
        const messages = yield* Effect.forEach(others, (other) => refused(states, { ...adas, ...other }, state))
        assert.strictEqual(new Set(messages).size, 1)
        // A retry as clients send it: with the answers, and its keys in whatever order.
        const retry = {
          arguments: { options: { deep: true, limit: 3 }, query: "mine" },
          _meta: { progressToken: 2 },
          inputResponses: { "elicitation-1": { action: "accept" } },
          requestState: state,
          name: "notes-search"
        }
        assert.strictEqual((yield* states.open({ ...adas, params: retry }, state)).job, "job-7")
        assert.strictEqual(yield* refused(states, adas, state), messages[0])
      }).pipe(Effect.provide(credentials))
  )

  it.effect("is refused when it was changed, made up, or never sealed", () =>
    Effect.gen(function* () {
      const states = yield* RequestStates.make
      const state = yield* states.seal(adas, { job: "job-7" })
      // Right in everything but the sealing, as somebody who knows the hub's sources would write it.
      const content = Redacted.value(yield* (yield* Credentials).open(adas.userId, "requestState", state))
      const plain = JSON.stringify({ ...JSON.parse(content), nonce: "1" })
      const credential = yield* (yield* Credentials).seal(adas.userId, "GITHUB_TOKEN", Redacted.make(plain))
      const otherContent = yield* (yield* Credentials).seal(adas.userId, "requestState", Redacted.make("{}"))
      const changed = state.slice(0, -2) + (state.endsWith("AA") ? "BB" : "AA")
      for (const made of [changed, plain, credential, otherContent, "", "enc:v1:", undefined, null, 7, {}, [state]]) {
        yield* refused(states, adas, made)
      }
    }).pipe(Effect.provide(credentials))
  )

  it.effect("is good for ten minutes", () =>
    Effect.gen(function* () {
      const states = yield* RequestStates.make
      const [early, late] = [yield* states.seal(adas, { job: "1" }), yield* states.seal(adas, { job: "2" })]
      yield* TestClock.adjust(10 * 60_000 - 1)
      assert.strictEqual((yield* states.open(adas, early)).job, "1")
      yield* TestClock.adjust(1)
      yield* refused(states, adas, late)
      yield* refused(states, adas, early)
    }).pipe(Effect.provide(credentials))
  )
})
