import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import * as fc from "fast-check"
import { HubMetrics } from "../../../../src/actors/observing/HubMetrics.ts"
import { maxStreamBytes } from "../../../../src/actors/streams/ReplayStream.ts"
import { EventStreams } from "../../../../src/http/wire/EventStreams.ts"
import { type HubUser, McpClient, RawHttp } from "../../../../src/testkit/index.ts"
import type { OpenAnswer } from "../../../../src/testkit/RawHttp.ts"
import { call, eventually, log, progress, pushable, start } from "../../support/BrokenConnections.ts"

const changed = (list: string) => ({ jsonrpc: "2.0", method: `notifications/${list}/list_changed` }) as const

/** Progress as its number, log messages as their data, an answer as its structured content. */
const short = (messages: ReadonlyArray<any>) =>
  messages.map(
    ({ error, method, params, result }) =>
      params?.progress ?? params?.data ?? result?.structuredContent ?? error?.data.kind ?? method
  )

const nextId = (answer: OpenAnswer): Effect.Effect<string> =>
  Effect.map(Effect.orDie(answer.event), ({ id }) => {
    assert.isDefined(id)
    return id!
  })

const stream = (user: HubUser, sessionId: string, lastEventId: string) => ({
  method: "GET",
  path: "/mcp",
  headers: {
    ...McpClient.clientHeaders(user.key),
    accept: "text/event-stream",
    "mcp-session-id": sessionId,
    "last-event-id": lastEventId
  }
})

