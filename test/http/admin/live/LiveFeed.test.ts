/** The live feed, through a whole hub with ada and bo: what each audience is told, when, and at what cost. */
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Exit, Layer, Scope } from "effect"
import { TestClock } from "effect/testing"
import { Sessions } from "../../../../src/actors/registry/Sessions.ts"
import { LiveFeed, type LiveReader, mostReadersOfUser } from "../../../../src/http/admin/live/LiveFeed.ts"
import type { LiveDelta, LiveSnapshot } from "../../../../src/http/admin/live/LiveMessages.ts"
import { type RunningHub, ScriptedHttpUpstream, TestHub } from "../../../../src/testkit/index.ts"
import { eventually } from "../../../support/Eventually.ts"
import { holdingUpstream } from "../../support/HoldingUpstream.ts"

type Event =
  | { readonly name: "snapshot"; readonly data: LiveSnapshot; readonly text: string }
  | { readonly name: "delta"; readonly data: LiveDelta; readonly text: string }

const parsed = (text: string): Event => {
  const [, name, data] = /^event: (snapshot|delta)\ndata: (.*)\n\n$/.exec(text)!
  return { name, data: JSON.parse(data!), text } as Event
}

const start = Effect.fnUntraced(function* (servers: Parameters<typeof TestHub.make>[0] = {}) {
  const { hold, upstream } = yield* holdingUpstream()
  const hub = yield* TestHub.make({ servers: { files: { url: upstream.url } }, ...servers })
  const asked = { sessions: 0 }
  const sessions = Context.get(hub.services, Sessions)
  const counting = Sessions.of({
    ...sessions,
    list: Effect.andThen(
      Effect.sync(() => void asked.sessions++),
      sessions.list
    ),
    listOf: (userId) => {
      asked.sessions++
      return sessions.listOf(userId)
    }
  })
  // Another one than the hub's own, which counts nothing.
  const services = Context.add(hub.services, Sessions, counting)
  const feed = Context.get(
    yield* Layer.build(Layer.fresh(LiveFeed.layer)).pipe(Effect.provideContext(services)),
    LiveFeed
  )
  const next = (reader: LiveReader) => Effect.map(reader.next, parsed)
  /** What comes with the next second. */
  const tick = (reader: LiveReader) => Effect.andThen(TestClock.adjust("1 second"), next(reader))
  return { hold, upstream, hub, asked, sessions, feed, next, tick }
})

/** What must never stand in the stream of another. */
const marksOf = (hub: RunningHub, name: "ada" | "bo"): ReadonlyArray<string> => [
  `"${name}"`,
  hub[name].user.id,
  hub[name].row.id
]

const hasNothingOf = (text: string, marks: ReadonlyArray<string>): void => {
  for (const mark of marks) assert.notInclude(text, mark)
}

