import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Queue } from "effect"
import { TestHub } from "../../../../src/testkit/index.ts"
import { holdingUpstream } from "../../support/HoldingUpstream.ts"

const start = Effect.gen(function* () {
  const { arrived, upstream } = yield* holdingUpstream({
    steps: (call) => {
      for (const progress of [1, 2, 3]) {
        call.event({
          jsonrpc: "2.0",
          method: "notifications/progress",
          params: { progressToken: call.progressToken, progress, message: String(call.arguments["who"]) }
        })
      }
      call.event({
        jsonrpc: "2.0",
        method: "notifications/message",
        params: { level: "info", data: call.arguments["who"] }
      })
      call.content(call.arguments)
    }
  })
  const hub = yield* TestHub.make({ servers: { files: { url: upstream.url } } })
  const [ada, bo] = yield* Effect.all([hub.connect(hub.ada), hub.connect(hub.bo)])
  /** The next so many held calls, when they are there. */
  const holding = (count: number) => Queue.takeN(arrived, count)
  return { holding, upstream, hub, ada, bo }
})

const call = (id: string | number, name: string, args: object = {}, meta?: object) => ({
  jsonrpc: "2.0",
  id,
  method: "tools/call",
  params: { name: `files-${name}`, arguments: args, ...(meta === undefined ? {} : { _meta: meta }) }
})

const cancelled = (requestId: unknown) => ({ jsonrpc: "2.0", method: "notifications/cancelled", params: { requestId } })

