import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, FiberSet, Layer } from "effect"
import { TestClock } from "effect/testing"
import * as ClientQuestions from "../../../src/actors/calls/ClientQuestions.ts"
import * as EraBridge from "../../../src/actors/calls/EraBridge.ts"
import * as ParkedCalls from "../../../src/actors/calls/ParkedCalls.ts"
import type { RequestError } from "../../../src/domain/requests/RequestErrors.ts"
import { RequestTracker } from "../../../src/actors/requests/RequestTracker.ts"
import * as RequestStates from "../../../src/actors/calls/RequestStates.ts"
import type { Call, Send } from "../../../src/actors/calls/Call.ts"
import type {
  CallContext,
  UpstreamConnection,
  UpstreamMessage
} from "../../../src/actors/upstream/connection/UpstreamConnection.ts"
import {
  failure,
  type JsonObject,
  type JsonRpcRequest,
  type JsonRpcResponse,
  notification,
  request,
  success
} from "../../../src/domain/protocol/JsonRpc.ts"
import type { Era } from "../../../src/domain/protocol/Versions.ts"
import { credentials } from "../../support/Identity.ts"
import { ada, test } from "../support/Requests.ts"
import { post } from "../support/Streams.ts"
import { claimOf } from "../support/Rooms.ts"
import { contextOf } from "../upstream/support/HttpCalls.ts"

/** A connection as the bridge sees it: its era, and where answers to its questions go. */
const upstream = (era: Era) => {
  const responses: Array<JsonRpcResponse> = []
  const connection: UpstreamConnection = {
    server: "notes",
    era,
    info: {
      protocolVersion: era === "stateless" ? "2026-07-28" : "2025-11-25",
      capabilities: {},
      serverInfo: {},
      isGuess: false,
      oddities: []
    },
    stateful: era === "stateful",
    request: () => Effect.die("the bridge sends by the way it is given"),
    notify: () => Effect.void,
    respond: (response) => Effect.sync(() => void responses.push(response)),
    closed: Effect.never
  }
  return { connection, responses }
}

/** A session's bridge for clients of one era. */
const session = Effect.fnUntraced(function* (
  era: Era,
  capabilities: JsonObject = { elicitation: {} },
  allowed = Infinity
) {
  let open = 0
  const tracker = yield* RequestTracker
  const questions = ClientQuestions.make(() => capabilities)
  const runFork = yield* FiberSet.makeRuntime<never, unknown, unknown>()
  const passed: Array<UpstreamMessage> = []
  const parked = yield* ParkedCalls.make({ claim: claimOf })
  const bridge = EraBridge.make({
    era,
    offered: () => capabilities,
    states: yield* RequestStates.make,
    parked,
    openCalls: { take: () => open < allowed && ++open > 0, give: () => void open-- },
    questions,
    background: (effect) => void runFork(effect),
    sendNow: () => false,
    onMessage: (call, _, message) => {
      passed.push(message)
      call.exchange.send(message)
    }
  })
  /** Carries one request as the session does: a retry is opened first. */
  const carry = Effect.fnUntraced(function* (
    connection: UpstreamConnection,
    params: JsonObject,
    send: Send,
    options: {
      readonly method?: string
      readonly context?: CallContext
      readonly exchange?: ReturnType<typeof post>
    } = {}
  ) {
    const method = options.method ?? "tools/call"
    const context = options.context ?? contextOf("ada")
    const exchange = options.exchange ?? post()
    return yield* tracker.track(
      { principal: ada, sessionId: context.sessionId, method, kind: "request" },
      (record): Effect.Effect<unknown, RequestError> => {
        const call: Call = {
          message: request(1, method, params),
          context,
          record,
          exchange
        }
        return Effect.flatMap(bridge.retry(call), (retry) =>
          retry.kind === "done" ? Effect.succeed(retry.result) : bridge.carry(call, connection, retry.params, send)
        )
      }
    )
  })
  return { bridge, carry, passed, questions, parked }
})

const layer = Layer.merge(test, credentials)
const provided = <A, E, R>(effect: Effect.Effect<A, E, R>) => effect.pipe(Effect.scoped, Effect.provide(layer))

const asked = (result: unknown) => {
  const { inputRequests, requestState, resultType } = result as JsonObject
  assert.strictEqual(resultType, "input_required")
  return { inputRequests: inputRequests as Record<string, JsonObject>, requestState }
}