describe("a call whose connection breaks", () => {
  it.live(
    "B14, B18: goes on, and what came meanwhile comes once and in order to whoever resumes, if it is its user",
    () =>
      Effect.gen(function* () {
        const { ada, bo, hold, hub, proxy } = yield* start({ protocolVersion: "2025-06-18" })
        const { held, opening } = yield* hold()
        progress(held, 1)
        progress(held, 2)
        const first = yield* nextId(yield* Fiber.join(opening))
        yield* proxy.cut
        progress(held, 3)
        for (const sessionId of [bo.sessionId, ada.sessionId]) {
          const foreign = yield* hub.http.send(stream(hub.bo, sessionId, first))
          assert.strictEqual(foreign.status, 404)
          assert.strictEqual(JSON.parse(foreign.text).error.data.kind, "session_not_found")
        }
        const resumed = yield* ada.resume(first)
        assert.strictEqual(resumed.status, 200)
        assert.deepStrictEqual(short([yield* resumed.next, yield* resumed.next]), [2, 3])
        progress(held, 4)
        held.content({ done: true })
        assert.deepStrictEqual(short(yield* resumed.rest), [4, { done: true }])
        const again = yield* ada.resume(first)
        assert.deepStrictEqual(short(yield* again.rest), [2, 3, 4, { done: true }])
        assert.strictEqual((yield* hub.http.send(stream(hub.bo, bo.sessionId, first))).status, 404)
      })
  )

  it.live("B18: has nothing more for who has read it to the end, and no answer to an id that the hub never made", () =>
    Effect.gen(function* () {
      const { ada, hold, hub } = yield* start({ protocolVersion: "2025-06-18" })
      const { held, opening } = yield* hold()
      progress(held, 1)
      held.content({ done: true })
      const answer = yield* Fiber.join(opening)
      const ids = [yield* nextId(answer), yield* nextId(answer)]
      const status = (id: string) =>
        Effect.map(hub.http.send(stream(hub.ada, ada.sessionId, id)), ({ status }) => status)
      assert.strictEqual(yield* status(ids[1]!), 204)
      for (const id of ["1", "garbage", `${ids[1]}0`, `${ids[1]}, ${ids[1]}`]) {
        assert.strictEqual(yield* status(id), 400, id)
      }
      const resumed = yield* ada.resume(ids[0]!)
      assert.deepStrictEqual(short(yield* resumed.rest), [{ done: true }])
    })
  )

  it.effect(
    "becomes a stream that can be resumed when it takes more than a second or two, if the client reads those",
    () =>
      Effect.gen(function* () {
        const { ada, hold, hub, kept, proxy } = yield* start()
        const { held, opening } = yield* hold()
        assert.deepStrictEqual(kept(), [0, 0])
        yield* TestClock.adjust("2 seconds")
        const broken = yield* Fiber.join(opening)
        assert.match(broken.headers["content-type"]!, /^text\/event-stream/)
        const primed = yield* Effect.orDie(broken.event)
        assert.strictEqual(primed.data, "")
        yield* proxy.cut
        held.content({ slow: true })
        const resumed = yield* ada.resume(primed.id!)
        assert.deepStrictEqual(short(yield* resumed.rest), [{ slow: true }])
        assert.isAbove(kept()[1]!, 0)

        const older = yield* hub.connect(hub.ada, { protocolVersion: "2025-06-18" })
        const plain = yield* hub.connect(hub.ada, { headers: { accept: "*/*" } })
        for (const client of [older, plain]) {
          const waiting = yield* Effect.forkChild(client.open(call("hold")))
          const other = yield* hold.arrived
          yield* TestClock.adjust("10 seconds")
          other.content({ json: true })
          const answer = yield* Fiber.join(waiting)
          assert.strictEqual(answer.headers["content-type"], "application/json")
          assert.deepStrictEqual(short(yield* answer.rest), [{ json: true }])
        }
      })
  )

  it.effect("brings an answer of any size whole, though it became a stream", () =>
    Effect.gen(function* () {
      const { hold } = yield* start()
      const { held, opening } = yield* hold()
      yield* TestClock.adjust("2 seconds")
      const answer = yield* Fiber.join(opening)
      const large = "x".repeat(6 * 1024 * 1024)
      held.content({ large })
      const [message] = (yield* answer.rest) as ReadonlyArray<any>
      assert.strictEqual(message.result.structuredContent.large.length, large.length)
    })
  )

  it.effect("says so when the answer came to nobody and is too large to be kept", () =>
    Effect.gen(function* () {
      const { ada, hold, hub, kept, proxy } = yield* start()
      const { held, opening } = yield* hold()
      yield* TestClock.adjust("2 seconds")
      const id = yield* nextId(yield* Fiber.join(opening))
      const streams = Context.get(hub.services, EventStreams)
      yield* proxy.cut
      yield* eventually(() => streams.count() === 0)
      held.content({ large: "x".repeat(maxStreamBytes) })
      yield* eventually(() => kept()[0] === 1)
      const resumed = yield* ada.resume(id)
      const [message] = (yield* resumed.rest) as ReadonlyArray<any>
      assert.deepStrictEqual([message.id, message.error.code, message.error.data.kind], [1, 1409, "answer_lost"])
    })
  )

  it.live("says so when the connection broke in the middle of an answer that is too large to be kept", () =>
    Effect.gen(function* () {
      const { ada, hold, kept, proxy } = yield* start()
      proxy.cutNextAfter(500_000)
      const { held, opening } = yield* hold()
      progress(held, 1)
      const answer = yield* Fiber.join(opening)
      held.content({ large: "x".repeat(3 * maxStreamBytes) })
      assert.deepStrictEqual(short(yield* answer.rest), [1])
      const ids = yield* Effect.orDie(Effect.all([answer.event, answer.event]))
      const resumed = yield* ada.resume(ids[1].id!)
      const [message, ...more] = (yield* resumed.rest) as ReadonlyArray<any>
      assert.deepStrictEqual([message.id, message.error.code, message.error.data.kind], [1, 1409, "answer_lost"])
      assert.deepStrictEqual(more, [])
      const over = yield* ada.resume((yield* Effect.orDie(resumed.event)).id!)
      assert.strictEqual(over.status, 204)
      assert.isBelow(kept()[1]!, 10_000)
    })
  )

  it.live("asks its question when the client is back, takes the answer, and goes on", () =>
    Effect.gen(function* () {
      const { ada, bo, hold, hub, proxy, upstream } = yield* start({ capabilities: { elicitation: {} } })
      const bos = yield* bo.stream
      const { held, opening } = yield* hold()
      progress(held, 1)
      const broken = yield* Fiber.join(opening)
      yield* broken.next
      yield* nextId(broken)
      const last = yield* nextId(broken)
      yield* proxy.cut
      yield* eventually(() => Context.get(hub.services, EventStreams).count() === 1)
      held.event({
        jsonrpc: "2.0",
        id: "question",
        method: "elicitation/create",
        params: { message: "Still there?", requestedSchema: { type: "object", properties: {} } }
      })
      const resumed = yield* ada.resume(last)
      const asked = (yield* Effect.orDie(resumed.next)) as any
      assert.deepStrictEqual([asked.method, asked.params.message], ["elicitation/create", "Still there?"])
      assert.strictEqual((yield* ada.respond(asked.id, { action: "accept", content: {} })).status, 202)
      const { body } = yield* upstream.await((one) => one.body?.id === "question" && one.body.method === undefined)
      assert.deepStrictEqual(body!.result, { action: "accept", content: {} })
      held.content({ asked: true })
      assert.deepStrictEqual(short(yield* resumed.rest), [{ asked: true }])
      yield* bo.callTool("files-echo")
      upstream.push(changed("prompts"))
      assert.deepInclude(yield* bos.next, changed("prompts"))
    })
  )

  it.live("brings everything once and in order, wherever its bytes are cut, over as many connections as it takes", () =>
    Effect.gen(function* () {
      const { ada, hold, proxy } = yield* start()
      const runs = fc.sample(fc.array(fc.integer({ min: 1, max: 2_500 }), { minLength: 1, maxLength: 5 }), 8)
      yield* Effect.forEach(
        runs,
        Effect.fnUntraced(function* (cuts) {
          // The first connection of the call carries its headers and the first event, without which nobody could resume.
          const http = yield* RawHttp.make(proxy.origin)
          proxy.cutNextAfter(700 + cuts[0]!)
          const calling = yield* Effect.forkChild(
            http.open({ path: "/mcp", headers: ada.headers, body: JSON.stringify(call("hold")) })
          )
          const held = yield* hold.arrived
          for (let step = 1; step <= 20; step++) progress(held, step)
          held.content({ done: cuts })
          const seen: Array<any> = []
          let lastEventId = ""
          const read = (answer: OpenAnswer): Effect.Effect<void> =>
            Effect.matchEffect(answer.event, {
              onFailure: () => Effect.void,
              onSuccess: ({ data, id }) => {
                lastEventId = id!
                if (data !== "") seen.push(JSON.parse(data))
                return read(answer)
              }
            })
          yield* read(yield* Fiber.join(calling))
          assert.notStrictEqual(lastEventId, "")
          for (const cut of [...cuts.slice(1), undefined]) {
            // The headers come whole, or there is no answer that could be cut.
            if (cut !== undefined) proxy.cutNextAfter(350 + cut)
            const next = yield* RawHttp.make(proxy.origin)
            yield* read(
              yield* next.open({
                method: "GET",
                path: "/mcp",
                headers: { ...ada.headers, accept: "text/event-stream", "last-event-id": lastEventId }
              })
            )
          }
          assert.deepStrictEqual(short(seen), [...Array.from({ length: 20 }, (_, index) => index + 1), { done: cuts }])
        }, Effect.scoped),
        { discard: true }
      )
    })
  )
})

