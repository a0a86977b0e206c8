import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Fiber, Queue } from "effect"
import { TestClock } from "effect/testing"
import { RequestTracker } from "../../../../src/actors/requests/RequestTracker.ts"
import type { ServerConfig } from "../../../../src/domain/servers/ServerConfig.ts"
import type * as Hub from "../../../../src/Hub.ts"
import { ScriptedHttpUpstream, TestHub } from "../../../../src/testkit/index.ts"
import * as LateResponses from "../../../support/LateResponses.ts"
import { holdingUpstream } from "../../support/HoldingUpstream.ts"

/** A hub under the test clock. */
const start = Effect.fnUntraced(function* (server: Partial<ServerConfig> = {}, replace?: Hub.Replacements) {
  const { arrived, hold, upstream } = yield* holdingUpstream()
  const hub = yield* TestHub.make({ servers: { files: { url: upstream.url, ...server } }, replace })
  const tracker = Context.get(hub.services, RequestTracker)
  const [ada, bo] = yield* Effect.all([hub.connect(hub.ada), hub.connect(hub.bo)])
  const pending = Effect.map(tracker.pending, (records) => records.filter(({ kind }) => kind === "request").length)
  return { arrived, upstream, hub, tracker, ada, bo, hold, pending }
})

describe("a request without an answer", () => {
  it.effect("field D12: names the one server that was asked, and none where it waited for several", () =>
    Effect.gen(function* () {
      const { arrived, upstream } = yield* holdingUpstream()
      const silent = { "tools/list": () => {} }
      const other = yield* ScriptedHttpUpstream.make({ methods: silent })
      const hub = yield* TestHub.make({
        servers: { files: { url: upstream.url }, other: { url: other.url } },
        config: { listTimeout: 60_000 }
      })
      const [ada, bo] = yield* Effect.all([hub.connect(hub.ada), hub.connect(hub.bo)])
      const call = { jsonrpc: "2.0", id: 1, method: "tools/call", params: { name: "files-hold", arguments: {} } }
      const asked = yield* Effect.forkChild(Effect.flatMap(ada.open(call), (answer) => answer.rest))
      const listed = yield* Effect.forkChild(
        Effect.flatMap(bo.open({ jsonrpc: "2.0", id: 1, method: "tools/list", params: {} }), (answer) => answer.rest)
      )
      yield* Queue.take(arrived)
      yield* other.await(({ body }) => body?.method === "tools/list")
      yield* TestClock.adjust("30 seconds")
      const [one] = (yield* Fiber.join(asked)) as ReadonlyArray<any>
      assert.match(one.error.message, /^No answer of server files within 30000 ms, .* raise its options\.timeout/)
      assert.strictEqual(one.error.data.server, "files")
      const [several] = (yield* Fiber.join(listed)) as ReadonlyArray<any>
      assert.deepInclude(several.error, { code: 1408 })
      assert.match(several.error.message, /^No answer within 30000 ms/)
      assert.notProperty(several.error.data, "server")
    })
  )

  it.effect("R5, B01, defect 6: ends at 30 s exactly, its upstream is told, and the hub goes on for everyone", () =>
    Effect.gen(function* () {
      const { ada, bo, hold, pending, tracker, upstream } = yield* start()
      const waiting = yield* hold(ada)
      yield* TestClock.adjust("29999 millis")
      assert.strictEqual(yield* pending, 1)
      yield* TestClock.adjust("1 millis")
      const { error } = yield* waiting.answer
      assert.strictEqual(error.code, 1408)
      assert.deepInclude(error.data, { kind: "timeout", origin: "hub", server: "files" })
      assert.include(error.data.requestId, "tools/call")
      const told = yield* upstream.await(({ body }) => body?.method === "notifications/cancelled")
      assert.strictEqual(told.body!.params!["requestId"], waiting.call.id)
      assert.strictEqual(yield* pending, 0)
      assert.deepStrictEqual(yield* ada.callTool("files-echo", { next: 1 }), { next: 1 })
      assert.deepStrictEqual(yield* bo.callTool("files-echo", { bo: 1 }), { bo: 1 })
      const stats = yield* tracker.systemStats
      assert.deepStrictEqual(stats.errorsByKind, { timeout: 1 })
    })
  )

  it.effect("R6: ends when its own _meta says so, and never later than its server allows", () =>
    Effect.gen(function* () {
      const { ada, arrived, bo, hold, pending } = yield* start({ options: { timeout: 5_000 } })
      const impatient = (client: typeof ada, timeoutMs: number) =>
        Effect.forkChild(
          client.open({
            jsonrpc: "2.0",
            id: 1,
            method: "tools/call",
            params: { name: "files-hold", arguments: {}, _meta: { "mcphub/timeoutMs": timeoutMs } }
          })
        )
      const patient = yield* hold(bo)
      const short = yield* impatient(ada, 2_000)
      yield* Queue.take(arrived)
      const long = yield* impatient(ada, 60_000)
      yield* Queue.take(arrived)
      yield* TestClock.adjust("1999 millis")
      assert.strictEqual(yield* pending, 3)
      yield* TestClock.adjust("1 millis")
      const [own] = (yield* (yield* Fiber.join(short)).rest) as ReadonlyArray<any>
      assert.strictEqual(own.error.code, 1408)
      assert.strictEqual(yield* pending, 2)
      yield* TestClock.adjust("3 seconds")
      const [capped] = (yield* (yield* Fiber.join(long)).rest) as ReadonlyArray<any>
      assert.strictEqual(capped.error.code, 1408)
      assert.strictEqual((yield* patient.answer).error.code, 1408)
    })
  )

  it.effect("B02: a late answer is dropped, counted and given to nobody", () =>
    Effect.gen(function* () {
      const lateResponses = yield* LateResponses.make
      const { ada, hold, tracker, upstream } = yield* start({}, lateResponses.layer)
      const late = yield* hold(ada)
      yield* TestClock.adjust("30 seconds")
      yield* late.answer
      yield* upstream.await(({ body }) => body?.method === "notifications/cancelled")
      const next = yield* hold(ada)
      late.call.content({ late: true })
      next.call.content({ next: true })
      assert.deepStrictEqual((yield* next.answer).result.structuredContent, { next: true })
      assert.strictEqual(yield* lateResponses.next, "files")
      assert.strictEqual((yield* tracker.systemStats).lateResponses, 1)
    })
  )

  it.effect("R6: ends when its server's own options say so, and progress pushes that back up to a total", () =>
    Effect.gen(function* () {
      const { ada, arrived, bo, hold, pending } = yield* start({
        options: { timeout: 5_000, resetTimeoutOnProgress: true, maxTotalTimeout: 12_000 }
      })
      const silent = yield* hold(bo)
      const opening = yield* Effect.forkChild(
        ada.open({
          jsonrpc: "2.0",
          id: 1,
          method: "tools/call",
          params: { name: "files-hold", arguments: {}, _meta: { progressToken: "p" } }
        })
      )
      const busy = yield* Queue.take(arrived)
      /** Progress at this moment; the client has it when this succeeds, and the hub had it before. */
      const progress = Effect.fnUntraced(function* (step: number) {
        busy.event({
          jsonrpc: "2.0",
          method: "notifications/progress",
          params: { progressToken: busy.progressToken, progress: step }
        })
        const { next } = yield* Fiber.join(opening)
        assert.deepInclude(yield* next, { params: { progressToken: "p", progress: step } })
      })
      yield* TestClock.adjust("4 seconds")
      yield* progress(1)
      yield* TestClock.adjust("1 seconds")
      assert.strictEqual((yield* silent.answer).error.code, 1408)
      yield* TestClock.adjust("3 seconds")
      // 8 s after the start: only the progress at 4 s has kept it alive.
      assert.strictEqual(yield* pending, 1)
      yield* progress(2)
      yield* TestClock.adjust("3999 millis")
      assert.strictEqual(yield* pending, 1)
      yield* TestClock.adjust("1 millis")
      const [last] = (yield* (yield* Fiber.join(opening)).rest) as ReadonlyArray<any>
      assert.strictEqual(last.error.code, 1408)
    })
  )
})