const search = { name: "search", arguments: { q: "x" } }

describe("between client and upstream of one era", () => {
  it.effect(
    "a stateless upstream's own state goes out sealed and comes back opened, to its own user and request only",
    () =>
      provided(
        Effect.gen(function* () {
          const { carry } = yield* session("stateless", { roots: {} })
          const { connection } = upstream("stateless")
          const sent: Array<unknown> = []
          const send: Send = (params) => {
            sent.push(params)
            return Effect.succeed(
              sent.length === 1
                ? {
                    resultType: "input_required",
                    inputRequests: { q: { method: "roots/list" } },
                    requestState: "its-own"
                  }
                : { resultType: "complete" }
            )
          }
          const { inputRequests, requestState } = asked(yield* carry(connection, search, send))
          assert.deepStrictEqual(inputRequests, { q: { method: "roots/list" } })
          assert.notInclude(String(requestState), "its-own")
          const retry = { ...search, requestState, inputResponses: { q: { roots: [] } } }
          const bos = yield* Effect.flip(carry(connection, retry, send, { context: contextOf("bo") }))
          const other = yield* Effect.flip(carry(connection, { ...retry, name: "delete" }, send))
          assert.deepStrictEqual([bos._tag, other._tag, sent.length], ["InvalidParams", "InvalidParams", 1])
          assert.deepStrictEqual(yield* carry(connection, retry, send), { resultType: "complete" })
          assert.deepStrictEqual(sent[1], { ...search, inputResponses: { q: { roots: [] } }, requestState: "its-own" })
          assert.strictEqual((yield* Effect.flip(carry(connection, retry, send)))._tag, "InvalidParams")
        })
      )
  )
})

describe("a stateful client of a stateless upstream", () => {
  it.effect("is asked for real what the upstream asks by result, and the request is sent again with the answers", () =>
    provided(
      Effect.gen(function* () {
        const { carry, questions } = yield* session("stateful")
        const { connection } = upstream("stateless")
        const exchange = post()
        const sent: Array<unknown> = []
        const inputRequests = {
          a: { method: "elicitation/create", params: { message: "A?" } },
          b: { method: "elicitation/create", params: { message: "B?" } }
        }
        const carrying = yield* Effect.forkChild(
          carry(
            connection,
            search,
            (params) => {
              sent.push(params)
              return Effect.succeed(
                sent.length === 1
                  ? { resultType: "input_required", inputRequests, requestState: "its-own" }
                  : { content: ["done"] }
              )
            },
            { exchange }
          ),
          { startImmediately: true }
        )
        const toClient = exchange.sent as ReadonlyArray<JsonRpcRequest>
        assert.deepStrictEqual(
          toClient.map(({ method, params }) => [method, params?.["message"]]),
          [
            ["elicitation/create", "A?"],
            ["elicitation/create", "B?"]
          ]
        )
        questions.answer(success(toClient[1]!.id, { action: "decline" }))
        assert.isUndefined(carrying.pollUnsafe())
        questions.answer(success(toClient[0]!.id, { action: "accept" }))
        assert.deepStrictEqual(yield* Fiber.join(carrying), { content: ["done"] })
        assert.deepStrictEqual(sent[1], {
          ...search,
          inputResponses: { a: { action: "accept" }, b: { action: "decline" } },
          requestState: "its-own"
        })
      })
    )
  )

  it.effect("that refuses, or did not declare what is asked, fails the request with that error", () =>
    provided(
      Effect.gen(function* () {
        const { carry } = yield* session("stateful", {})
        const { connection } = upstream("stateless")
        const error = yield* Effect.flip(
          carry(connection, search, () =>
            Effect.succeed({ resultType: "input_required", inputRequests: { a: { method: "sampling/createMessage" } } })
          )
        )
        assert.deepInclude(error, { _tag: "ClientCapabilityMissing", requiredCapabilities: { sampling: {} } })
      })
    )
  )

  it.effect("is not asked for ever", () =>
    provided(
      Effect.gen(function* () {
        const { carry } = yield* session("stateful")
        let sent = 0
        const error = yield* Effect.flip(
          carry(upstream("stateless").connection, search, () => {
            sent++
            return Effect.succeed({ resultType: "input_required", inputRequests: {} })
          })
        )
        assert.deepInclude(error, { _tag: "UpstreamFailed", reason: "protocol" })
        assert.strictEqual(sent, 8)
      })
    )
  )
})

