/** Answers of a stopping hub that their clients have not yet read to the end. */
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Exit, Fiber, Scope } from "effect"
import { type IncomingMessage, request } from "node:http"
import { Sessions } from "../../../../src/actors/registry/Sessions.ts"
import { type HubUser, RawHttp, type RunningHub, ScriptedHttpUpstream, TestHub } from "../../../../src/testkit/index.ts"
import { eventually } from "../../../support/Eventually.ts"
import * as EventTransportClient from "../../support/EventTransportClient.ts"

const size = 24_000_000

/** A hub that stops when the test says so, and its only tool, whose result is too large to be read at once. */
const start = Effect.fnUntraced(function* (drainMs: number) {
  const upstream = yield* ScriptedHttpUpstream.make({
    tools: { huge: (call) => call.content({ text: "x".repeat(size) }) }
  })
  const lifetime = yield* Effect.acquireRelease(Scope.make(), (scope) => Scope.close(scope, Exit.void))
  const own = yield* TestHub.make({ servers: { files: { url: upstream.url } }, config: { drainMs } }).pipe(
    Scope.provide(lifetime)
  )
  // Connections that outlive the hub.
  const hub: RunningHub = { ...own, http: yield* RawHttp.make(new URL(own.url).origin) }
  return { hub, sessions: Context.get(own.services, Sessions), stop: Scope.close(lifetime, Exit.void) }
})

/** A call whose answer is not read until the test wants it. */
const ask = Effect.fnUntraced(function* (hub: RunningHub, user: HubUser) {
  const { headers } = yield* hub.connect(user)
  const params = { name: "files-huge", arguments: {} }
  return yield* Effect.callback<IncomingMessage>((resume) => {
    const asked = request(hub.url, { method: "POST", headers, agent: false }, (answer) =>
      resume(Effect.succeed(answer))
    )
    asked.end(JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/call", params }))
  })
})

/** The length of all of it; -1 when it was cut. */
const read = (answer: IncomingMessage): Effect.Effect<number> =>
  Effect.callback((resume) => {
    let length = 0
    answer.on("data", (chunk: Buffer) => (length += chunk.length))
    answer.on("error", () => resume(Effect.succeed(-1)))
    answer.on("end", () => resume(Effect.succeed(length)))
  })

describe("an answer that is on its way when the hub stops", () => {
  it.live("B25: is read to its end", () =>
    Effect.gen(function* () {
      const { hub, stop } = yield* start(20_000)
      const answers = [yield* ask(hub, hub.ada), yield* ask(hub, hub.bo)]
      const stopping = yield* Effect.forkChild(stop, { startImmediately: true })
      const lengths = yield* Effect.all(answers.map(read), { concurrency: "unbounded" })
      assert.isAbove(Math.min(...lengths), size)
      yield* Fiber.join(stopping)
    })
  )

  it.live("is read to its end on the event stream that carries it over HTTP+SSE", () =>
    Effect.gen(function* () {
      const { hub, sessions, stop } = yield* start(20_000)
      const silent = yield* EventTransportClient.open(hub, hub.bo)
      const ada = yield* EventTransportClient.connect(hub, hub.ada)
      const params = { name: "files-huge", arguments: {} }
      yield* ada.post({ jsonrpc: "2.0", id: "huge", method: "tools/call", params })
      yield* eventually(sessions.list, ([own]) => own!.inFlight === 0, { every: "5 millis" })
      const stopping = yield* Effect.forkChild(stop, { startImmediately: true })
      assert.strictEqual((yield* ada.answerTo("huge")).result.structuredContent.text.length, size)
      yield* Effect.all([ada.ended, silent.ended, Fiber.join(stopping)])
    })
  )

  it.live("is given up when the time for stopping is over", () =>
    Effect.gen(function* () {
      const { hub, stop } = yield* start(300)
      const answer = yield* ask(hub, hub.ada)
      yield* stop
      assert.strictEqual(yield* read(answer), -1)
    })
  )
})