describe("the live feed", () => {
  it.effect("tells everybody's things to who may see them, and to a user only their own", () =>
    Effect.gen(function* () {
      const { feed, hold, hub, next, tick } = yield* start()
      const [ada, bo] = yield* Effect.all([hub.connect(hub.ada), hub.connect(hub.bo)])
      for (const client of [ada, bo]) yield* client.callTool("files-echo", { n: 1 })
      const held = yield* hold(ada)
      const all = yield* feed.read(hub.bo.user.id, "everybody")
      const adas = yield* feed.read(hub.ada.user.id, hub.ada.user.id)
      const bos = yield* feed.read(hub.bo.user.id, hub.bo.user.id)
      const [everybody, own, others] = [yield* next(all), yield* next(adas), yield* next(bos)]
      for (const { name } of [everybody, own, others]) assert.strictEqual(name, "snapshot")
      const data = (event: Event) => event.data as LiveSnapshot
      assert.deepStrictEqual(
        data(everybody)
          .sessions.map(({ username }) => username)
          .toSorted(),
        ["ada", "bo"]
      )
      assert.deepStrictEqual(
        data(own).sessions.map(({ username }) => username),
        ["ada"]
      )
      assert.deepInclude(data(own).requests[0], { username: "ada", server: "files", target: "files-hold" })
      assert.deepInclude(data(own).requests[0]!.why, { kind: "server", server: "files" })
      assert.deepInclude(data(own).servers[0], { name: "files", state: "up", troubles: [], lastLines: [] })
      assert.deepStrictEqual(data(everybody).servers[0]!.connections, 2)
      assert.deepStrictEqual([data(own).counters.inFlight, data(others).counters.inFlight], [1, 0])
      assert.lengthOf(data(others).requests, 0)
      hasNothingOf(others.text, marksOf(hub, "ada"))
      hasNothingOf(own.text, marksOf(hub, "bo"))

      // What nothing has changed of is not told again.
      const quiet = yield* tick(adas)
      assert.strictEqual(quiet.name, "delta")
      for (const part of ["sessions", "requests", "servers"] as const) {
        assert.deepStrictEqual((quiet.data as LiveDelta)[part], { set: [], gone: [] })
      }
      yield* next(all)
      yield* next(bos)

      held.call.content({ done: true })
      yield* held.answer
      const [after, afterBo] = [yield* tick(adas), yield* next(bos)]
      const delta = after.data as LiveDelta
      assert.deepStrictEqual(delta.requests, { set: [], gone: [data(own).requests[0]!.requestId] })
      assert.deepStrictEqual(
        delta.sessions.set.map(({ inFlight, state }) => [inFlight, state]),
        [[0, "idle"]]
      )
      assert.deepInclude(delta.counters, { count: 1, errors: 0, inFlight: 0, sessions: 1 })
      assert.isAbove(delta.counters.p50Ms!, 0)
      assert.deepInclude((afterBo.data as LiveDelta).counters, { count: 0, p50Ms: null })
      hasNothingOf(afterBo.text, marksOf(hub, "ada"))
      yield* ada.end
      const ended = (yield* tick(adas)).data as LiveDelta
      assert.deepStrictEqual(ended.sessions.gone, [data(own).sessions[0]!.sessionId])
    })
  )

  it.effect("asks and counts nothing while nobody looks, and once a second for all who do", () =>
    Effect.gen(function* () {
      const { asked, feed, hub, next, tick } = yield* start()
      const ada = yield* hub.connect(hub.ada)
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(asked.sessions, 0)
      const looking = yield* Scope.make()
      const read = Effect.provideService(feed.read(hub.ada.user.id, "everybody"), Scope.Scope, looking)
      const [one, other] = [yield* read, yield* read]
      for (const reader of [one, other]) assert.strictEqual((yield* next(reader)).name, "snapshot")
      assert.strictEqual(asked.sessions, 1)
      yield* tick(one)
      yield* next(other)
      assert.strictEqual(asked.sessions, 2)
      assert.strictEqual(feed.readers(), 2)
      yield* Scope.close(looking, Exit.void)
      yield* ada.request("ping")
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(asked.sessions, 2)
      assert.strictEqual(feed.readers(), 0)
      // Whoever comes then begins with an empty minute.
      const later = yield* feed.read(hub.bo.user.id, "everybody")
      const { counters } = (yield* next(later)).data
      assert.deepStrictEqual([counters.count, counters.overMs], [0, 0])
    })
  )

  it.effect("keeps one message for a reader that is slow, and that is the latest state", () =>
    Effect.gen(function* () {
      const { feed, hub, next, tick } = yield* start()
      const slow = yield* feed.read(hub.ada.user.id, "everybody")
      const quick = yield* feed.read(hub.bo.user.id, "everybody")
      yield* next(slow)
      yield* next(quick)
      for (let second = 0; second < 3; second++) {
        yield* hub.connect(hub.ada)
        const told = yield* tick(quick)
        assert.strictEqual(told.name, "delta")
        assert.lengthOf((told.data as LiveDelta).sessions.set, 1)
      }
      const caught = yield* next(slow)
      assert.strictEqual(caught.name, "snapshot")
      assert.lengthOf((caught.data as LiveSnapshot).sessions, 3)
      yield* hub.connect(hub.ada)
      const [again, other] = [yield* tick(slow), yield* next(quick)]
      assert.strictEqual(again.text, other.text)
      assert.lengthOf((again.data as LiveDelta).sessions.set, 1)
    })
  )

  it.effect("has so many streams for a user, who takes none of another's", () =>
    Effect.gen(function* () {
      const { feed, hub } = yield* start()
      const read = (user: "ada" | "bo") => feed.read(hub[user].user.id, hub[user].user.id)
      const all = yield* Scope.make()
      for (let n = 0; n < mostReadersOfUser; n++) yield* Effect.provideService(read("ada"), Scope.Scope, all)
      const refused = yield* Effect.flip(read("ada"))
      assert.strictEqual(refused._tag, "TooManyReaders")
      yield* read("bo")
      yield* Scope.close(all, Exit.void)
      yield* read("ada")
    })
  )

  it.effect("tells a user nothing of why a server that all share is down: it may be about another", () =>
    Effect.gen(function* () {
      const upstream = yield* ScriptedHttpUpstream.make({
        sessions: false,
        methods: { initialize: (call) => call.status(500) }
      })
      const servers = { files: { url: upstream.url, isolation: "shared", context: "none" } } as const
      const { feed, hub, next } = yield* start({ servers })
      const ada = yield* hub.connect(hub.ada)
      yield* Effect.ignore(ada.callTool("files-echo"))
      const [all, bos] = [
        yield* feed.read(hub.ada.user.id, "everybody"),
        yield* feed.read(hub.bo.user.id, hub.bo.user.id)
      ]
      const [everybody, own] = [(yield* next(all)).data as LiveSnapshot, (yield* next(bos)).data as LiveSnapshot]
      assert.match(everybody.servers[0]!.troubles[0]!.reason!, /500/)
      assert.deepInclude(own.servers[0], { name: "files", state: "down", reason: null, troubles: [] })
    })
  )

  it.effect("ends when the hub does", () =>
    Effect.gen(function* () {
      const { feed, hub, next, sessions } = yield* start()
      const reader = yield* feed.read(hub.ada.user.id, hub.ada.user.id)
      yield* next(reader)
      yield* sessions.drain(0)
      yield* TestClock.adjust("1 second")
      const ended = yield* eventually(Effect.exit(reader.next), Exit.isFailure)
      assert.isTrue(Exit.isFailure(ended))
    })
  )
})