describe("the event stream of a session that breaks", () => {
  it.live("B18: goes on after the last event seen, also with what was sent into the broken connection", () =>
    Effect.gen(function* () {
      const { ada, bo, hub, proxy, upstream } = yield* start()
      const [adas, bos] = yield* Effect.all([ada.stream, bo.stream])
      yield* Effect.all([ada.callTool("files-echo"), bo.callTool("files-echo")])
      yield* Effect.all([pushable(upstream, 2)])
      upstream.push(log(1))
      assert.deepStrictEqual(short([yield* adas.next]), [1])
      const primed = yield* Effect.orDie(adas.event)
      assert.strictEqual(primed.data, "")
      const last = yield* nextId(adas)
      proxy.hold()
      yield* proxy.cut
      upstream.push(log(2))
      upstream.push(changed("tools"))
      proxy.restore()
      const resumed = yield* ada.resume(last)
      assert.deepStrictEqual(short([yield* resumed.next, yield* resumed.next]), [2, changed("tools").method])
      upstream.push(log(3))
      assert.deepStrictEqual(short([yield* resumed.next]), [3])
      const replayed = yield* ada.resume(primed.id!)
      yield* resumed.ended
      assert.deepStrictEqual(short(yield* Effect.all([replayed.next, replayed.next])), [1, 2])
      assert.deepStrictEqual(short(yield* Effect.all([bos.next, bos.next, bos.next, bos.next])), [
        1,
        2,
        changed("tools").method,
        3
      ])
      assert.strictEqual((yield* hub.http.send(stream(hub.bo, bo.sessionId, last))).status, 404)
      assert.deepStrictEqual(short(yield* Effect.all([replayed.next, replayed.next])), [changed("tools").method, 3])
    })
  )

  it.live("B18: begins anew, with what nobody has read, for an id of a stream that is not kept any more", () =>
    Effect.gen(function* () {
      const { ada, hub, proxy, upstream } = yield* start()
      const streams = Context.get(hub.services, EventStreams)
      const first = yield* ada.stream
      yield* ada.callTool("files-echo")
      yield* pushable(upstream, 1)
      upstream.push(log(1))
      yield* first.next
      yield* nextId(first)
      const old = yield* nextId(first)
      yield* proxy.cut
      yield* eventually(() => streams.count() === 0)
      upstream.push(log(2))
      const second = yield* ada.stream
      assert.deepStrictEqual(short([yield* second.next]), [2])
      const third = yield* ada.resume(old)
      assert.strictEqual(third.status, 200)
      yield* second.ended
      upstream.push(log(3))
      assert.deepStrictEqual(short([yield* third.next]), [3])
    })
  )

  it.live("B18: goes on with what is left when more was missed than is kept", () =>
    Effect.gen(function* () {
      const { ada, hub, proxy, upstream } = yield* start()
      const streams = Context.get(hub.services, EventStreams)
      const first = yield* ada.stream
      yield* ada.callTool("files-echo")
      yield* pushable(upstream, 1)
      const primed = yield* nextId(first)
      yield* proxy.cut
      yield* eventually(() => streams.count() === 0)
      for (let n = 1; n <= 300; n++) upstream.push(log(n))
      const metrics = Context.get(hub.services, HubMetrics)
      yield* eventually(() => metrics.value("mcphub_kept_events") === 256)
      const resumed = yield* ada.resume(primed)
      const got = short(yield* Effect.all(Array.from({ length: 256 }, () => resumed.next)))
      assert.deepStrictEqual(
        got,
        Array.from({ length: 256 }, (_, index) => index + 45)
      )
    })
  )
})

