import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Fiber, Queue, Scope } from "effect"
import { TestClock } from "effect/testing"
import * as fc from "fast-check"
import { HubMetrics } from "../../src/actors/HubMetrics.ts"
import { maxStreamBytes } from "../../src/actors/ReplayStream.ts"
import { EventStreams } from "../../src/http/EventStreams.ts"
import { type HubUser, McpClient, RawHttp, type ScriptedCall, ScriptedHttpUpstream } from "../../src/testkit/index.ts"
import type { OpenAnswer } from "../../src/testkit/RawHttp.ts"
import type { ScriptedHttp } from "../../src/testkit/ScriptedHttpUpstream.ts"
import { TestHub } from "../../src/testkit/TestHub.ts"
import * as Eventually from "../support/Eventually.ts"
import * as CuttingProxy from "./CuttingProxy.ts"
import { resuming } from "./OfficialClients.ts"

const call = (name: string, args: object = {}, id: string | number = 1) => ({
  jsonrpc: "2.0",
  id,
  method: "tools/call",
  params: { name: `files-${name}`, arguments: args, _meta: { progressToken: `token-${id}` } }
})

const progress = (held: ScriptedCall, step: number): void =>
  held.event({
    jsonrpc: "2.0",
    method: "notifications/progress",
    params: { progressToken: held.progressToken, progress: step }
  })

const changed = (list: string) => ({ jsonrpc: "2.0", method: `notifications/${list}/list_changed` }) as const
const log = (data: unknown) => ({ jsonrpc: "2.0", method: "notifications/message", params: { level: "info", data } })

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

/** ada reaches the hub through a network that breaks; `hold` keeps its calls until the test answers them. */
const start = Effect.fnUntraced(function* (options: McpClient.ConnectOptions = {}) {
  const arrived = yield* Queue.unbounded<ScriptedCall>()
  const upstream = yield* ScriptedHttpUpstream.make({
    tools: { hold: (held) => void Queue.offerUnsafe(arrived, held) }
  })
  const hub = yield* TestHub.make({ servers: { files: { url: upstream.url } } })
  const proxy = yield* CuttingProxy.make(hub.url)
  const scope = yield* Effect.scope
  // Each request on a connection of its own: none goes out on one that was cut before and is not yet known to be.
  const connection = Scope.provide(RawHttp.make(proxy.origin), scope)
  const http: RawHttp.RawHttp = {
    send: (request) => Effect.flatMap(connection, ({ send }) => send(request)),
    open: (request) => Effect.flatMap(connection, ({ open }) => open(request))
  }
  const ada = yield* McpClient.connect(http, hub.ada, options)
  const bo = yield* hub.connect(hub.bo, options)
  const metrics = Context.get(hub.services, HubMetrics)
  const kept = () => [metrics.value("mcphub_kept_events"), metrics.value("mcphub_kept_event_bytes")]
  /** A call of ada's, as far as its upstream; `arrived`: the next that anybody makes. */
  const hold = Object.assign(
    Effect.fnUntraced(function* (id?: number) {
      const opening = yield* Effect.forkChild(ada.open(call("hold", {}, id)))
      return { opening, held: yield* Queue.take(arrived) }
    }),
    { arrived: Queue.take(arrived) }
  )
  return { upstream, hub, proxy, ada, bo, kept, hold }
})

/** Until this many sessions listen to the upstream. */
const pushable = (upstream: ScriptedHttp, sessions: number) =>
  eventually(() => upstream.calls("GET").length >= sessions)

/** Until the hub has noticed what the network did, of which it tells nobody. */
const eventually = (holds: () => boolean) =>
  Eventually.eventually(Effect.sync(holds), (held) => held, { every: "5 millis" }).pipe(
    Effect.map((held) => assert.isTrue(held))
  )

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

describe("the official clients, whose connections are cut while they wait", () => {
  for (const generation of ["1.x", "2.x"] as const) {
    it.live(`SDK ${generation} gets its answer, its progress and its notifications, each once`, () =>
      Effect.gen(function* () {
        const { bo, hold, hub, proxy, upstream } = yield* start()
        const bos = yield* bo.stream
        const seen: Array<unknown> = []
        const client = yield* resuming(generation, proxy.url, hub.ada, (data) => void seen.push(data))
        const steps: Array<number> = []
        const calling = yield* Effect.forkChild(
          Effect.promise(() => client.callTool("files-hold", ({ progress }) => void steps.push(progress)))
        )
        const held = yield* hold.arrived
        progress(held, 1)
        yield* eventually(() => steps.length === 1)
        yield* pushable(upstream, 1)
        upstream.push(log("before"))
        yield* eventually(() => seen.length === 1)
        proxy.hold()
        yield* proxy.cut
        progress(held, 2)
        upstream.push(log("meanwhile"))
        held.content({ done: true })
        proxy.restore()
        assert.deepStrictEqual(((yield* Fiber.join(calling)) as any).structuredContent, { done: true })
        yield* eventually(() => seen.length === 2)
        assert.deepStrictEqual(
          [steps, seen],
          [
            [1, 2],
            ["before", "meanwhile"]
          ]
        )
        assert.deepStrictEqual(yield* bo.callTool("files-echo", { bo: 1 }), { bo: 1 })
        assert.strictEqual(yield* bo.end, 204)
        assert.deepStrictEqual(yield* bos.rest, [])
      })
    )

    it.live(`SDK ${generation}, told an error on a stream, comes back at most once for more`, () =>
      Effect.gen(function* () {
        const { hold, hub } = yield* start()
        const came: Array<number> = []
        const recording: typeof fetch = async (input, init) => {
          const answer = await fetch(input, init)
          if (new Headers(init?.headers).has("last-event-id")) came.push(answer.status)
          return answer
        }
        const client = yield* resuming(generation, hub.url, hub.ada, () => {}, recording)
        const calling = yield* Effect.forkChild(
          Effect.promise(() => client.callTool("files-hold", () => {}).catch((error: unknown) => error))
        )
        const held = yield* hold.arrived
        progress(held, 1)
        held.error(-32000, "No luck")
        assert.match(String(yield* Fiber.join(calling)), /No luck/)
        for (let n = 0; n < 50; n++) yield* Effect.promise(() => client.callTool("files-echo"))
        assert.include([[], [204]].map(String), String(came))
      })
    )

    it.effect(`SDK ${generation} gets the answer of a call that was silent`, () =>
      Effect.gen(function* () {
        const { hold, hub, proxy } = yield* start()
        const client = yield* resuming(generation, proxy.url, hub.ada)
        const tokens: Array<string> = []
        const calling = yield* Effect.forkChild(
          Effect.promise(() => client.callTool("files-hold", undefined, (token) => void tokens.push(token)))
        )
        const held = yield* hold.arrived
        yield* TestClock.adjust("2 seconds")
        yield* eventually(() => tokens.length === 1)
        yield* proxy.cut
        held.content({ silent: true })
        assert.deepStrictEqual(((yield* Fiber.join(calling)) as any).structuredContent, { silent: true })
      })
    )
  }
})
