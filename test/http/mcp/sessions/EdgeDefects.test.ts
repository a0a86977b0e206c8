/**
 * A throw at any step between the socket and the session ends the one request or stream it belongs to: 500 or the end of
 * the stream, one line in the log, and everything that it held is free again. The other user's call goes on.
 */
import { assert, describe, it } from "@effect/vitest"
import { Clock, Context, Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { ServerResponse } from "node:http"
import { FairShare } from "../../../../src/actors/limits/FairShare.ts"
import { UserLimits } from "../../../../src/actors/limits/UserLimits.ts"
import { AuditTrail } from "../../../../src/actors/observing/AuditTrail.ts"
import { Sessions } from "../../../../src/actors/registry/Sessions.ts"
import { RequestTracker } from "../../../../src/actors/requests/RequestTracker.ts"
import { Principals } from "../../../../src/domain/identity/Principals.ts"
import { Pieces } from "../../../../src/domain/protocol/json/Pieces.ts"
import { EventStreams } from "../../../../src/http/wire/EventStreams.ts"
import { McpClient } from "../../../../src/testkit/index.ts"
import { eventually } from "../../../support/Eventually.ts"
import * as EventTransportClient from "../../support/EventTransportClient.ts"
import { canary, type DefectHub, plant, start } from "../../support/PlantedDefects.ts"
import { requestOf } from "../../support/StatelessClient.ts"

type Plant = (hub: DefectHub["hub"]) => () => boolean

/** The method of a service throws when it is called next. */
const of =
  <Id, S extends object>(service: Context.Key<Id, S>, method: string & keyof S): Plant =>
  ({ services }) =>
    plant(Context.get(services as Context.Context<Id>, service), method)

/** The effect it gives dies of a defect. */
const dyingIn =
  <Id, S extends object>(service: Context.Key<Id, S>, method: string & keyof S): Plant =>
  ({ services }) =>
    plant(Context.get(services as Context.Context<Id>, service), method, () => Effect.die(new Error(canary)))

/** The key is not remembered, so that it has to be looked up. */
const unknownKey =
  (then: Plant): Plant =>
  (hub) => {
    plant(Context.get(hub.services, Principals), "peek", () => undefined)
    return then(hub)
  }

const call = { jsonrpc: "2.0", id: 7, method: "tools/call", params: { name: "files-echo", arguments: { ada: 1 } } }
const nothing = { share: 0, inFlight: 0, sessions: 0 }

interface Ended {
  readonly status: number
  readonly text: string
}

/** What ada sees, what is in the log, what she holds afterwards (with as many sessions), and bo's call. */
const oneDefect = Effect.fnUntraced(function* (
  { bosGoesOn, held, hub, lines, log }: DefectHub,
  hasThrown: () => boolean,
  { status, text }: Ended,
  { known = true, sessions = 1 }: { readonly known?: boolean; readonly sessions?: number } = {}
) {
  assert.isTrue(hasThrown(), "the planted defect was met")
  assert.deepStrictEqual(
    [status, JSON.parse(text).error.code, JSON.parse(text).error.data.kind],
    [500, -32603, "internal"]
  )
  const [line, ...more] = yield* lines(1)
  assert.deepStrictEqual(more, [])
  assert.strictEqual(line!["userId"], known ? hub.ada.user.id : undefined)
  assert.match(JSON.stringify(line!["frames"]), /PlantedDefects|EdgeDefects/)
  assert.notInclude(log() + text, canary)
  const left = yield* eventually(
    Effect.sync(() => held(hub.ada)),
    ({ inFlight, share }) => inFlight === 0 && share === 0,
    { every: "10 millis" }
  )
  assert.deepStrictEqual(left, { ...nothing, sessions })
  assert.deepStrictEqual(yield* bosGoesOn, { still: "bo's" })
})

describe("a defect on the way of a request with a session", () => {
  const steps: Readonly<Record<string, readonly [plant: Plant, known?: boolean]>> = {
    "where its key is looked for": [of(Principals, "peek"), false],
    "where its key is looked up": [unknownKey(of(Principals, "authenticate")), false],
    "in the look-up of its key": [unknownKey(dyingIn(Principals, "authenticate")), false],
    "before its share": [of(FairShare, "begin"), false],
    "before its body": [of(AuditTrail, "writable")],
    "at a piece of its body": [() => plant(Pieces.prototype, "push")],
    "at the end of its body": [() => plant(Pieces.prototype, "whole")],
    "where its session is looked for": [of(Sessions, "find")],
    "where its answer is prepared": [of(EventStreams, "whenSlow")],
    "before its place in flight": [of(UserLimits, "take")],
    "where it has its place in flight": [of(RequestTracker, "start")],
    "where its answer leaves": [of(EventStreams, "takeBack")]
  }
  for (const [where, [planting, known = true]] of Object.entries(steps)) {
    it.live(`${where}: costs that request, and nobody else's`, () =>
      Effect.gen(function* () {
        const defects = yield* start()
        const ada = yield* defects.hub.connect(defects.hub.ada)
        const hasThrown = planting(defects.hub)
        yield* oneDefect(defects, hasThrown, yield* ada.send(call), { known })
        assert.deepStrictEqual(yield* ada.callTool("files-echo", { again: 1 }), { again: 1 })
      })
    )
  }

  it.live("where it was written down by an earlier hub, or not at all: costs that request", () =>
    Effect.gen(function* () {
      const defects = yield* start()
      const { hub } = defects
      const headers = { ...McpClient.clientHeaders(hub.ada.key), "mcp-session-id": "session-of-ada-1" }
      const send = hub.http.send({ path: "/mcp", headers, body: JSON.stringify(call) })
      const hasThrown = of(Sessions, "recover")(hub)
      yield* oneDefect(defects, hasThrown, yield* send, { sessions: 0 })
      assert.strictEqual((yield* send).status, 200)
    })
  )

  it.effect("where it has waited for its turn: costs that request, and those behind it go on", () =>
    Effect.gen(function* () {
      const defects = yield* start({ fairShare: 20 })
      const { hub, bo } = defects
      const ada = yield* hub.connect(hub.ada)
      yield* TestClock.adjust("2 seconds")
      yield* bo.callTool("files-echo", { bo: 1 })
      const share = Context.get(hub.services, FairShare)
      // More than her share, of which some wait; the first that goes on finds the defect.
      const sent = yield* Effect.forkChild(
        Effect.forEach([...Array(12).keys()], (id) => ada.send({ ...call, id }), { concurrency: "unbounded" })
      )
      yield* eventually(Effect.sync(share.waiting), (waiting) => waiting > 0, { every: "10 millis" })
      const hasThrown = plant(Context.get(hub.services, Principals), "peek", undefined, (_key, again) => again !== true)
      const clock = yield* Clock.Clock
      yield* eventually(
        Effect.provideService(TestClock.adjust("50 millis"), Clock.Clock, clock).pipe(
          Effect.andThen(Effect.sync(() => sent.pollUnsafe()))
        ),
        (exit) => exit !== undefined
      )
      const answers = yield* Fiber.join(sent)
      const failed = answers.filter(({ status }) => status === 500)
      assert.deepStrictEqual([failed.length, answers.filter(({ status }) => status === 200).length], [1, 11])
      yield* oneDefect(defects, hasThrown, failed[0]!, { known: false })
    })
  )
})

describe("a defect where a session begins or ends", () => {
  const initialize = {
    jsonrpc: "2.0",
    id: 1,
    method: "initialize",
    params: EventTransportClient.introduction("2025-11-25")
  }
  const steps: Readonly<Record<string, Plant>> = {
    "before it is opened": of(Sessions, "open"),
    "while it is opened": dyingIn(Sessions, "open"),
    "when it is open": of(RequestTracker, "start")
  }
  for (const [where, planting] of Object.entries(steps)) {
    it.live(`${where}: leaves no session behind`, () =>
      Effect.gen(function* () {
        const defects = yield* start()
        const { held, hub } = defects
        const hasThrown = planting(hub)
        const body = JSON.stringify(initialize)
        const answer = yield* hub.http.send({ path: "/mcp", headers: McpClient.clientHeaders(hub.ada.key), body })
        yield* eventually(
          Effect.sync(() => held(hub.ada).sessions),
          (sessions) => sessions === 0,
          { every: "10 millis" }
        )
        yield* oneDefect(defects, hasThrown, answer, { sessions: 0 })
        const ada = yield* hub.connect(hub.ada)
        assert.deepStrictEqual(yield* ada.callTool("files-echo", { n: 1 }), { n: 1 })
      })
    )
  }

  it.live("by DELETE: costs that request, and the session can be ended again", () =>
    Effect.gen(function* () {
      const defects = yield* start()
      const { hub } = defects
      const ada = yield* hub.connect(hub.ada)
      const remove = hub.http.send({ method: "DELETE", path: "/mcp", headers: ada.headers })
      const hasThrown = of(Sessions, "close")(hub)
      yield* oneDefect(defects, hasThrown, yield* remove)
      assert.strictEqual((yield* remove).status, 204)
    })
  )
})

describe("a defect of an event stream", () => {
  /** A GET of ada's that meets the defect before its headers have left. */
  const get = (defects: DefectHub, headers: Readonly<Record<string, string>>) =>
    defects.hub.http.send({ method: "GET", path: "/mcp", headers: { ...headers, accept: "text/event-stream" } })

  for (const [where, planting] of [
    ["where its session is looked for", of(Sessions, "find")],
    ["where it is opened", of(EventStreams, "open")]
  ] as const) {
    it.live(`${where}: costs that request`, () =>
      Effect.gen(function* () {
        const defects = yield* start()
        const ada = yield* defects.hub.connect(defects.hub.ada)
        const hasThrown = planting(defects.hub)
        yield* oneDefect(defects, hasThrown, yield* get(defects, ada.headers))
        yield* (yield* ada.stream).abandon
      })
    )
  }

  it.effect("while it is kept alive: ends that stream, and the others are kept alive", () =>
    Effect.gen(function* () {
      const { bo, bosGoesOn, hub, lines } = yield* start({ requestTimeout: 120_000 })
      const ada = yield* hub.connect(hub.ada)
      const streams = Context.get(hub.services, EventStreams)
      const adas = yield* ada.stream
      const bos = yield* bo.stream
      // By then bo's call, which takes long, has become a stream, too.
      yield* TestClock.adjust("3 seconds")
      assert.strictEqual(streams.count(), 3)
      // The first that is written to is the first that was opened.
      const hasThrown = plant(ServerResponse.prototype, "write")
      yield* TestClock.adjust("15 seconds")
      assert.isTrue(hasThrown())
      yield* Effect.exit(adas.ended)
      assert.strictEqual(yield* eventually(Effect.sync(streams.count), (open) => open === 2), 2)
      // The log leaves in batches, by the clock.
      yield* TestClock.adjust("1 second")
      const all = yield* lines(1)
      assert.deepStrictEqual(
        all.map(({ userId }) => userId),
        [hub.ada.user.id]
      )
      yield* TestClock.adjust("15 seconds")
      assert.strictEqual(streams.count(), 2)
      yield* bos.abandon
      assert.deepStrictEqual(yield* bosGoesOn, { still: "bo's" })
      yield* (yield* ada.stream).abandon
    })
  )

  it.live("that carries an answer: breaks it off, and the session goes on", () =>
    Effect.gen(function* () {
      const defects = yield* start()
      const { hub, lines } = defects
      const ada = yield* hub.connect(hub.ada)
      const held = yield* defects.hold(ada, { meta: { progressToken: "p" } })
      const hasThrown = of(EventStreams, "open")(hub)
      held.call.event({
        jsonrpc: "2.0",
        method: "notifications/progress",
        params: { progressToken: held.call.progressToken, progress: 1 }
      })
      const [answer] = yield* held.messages
      held.call.content({ done: 1 })
      yield* oneDefect(defects, hasThrown, { status: 500, text: JSON.stringify(answer) }, { sessions: 1 })
      assert.deepStrictEqual((yield* lines(1))[0]!["userId"], hub.ada.user.id)
    })
  )
})

describe("a defect on the way of a stateless request", () => {
  const steps: Readonly<Record<string, readonly [plant: Plant, sessions: number]>> = {
    "where its actor is looked for": [of(Sessions, "find"), 0],
    "before its actor is opened": [of(Sessions, "open"), 0],
    "while its actor is opened": [dyingIn(Sessions, "open"), 0],
    "where it has its place in flight": [of(RequestTracker, "start"), 1]
  }
  for (const [where, [planting, sessions]] of Object.entries(steps)) {
    it.live(`${where}: costs that request`, () =>
      Effect.gen(function* () {
        const defects = yield* start()
        const { hub } = defects
        const request = requestOf(hub.ada, "tools/call", { name: "files-echo", arguments: { ada: 1 } })
        const hasThrown = planting(hub)
        yield* oneDefect(defects, hasThrown, yield* hub.http.send(request), { sessions })
        assert.strictEqual((yield* hub.http.send(request)).status, 200)
      })
    )
  }
})

describe("a defect over HTTP+SSE", () => {
  for (const [where, planting] of [
    ["where its place is taken", of(Sessions, "reserve")],
    ["where its stream is opened", of(EventStreams, "open")]
  ] as const) {
    it.live(`${where}: holds no place`, () =>
      Effect.gen(function* () {
        const defects = yield* start()
        const { held, hub } = defects
        const headers = { ...EventTransportClient.headersOf(hub.ada), accept: "text/event-stream" }
        const hasThrown = planting(hub)
        const answer = yield* hub.http.send({ method: "GET", path: "/sse", headers })
        yield* eventually(
          Effect.sync(() => held(hub.ada).sessions),
          (sessions) => sessions === 0,
          { every: "10 millis" }
        )
        yield* oneDefect(defects, hasThrown, answer, { sessions: 0 })
        const ada = yield* EventTransportClient.connect(hub, hub.ada)
        assert.deepStrictEqual(yield* ada.callTool("files-echo", { n: 1 }), { n: 1 })
      })
    )
  }

  const steps: Readonly<Record<string, Plant>> = {
    "before its session is opened": of(Sessions, "open"),
    "while its session is opened": dyingIn(Sessions, "open"),
    "where its initialize has a place in flight": of(RequestTracker, "start")
  }
  for (const [where, planting] of Object.entries(steps)) {
    it.live(`${where}: costs that POST, and not the stream`, () =>
      Effect.gen(function* () {
        const defects = yield* start()
        const { hub } = defects
        const ada = yield* EventTransportClient.open(hub, hub.ada)
        const hasThrown = planting(hub)
        const answer = yield* ada.send("initialize", EventTransportClient.introduction("2024-11-05"))
        yield* oneDefect(defects, hasThrown, answer)
        assert.isDefined(yield* ada.request("ping"))
        yield* ada.abandon
      })
    )
  }
})