describe("what is kept for clients that come back", () => {
  it.live(
    "is announced: a stream that the hub ends though the session's messages have no end says when to return",
    () =>
      Effect.gen(function* () {
        const { ada, hub } = yield* start()
        const headers = { ...ada.headers, accept: "text/event-stream" }
        const older = yield* Effect.forkChild(hub.http.send({ method: "GET", path: "/mcp", headers }))
        yield* eventually(() => Context.get(hub.services, EventStreams).count() === 1)
        const newer = yield* ada.stream
        assert.match((yield* Fiber.join(older)).text, /\nretry: 5000\n\n$/)
        assert.strictEqual(newer.status, 200)
      })
  )

  it.live("is nothing for answers in JSON, is counted, and goes with its session", () =>
    Effect.gen(function* () {
      const { ada, bo, hold, kept } = yield* start()
      const plain = yield* ada.send(call("echo", { text: "hello" }))
      assert.strictEqual(plain.headers["content-type"], "application/json")
      assert.deepStrictEqual(kept(), [0, 0])
      const { held, opening } = yield* hold()
      progress(held, 1)
      held.content({ done: true })
      yield* (yield* Fiber.join(opening)).rest
      assert.strictEqual(kept()[0], 2)
      assert.isAbove(kept()[1]!, 100)
      assert.strictEqual(yield* bo.end, 204)
      assert.strictEqual(kept()[0], 2)
      assert.strictEqual(yield* ada.end, 204)
      assert.deepStrictEqual(kept(), [0, 0])
    })
  )
})
