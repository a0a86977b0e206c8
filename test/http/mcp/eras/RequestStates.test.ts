import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import type { HubConfigShape } from "../../../../src/domain/config/HubConfig.ts"
import { HubKeys } from "../../../../src/domain/identity/HubKeys.ts"
import { ScriptedHttpUpstream, TestHub } from "../../../../src/testkit/index.ts"
import { stateless } from "../../support/StatelessRequests.ts"

const capabilities = { elicitation: {} }
const confirm = { name: "files-confirm", arguments: {} }
const answer = (state: unknown, from: string) => ({
  ...confirm,
  inputResponses: { "elicitation-1": { action: "accept", content: { from } } },
  requestState: state
})

/** An upstream whose tool `confirm` asks a human first, and which tells what the human said. */
const starting = Effect.fnUntraced(function* (config: Partial<HubConfigShape>) {
  let asked = 0
  const heard: Array<unknown> = []
  const upstream = yield* ScriptedHttpUpstream.make({
    tools: {
      other: (call) => call.content({}),
      confirm: async (call) => {
        const id = `question-${++asked}`
        const params = { message: "Really?", requestedSchema: { type: "object", properties: {} } }
        call.event({ jsonrpc: "2.0", id, method: "elicitation/create", params })
        const { body } = await Effect.runPromise(
          upstream.await((one) => one.body?.id === id && one.body.method === undefined)
        )
        heard.push((body!.result as any).content.from)
        call.content({ said: (body!.result as any).content })
      }
    }
  })
  const hub = yield* TestHub.make({ servers: { files: { url: upstream.url } }, config })
  const ada = stateless(hub, hub.ada, { capabilities })
  const bo = stateless(hub, hub.bo, { capabilities })
  const ask = (client: typeof ada) =>
    Effect.map(client("tools/call", confirm), ({ result }) => {
      assert.strictEqual(result.resultType, "input_required")
      assert.deepStrictEqual(Object.keys(result.inputRequests), ["elicitation-1"])
      return String(result.requestState)
    })
  const refused = Effect.fnUntraced(function* (why: string, attempt: ReturnType<typeof ada>) {
    const { error, result } = yield* attempt
    assert.isUndefined(result, why)
    assert.strictEqual(error?.code, -32602, why)
    assert.notInclude(JSON.stringify(error), "enc:", why)
  })
  return { upstream, hub, ada, bo, ask, refused, heard }
})

const start = starting({})

/**
 * Under the test clock: questions asked in one breath go out together, so somebody has to turn it, and so slowly that no
 * deadline passes while a busy machine carries the call.
 */
const waits = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const fiber = yield* Effect.forkChild(effect)
    yield* Effect.forkChild(
      Effect.forever(
        Effect.andThen(
          TestClock.adjust("1 millis"),
          Effect.promise(() => new Promise(setImmediate))
        )
      )
    ).pipe(Effect.flatMap((turning) => Effect.andThen(Fiber.join(fiber), Fiber.interrupt(turning))))
    return yield* Fiber.join(fiber)
  })