describe("a stateless client of a stateful upstream", () => {
  it.effect("is answered with the question, and its retry goes on with the very call that asked", () =>
    provided(
      Effect.gen(function* () {
        const { carry, parked } = yield* session("stateless")
        const { connection, responses } = upstream("stateful")
        const answer = yield* Deferred.make<unknown>()
        let sent = 0
        const send: Send = (_, onMessage) => {
          sent++
          onMessage(request(5, "elicitation/create", { message: "Which?" }))
          return Deferred.await(answer)
        }
        const first = yield* Effect.forkChild(carry(connection, search, send), { startImmediately: true })
        yield* TestClock.adjust("20 millis")
        const { inputRequests, requestState } = asked(yield* Fiber.join(first))
        const [key] = Object.keys(inputRequests)
        assert.deepStrictEqual(inputRequests[key!], { method: "elicitation/create", params: { message: "Which?" } })
        const retry = { ...search, requestState, inputResponses: { [key!]: { action: "accept" } } }
        const bos = yield* Effect.flip(carry(connection, retry, send, { context: contextOf("bo") }))
        assert.strictEqual(bos._tag, "InvalidParams")
        assert.deepStrictEqual(responses, [])
        const second = yield* Effect.forkChild(carry(connection, retry, send), { startImmediately: true })
        yield* Deferred.succeed(answer, { content: ["done"] })
        assert.deepStrictEqual(yield* Fiber.join(second), { content: ["done"] })
        assert.deepStrictEqual(responses, [success(5, { action: "accept" })])
        assert.strictEqual(sent, 1)
        assert.strictEqual(parked.parked(), 0)
      })
    )
  )

  it.effect("hears progress under the token of the request that waits", () =>
    provided(
      Effect.gen(function* () {
        const { carry } = yield* session("stateless")
        const exchange = post()
        const progress = (token: unknown) =>
          notification("notifications/progress", { progressToken: token, progress: 1 })
        const params = { ...search, _meta: { progressToken: "mine" } }
        yield* carry(
          upstream("stateful").connection,
          params,
          (_, onMessage) => {
            onMessage(progress("another"))
            return Effect.succeed({})
          },
          { exchange }
        )
        assert.deepStrictEqual(exchange.sent, [progress("mine")])
      })
    )
  )

  it.effect("is not asked what it did not declare: the upstream is told so, and a ping is answered", () =>
    provided(
      Effect.gen(function* () {
        const { carry } = yield* session("stateless")
        const { connection, responses } = upstream("stateful")
        const result = yield* carry(connection, search, (_, onMessage) => {
          onMessage(request(1, "sampling/createMessage"))
          onMessage(request(2, "ping"))
          return Effect.succeed({ content: [] })
        })
        yield* Effect.yieldNow
        assert.deepStrictEqual(result, { content: [] })
        assert.deepStrictEqual(responses, [
          failure(1, { code: -32601, message: "The client did not declare what sampling/createMessage needs" }),
          success(2, {})
        ])
      })
    )
  )

  it.effect("is asked outside of a call's stream only where exactly one call can be meant", () =>
    provided(
      Effect.gen(function* () {
        const { bridge, carry } = yield* session("stateless")
        const { connection } = upstream("stateful")
        const question = request(9, "elicitation/create", { message: "Which?" })
        assert.isFalse(bridge.attribute("notes", question))
        const one = yield* Effect.forkChild(
          carry(connection, search, () => Effect.never),
          { startImmediately: true }
        )
        yield* Effect.yieldNow
        assert.isFalse(bridge.attribute("mail", question))
        const listing = yield* Effect.forkChild(
          carry(connection, {}, () => Effect.never, { method: "tools/list" }),
          { startImmediately: true }
        )
        assert.isTrue(bridge.attribute("notes", question), "a list takes no rounds and is not meant")
        yield* TestClock.adjust("20 millis")
        asked(yield* Fiber.join(one))
        for (const _ of [1, 2]) {
          yield* Effect.forkChild(
            carry(connection, search, () => Effect.never),
            { startImmediately: true }
          )
        }
        yield* Effect.yieldNow
        assert.isFalse(bridge.attribute("notes", question))
        assert.isUndefined(listing.pollUnsafe())
      })
    )
  )
})