describe("requests in flight", () => {
  it.live("A15: twelve of each user with the same id at the same time each get their own answer", () =>
    Effect.gen(function* () {
      const { ada, bo, holding, upstream } = yield* start
      const opened = Array.from({ length: 12 }, (_, n) => [
        { who: "ada", n, client: ada },
        { who: "bo", n, client: bo }
      ]).flat()
      const answers = Effect.forEach(
        opened,
        ({ client, n, who }) => Effect.map(client.send(call(1, "hold", { who, n })), ({ text }) => JSON.parse(text)),
        { concurrency: "unbounded" }
      )
      const release = Effect.map(holding(24), (held) => {
        for (const one of held.toReversed()) one.content(one.arguments)
      })
      const [results] = yield* Effect.all([answers, release], { concurrency: "unbounded" })
      results.forEach((result, index) => {
        const { n, who } = opened[index]!
        assert.strictEqual(result.id, 1)
        assert.deepStrictEqual(result.result.structuredContent, { who, n })
      })
      const ids = upstream.calls("tools/call").map(({ body, headers }) => `${headers["mcp-session-id"]} ${body!.id}`)
      assert.strictEqual(new Set(ids).size, 24)
      assert.strictEqual(
        new Set(upstream.calls("tools/call").map(({ headers }) => headers["x-mcphub-request-id"])).size,
        24
      )
    })
  )

  it.live("A17: a cancelled request ends with a typed error, and its upstream is told by its own id", () =>
    Effect.gen(function* () {
      const { ada, bo, holding, upstream } = yield* start
      const answer = yield* Effect.forkChild(ada.send(call("mine", "hold")))
      const bos = yield* Effect.forkChild(bo.send(call("mine", "hold", { who: "bo" })))
      const held = yield* holding(2)
      assert.strictEqual((yield* ada.send(cancelled("mine"))).status, 202)
      const { text } = yield* Fiber.join(answer)
      assert.deepInclude(JSON.parse(text).error, { code: 1499 })
      assert.deepInclude(JSON.parse(text).error.data, { kind: "cancelled", origin: "hub" })
      const told = yield* upstream.await(({ body }) => body?.method === "notifications/cancelled")
      const adas = held.find((one) => one.arguments["who"] !== "bo")!
      assert.strictEqual(told.body!.params!["requestId"], adas.id)
      held.find((one) => one.arguments["who"] === "bo")!.content({ who: "bo" })
      assert.deepStrictEqual(JSON.parse((yield* Fiber.join(bos)).text).result.structuredContent, { who: "bo" })
      assert.strictEqual(upstream.calls("notifications/cancelled").length, 1)
    })
  )

  it.live("A17: cancelling an id that is in flight twice, unknown, finished or another session's does nothing", () =>
    Effect.gen(function* () {
      const { ada, bo, holding, hub, upstream } = yield* start
      const adasOther = yield* hub.connect(hub.ada)
      const twins = yield* Effect.forkChild(
        Effect.all([ada.send(call("twin", "hold", { n: 1 })), ada.send(call("twin", "hold", { n: 2 }))], {
          concurrency: "unbounded"
        })
      )
      const single = yield* Effect.forkChild(ada.send(call("single", "hold", { n: 3 })))
      const held = yield* holding(3)
      yield* ada.send(call("finished", "echo"))
      for (const id of ["twin", "unknown", "finished", null, {}]) {
        assert.strictEqual((yield* ada.send(cancelled(id))).status, 202)
      }
      for (const client of [bo, adasOther]) assert.strictEqual((yield* client.send(cancelled("single"))).status, 202)
      // A whole exchange later, nobody has been cancelled.
      yield* ada.callTool("files-echo")
      assert.strictEqual(upstream.calls("notifications/cancelled").length, 0)
      for (const one of held) one.content(one.arguments)
      const answers = [...(yield* Fiber.join(twins)), yield* Fiber.join(single)]
      assert.deepStrictEqual(
        answers.map(({ text }) => JSON.parse(text).result.structuredContent.n),
        [1, 2, 3]
      )
    })
  )

  it.live("A19: progress and log messages reach the caller, under the caller's own token, and nobody else", () =>
    Effect.gen(function* () {
      const { ada, bo, upstream } = yield* start
      const bosStream = yield* bo.stream
      const seen = yield* Effect.forEach(
        [
          { client: ada, who: "ada" },
          { client: bo, who: "bo" }
        ],
        ({ client, who }) =>
          Effect.flatMap(client.open(call(1, "steps", { who }, { progressToken: "same" })), ({ rest }) => rest),
        { concurrency: "unbounded" }
      )
      for (const [index, who] of ["ada", "bo"].entries()) {
        const messages = seen[index] as ReadonlyArray<any>
        const progress = messages.filter(({ method }) => method === "notifications/progress")
        assert.deepStrictEqual(
          progress.map(({ params }) => params),
          [1, 2, 3].map((step) => ({ progressToken: "same", progress: step, message: who }))
        )
        assert.strictEqual(messages.find(({ method }) => method === "notifications/message").params.data, who)
        assert.deepStrictEqual(messages.at(-1).result.structuredContent, { who })
      }
      const tokens = upstream.calls("tools/call").map(({ body }) => (body!.params!["_meta"] as any).progressToken)
      assert.strictEqual(tokens.length, 2)
      assert.notInclude(tokens, "same")
      yield* bo.end
      assert.deepStrictEqual(yield* bosStream.rest, [])
    })
  )

  it.live("an answer is a JSON body, or an event stream from the first message that comes before it", () =>
    Effect.gen(function* () {
      const { ada } = yield* start
      const plain = yield* ada.open(call(1, "echo", { a: 1 }))
      assert.match(plain.headers["content-type"]!, /^application\/json/)
      const streamed = yield* ada.open(call(2, "steps", { who: "ada" }, { progressToken: 5 }))
      assert.match(streamed.headers["content-type"]!, /^text\/event-stream/)
      assert.strictEqual(streamed.headers["x-accel-buffering"], "no")
      const last = (yield* streamed.rest).at(-1) as any
      assert.deepStrictEqual([last.id, last.result.structuredContent], [2, { who: "ada" }])
    })
  )

  it.live("B14: a client that goes away cancels nothing: its call runs to the end", () =>
    Effect.gen(function* () {
      const { ada, holding, upstream } = yield* start
      const lost = yield* Effect.forkChild(ada.open(call(1, "steps", { who: "ada" }, { progressToken: 1 })))
      yield* (yield* Fiber.join(lost)).abandon
      const opened = yield* Effect.forkChild(ada.open(call(2, "hold", {}, { progressToken: 2 })))
      const [held] = yield* holding(1)
      held!.event({
        jsonrpc: "2.0",
        method: "notifications/progress",
        params: { progressToken: held!.progressToken, progress: 1 }
      })
      yield* (yield* Fiber.join(opened)).abandon
      yield* ada.callTool("files-echo")
      assert.strictEqual(upstream.calls("notifications/cancelled").length, 0)
      held!.content({ done: true })
      assert.deepStrictEqual(yield* ada.callTool("files-echo", { next: 1 }), { next: 1 })
    })
  )
})