describe("the requestState of a 2026-07-28 client", () => {
  it.live("A44: that was changed, belongs to somebody else or to another request is -32602, and answers nobody", () =>
    Effect.gen(function* () {
      const { ada, ask, bo, heard, hub, refused } = yield* start
      const [adas, bos] = [yield* ask(ada), yield* ask(bo)]
      assert.notStrictEqual(adas, bos)

      for (const at of [4, Math.floor(bos.length / 2), bos.length - 3]) {
        const letter = bos[at] === "A" ? "B" : "A"
        yield* refused(
          `changed at ${at}`,
          bo("tools/call", answer(bos.slice(0, at) + letter + bos.slice(at + 1), "bo"))
        )
      }
      for (const state of ["", "x", "enc:v1:", "enc:v1:AAAA", bos.slice(0, -8), `${bos}AAAA`, 5, null, {}, [bos]]) {
        yield* refused(`made up: ${JSON.stringify(state)}`, bo("tools/call", answer(state, "bo")))
      }
      yield* refused("another user's", ada("tools/call", answer(bos, "ada")))
      yield* refused("another user's", bo("tools/call", answer(adas, "bo")))
      const other = yield* Context.get(hub.services, HubKeys).create({ userId: hub.bo.user.id })
      const otherKey = stateless(hub, other, { capabilities })
      yield* refused("of the same user's other key", otherKey("tools/call", answer(bos, "bo")))
      yield* refused(
        "of the same key's other state",
        bo("tools/call", answer(bos, "bo"), {
          headers: { "x-mcphub-state-id": "7d9f6c52-0000-4000-8000-000000000000" }
        })
      )
      yield* refused("for another tool", bo("tools/call", { ...answer(bos, "bo"), name: "files-other" }))
      yield* refused("for other arguments", bo("tools/call", { ...answer(bos, "bo"), arguments: { all: true } }))
      assert.deepStrictEqual(heard, [])

      // Whoever was asked can still answer, each for themselves.
      const [first, second] = yield* Effect.all([
        bo("tools/call", answer(bos, "bo")),
        ada("tools/call", answer(adas, "ada"))
      ])
      assert.deepStrictEqual(first.result.structuredContent, { said: { from: "bo" } })
      assert.deepStrictEqual(second.result.structuredContent, { said: { from: "ada" } })
      assert.deepStrictEqual([...heard].sort(), ["ada", "bo"])
    })
  )

  it.live("A44: counts once: a second use is -32602 and nothing is done twice", () =>
    Effect.gen(function* () {
      const { ada, ask, bo, heard, refused } = yield* start
      const [adas, bos] = [yield* ask(ada), yield* ask(bo)]
      const both = yield* Effect.all(
        [ada("tools/call", answer(adas, "first")), ada("tools/call", answer(adas, "second"))],
        { concurrency: 2 }
      )
      assert.deepStrictEqual(both.map(({ error }) => error?.code ?? 0).sort(), [-32602, 0].sort())
      yield* refused("used", ada("tools/call", answer(adas, "third")))
      assert.strictEqual(heard.length, 1)
      assert.deepStrictEqual((yield* bo("tools/call", answer(bos, "bo"))).result.structuredContent, {
        said: { from: "bo" }
      })
    })
  )

  it.effect("A44: expires after ten minutes, and the call it stands for ends with it", () =>
    Effect.gen(function* () {
      const { ada, ask, bo, heard, refused, upstream } = yield* start
      const [adas, bos] = [yield* waits(ask(ada)), yield* waits(ask(bo))]
      yield* TestClock.adjust("500 seconds")
      assert.isDefined((yield* bo("tools/call", answer(bos, "bo"))).result)
      yield* TestClock.adjust("100 seconds")
      yield* refused("expired", ada("tools/call", answer(adas, "ada")))
      assert.deepStrictEqual(heard, ["bo"])
      yield* upstream.await(({ body }) => body?.method === "notifications/cancelled")
    })
  )

  it.live("A36: ends with its key: the call is cancelled at its server, and another user's is not", () =>
    Effect.gen(function* () {
      const { ada, ask, bo, heard, hub, upstream } = yield* start
      const [adas, bos] = [yield* ask(ada), yield* ask(bo)]
      yield* Context.get(hub.services, HubKeys).revoke(hub.ada.row.id)
      yield* upstream.await(({ body }) => body?.method === "notifications/cancelled")
      assert.strictEqual((yield* ada("tools/call", answer(adas, "ada"))).status, 401)
      assert.isDefined((yield* bo("tools/call", answer(bos, "bo"))).result)
      assert.deepStrictEqual(heard, ["bo"])
      const cancelled = upstream.calls("notifications/cancelled").map(({ headers }) => headers["x-mcphub-user-id"])
      assert.deepStrictEqual(cancelled, [hub.ada.user.id])
    })
  )

  it.live("A34: may be left open as often as requests may be in flight; one more is 429, and bo has all of his", () =>
    Effect.gen(function* () {
      const { ada, ask, bo, heard, upstream } = yield* starting({ maxInflightPerUser: 2 })
      const states = [yield* ask(ada), yield* ask(ada)]
      const refused = yield* ada("tools/call", confirm)
      assert.strictEqual(refused.status, 429)
      assert.strictEqual(refused.error?.code, 1429)
      assert.strictEqual(upstream.calls("tools/call").length, 2)
      const bos = yield* ask(bo)
      assert.isDefined((yield* ada("tools/call", answer(states[0], "ada"))).result)
      states.push(yield* ask(ada))
      assert.isDefined((yield* bo("tools/call", answer(bos, "bo"))).result)
      for (const state of states.slice(1)) assert.isDefined((yield* ada("tools/call", answer(state, "ada"))).result)
      assert.deepStrictEqual(heard, ["ada", "bo", "ada", "ada"])
    })
  )

  it.effect(
    "keeps its session while somebody thinks, however short sessions may be idle and however many there are",
    () =>
      Effect.gen(function* () {
        const { ada, ask, heard, hub } = yield* starting({ sessionIdleMs: 120_000, maxSessionsPerUser: 2 })
        const state = yield* waits(ask(ada))
        yield* TestClock.adjust("4 minutes")
        for (let session = 1; session <= 3; session++) {
          yield* hub.connect(hub.ada)
          yield* TestClock.adjust("90 seconds")
        }
        assert.isDefined((yield* ada("tools/call", answer(state, "ada"))).result)
        assert.deepStrictEqual(heard, ["ada"])
      })
  )

  it.live("A18: a question to one user is answered by nobody else, whatever id is guessed", () =>
    Effect.gen(function* () {
      const { ada, ask, bo, heard, hub, upstream } = yield* start
      const bos = yield* ask(bo)
      const old = yield* hub.connect(hub.ada, { capabilities })
      for (const id of ["question-1", "elicitation-1", 1, "1"]) {
        assert.strictEqual((yield* old.respond(id, { action: "accept", content: { from: "ada" } })).status, 202)
      }
      const free = yield* ada("tools/call", { ...confirm, inputResponses: answer("", "ada").inputResponses })
      assert.strictEqual(free.result.resultType, "input_required")
      assert.deepStrictEqual(heard, [])
      assert.isDefined((yield* bo("tools/call", answer(bos, "bo"))).result)
      assert.deepStrictEqual(heard, ["bo"])
      assert.strictEqual(upstream.received.filter(({ body }) => body?.id === "question-1").length, 1)
    })
  )
})
