import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Queue } from "effect"
import { TestClock } from "effect/testing"
import { UpstreamHealth } from "../../../src/actors/upstream/guards/UpstreamHealth.ts"
import type { Items } from "../../../src/actors/catalog/KeptList.ts"
import type { JsonObject } from "../../../src/domain/protocol/JsonRpc.ts"
import type { ScriptedCall, Script } from "../../../src/testkit/ScriptedCall.ts"
import { ScriptedHttpUpstream } from "../../../src/testkit/ScriptedHttpUpstream.ts"
import { upstreams } from "../upstream/support/UpstreamSessions.ts"

const names = (items: Items): ReadonlyArray<string> => [...items.keys()]

const tools = (...all: ReadonlyArray<string>) => ({ tools: all.map((name) => ({ name, inputSchema: {} })) })

/** A server with these capabilities and these answers to the methods that list. */
const server = (capabilities: JsonObject, methods: Readonly<Record<string, Script>>) =>
  ScriptedHttpUpstream.make({
    sessions: false,
    methods: {
      initialize: (call) =>
        call.result({ protocolVersion: "2025-11-25", capabilities, serverInfo: { name: "lists", version: "1" } }),
      ...methods
    }
  })

/** A server whose lists of tools the test answers: `arrived` is the next one, past or to come. */
const holding = Effect.fnUntraced(function* (capabilities: JsonObject = { tools: { listChanged: true } }) {
  const held = yield* Queue.unbounded<ScriptedCall>()
  const one = yield* server(capabilities, { "tools/list": (call) => void Queue.offerUnsafe(held, call) })
  return { url: one.url, calls: one.calls, arrived: Queue.take(held) }
})

describe("a server's list", () => {
  it.effect("is fetched whole over all pages, and by the context of its own user", () =>
    Effect.gen(function* () {
      const one = yield* server(
        { tools: {} },
        {
          "tools/list": (call) => {
            const user = call.received.headers["x-mcphub-user-id"]
            const cursor = call.params["cursor"]
            if (cursor === undefined) call.result({ ...tools(`a-of-${user}`, "b"), nextCursor: "2" })
            else if (cursor === "2") call.result({ ...tools("c"), nextCursor: "3" })
            else call.result(tools("d"))
          }
        }
      )
      const hub = yield* upstreams({ notes: { url: one.url } })
      const ada = yield* hub.session("ada")
      const bo = yield* hub.session("bo")
      assert.deepStrictEqual(names(yield* ada.list("notes")), ["a-of-ada-id", "b", "c", "d"])
      assert.deepStrictEqual(names(yield* bo.list("notes")), ["a-of-bo-id", "b", "c", "d"])
      assert.deepStrictEqual(names(ada.lists.known("notes", "tools")!), ["a-of-ada-id", "b", "c", "d"])
      const health = yield* Effect.provideContext(UpstreamHealth, hub.services)
      assert.deepInclude((yield* health.status)[0], { name: "notes", tools: 4 })
    }).pipe(Effect.scoped)
  )

  it.effect("ends where a server hands out a cursor twice", () =>
    Effect.gen(function* () {
      const one = yield* server(
        { tools: {} },
        { "tools/list": (call) => call.result({ ...tools("a"), nextCursor: "x" }) }
      )
      const ada = yield* (yield* upstreams({ notes: { url: one.url } })).session("ada")
      assert.deepStrictEqual(names(yield* ada.list("notes")), ["a"])
      assert.strictEqual(one.calls("tools/list").length, 2)
    }).pipe(Effect.scoped)
  )

  it.effect("A60: has its user's memory as a bound over all sessions, counts once, and makes room when it goes", () =>
    Effect.gen(function* () {
      const pages = (call: ScriptedCall): void => {
        const page = Number(call.params["cursor"] ?? 1)
        const text = "x".repeat(10_000)
        const items = Array.from({ length: 10 }, (_, n) => ({
          name: `${page}-${n}`,
          description: text,
          inputSchema: {}
        }))
        call.result({ tools: items, ...(page === 1 ? { nextCursor: "2" } : {}) })
      }
      const one = yield* server({ tools: {} }, { "tools/list": pages })
      // Half of it is for lists: there is room for two of 200 kB, and for the first page of a third.
      const hub = yield* upstreams({ notes: { url: one.url } }, { maxMemoryPerUser: 1_100_000 })
      const sessions = yield* Effect.all([hub.session("ada"), hub.session("ada"), hub.session("ada")])
      const [first, second, third] = sessions
      const bo = yield* hub.session("bo")
      yield* first.list("notes")
      const each = first.listBytes()
      assert.isAbove(each, 200_000)
      yield* second.list("notes")
      const refused = yield* Effect.flip(third.list("notes"))
      assert.strictEqual(refused._tag, "MemoryLimitReached")
      assert.include(refused.message, "tools/list of server notes")
      assert.include(refused.message, "MAX_MEMORY_PER_USER")
      assert.strictEqual(third.listBytes(), 2 * each)
      assert.strictEqual((yield* bo.list("notes")).size, 20)
      assert.strictEqual(bo.listBytes(), each)

      // A list that has become stale is replaced, though there is no room for both.
      yield* TestClock.adjust(10_000)
      yield* second.list("notes")
      assert.strictEqual(second.listBytes(), 2 * each)
      second.lists.closed("notes")
      assert.strictEqual(second.listBytes(), each)
      assert.strictEqual((yield* third.list("notes")).size, 20)
      for (const { end } of sessions) yield* end
      assert.strictEqual(first.listBytes(), 0)
      assert.strictEqual(bo.listBytes(), each)
    }).pipe(Effect.scoped)
  )

  it.effect(
    "A60: stays in use where there is no room for the new one, which says so, and takes its place once there is",
    () =>
      Effect.gen(function* () {
        let length = 100_000
        const one = yield* server(
          { tools: {} },
          {
            "tools/list": (call) =>
              call.result({ tools: [{ name: `of-${length}`, description: "x".repeat(length), inputSchema: {} }] })
          }
        )
        const hub = yield* upstreams({ notes: { url: one.url } }, { maxMemoryPerUser: 500_000 })
        const [first, second] = yield* Effect.all([hub.session("ada"), hub.session("ada")])
        yield* first.list("notes")
        yield* second.list("notes")
        const before = first.listBytes()
        length = 200_000
        yield* TestClock.adjust(10_000)
        assert.deepStrictEqual(names(yield* first.list("notes")), ["of-100000"])
        assert.include(first.lists.origin("notes", "tools").incomplete, "MAX_MEMORY_PER_USER")
        assert.deepStrictEqual(names(first.lists.known("notes", "tools")!), ["of-100000"])
        assert.strictEqual(first.listBytes(), before)
        yield* second.end
        yield* TestClock.adjust(10_000)
        assert.deepStrictEqual(names(yield* first.list("notes")), ["of-200000"])
        assert.isUndefined(first.lists.origin("notes", "tools").incomplete)
        assert.isAbove(first.listBytes(), 200_000)
        assert.isBelow(first.listBytes(), 210_000)
      }).pipe(Effect.scoped)
  )

  it.effect("leaves out what has no name, and is an error where it is no list at all", () =>
    Effect.gen(function* () {
      const one = yield* server(
        { tools: {}, prompts: {} },
        {
          "tools/list": (call) =>
            call.result({ tools: [{ name: "a" }, null, { title: "nameless" }, { name: 7 }, { name: "b" }] }),
          "prompts/list": (call) => call.result({ prompts: "none" })
        }
      )
      const ada = yield* (yield* upstreams({ notes: { url: one.url } })).session("ada")
      assert.deepStrictEqual(names(yield* ada.list("notes")), ["a", "b"])
      const error = yield* Effect.flip(ada.list("notes", "prompts"))
      assert.deepInclude(error, { _tag: "UpstreamFailed", reason: "protocol" })
      assert.include(error.message, "prompts/list")
    }).pipe(Effect.scoped)
  )

  it.effect("is empty, without asking, where the server does not offer the kind", () =>
    Effect.gen(function* () {
      const one = yield* server({ tools: {} }, {})
      const ada = yield* (yield* upstreams({ notes: { url: one.url } })).session("ada")
      assert.strictEqual((yield* ada.list("notes", "resources")).size, 0)
      assert.deepStrictEqual(one.calls("resources/list"), [])
    }).pipe(Effect.scoped)
  )

  it.effect("is asked for once however many want it at the same time, and goes on when the first of them leaves", () =>
    Effect.gen(function* () {
      const one = yield* holding()
      const ada = yield* (yield* upstreams({ notes: { url: one.url } })).session("ada")
      const first = yield* Effect.forkChild(ada.list("notes"))
      const call = yield* one.arrived
      const others = yield* Effect.forkChild(Effect.all([ada.list("notes"), ada.list("notes")], { concurrency: 2 }), {
        startImmediately: true
      })
      yield* Fiber.interrupt(first)
      call.result(tools("a"))
      assert.deepStrictEqual((yield* Fiber.join(others)).map(names), [["a"], ["a"]])
      assert.strictEqual(one.calls("tools/list").length, 1)
    }).pipe(Effect.scoped)
  )

  it.effect("that two users want at the same time is asked for by each of them, and each gets their own", () =>
    Effect.gen(function* () {
      const one = yield* holding()
      const hub = yield* upstreams({ notes: { url: one.url } })
      const [ada, bo] = [yield* hub.session("ada"), yield* hub.session("bo")]
      const adas = yield* Effect.forkChild(ada.list("notes"))
      const first = yield* one.arrived
      const bos = yield* Effect.forkChild(bo.list("notes"))
      const second = yield* one.arrived
      for (const call of [second, first]) call.result(tools(`of-${call.received.headers["x-mcphub-user-id"]}`))
      assert.deepStrictEqual(names(yield* Fiber.join(adas)), ["of-ada-id"])
      assert.deepStrictEqual(names(yield* Fiber.join(bos)), ["of-bo-id"])
    }).pipe(Effect.scoped)
  )

  it.effect("is believed for five minutes where changes are announced, for five seconds where they are not", () =>
    Effect.gen(function* () {
      const answer = { "tools/list": (call: ScriptedCall) => call.result(tools("a")) }
      const announcing = yield* server({ tools: { listChanged: true } }, answer)
      const silent = yield* server({ tools: {} }, answer)
      const hub = yield* upstreams({ announcing: { url: announcing.url }, silent: { url: silent.url } })
      const ada = yield* hub.session("ada")
      const askedAfter = Effect.fnUntraced(function* (name: string, ms: number) {
        yield* TestClock.adjust(ms)
        yield* ada.list(name)
        return (name === "silent" ? silent : announcing).calls("tools/list").length
      })
      assert.strictEqual(yield* askedAfter("silent", 0), 1)
      assert.strictEqual(yield* askedAfter("silent", 4_999), 1)
      assert.strictEqual(yield* askedAfter("silent", 1), 2)
      assert.strictEqual(yield* askedAfter("announcing", 0), 1)
      assert.strictEqual(yield* askedAfter("announcing", 5 * 60_000 - 1), 1)
      assert.strictEqual(yield* askedAfter("announcing", 1), 2)
    }).pipe(Effect.scoped)
  )

  it.effect("is fetched anew once it is known to have changed: that kind of that server, in that session", () =>
    Effect.gen(function* () {
      let version = 1
      const one = yield* server(
        { tools: { listChanged: true }, prompts: { listChanged: true } },
        {
          "tools/list": (call) => call.result(tools(`tool-${version}`)),
          "prompts/list": (call) => call.result({ prompts: [{ name: `prompt-${version}` }] })
        }
      )
      const hub = yield* upstreams({ notes: { url: one.url } })
      const [ada, bo] = [yield* hub.session("ada"), yield* hub.session("bo")]
      for (const { list } of [ada, bo]) yield* Effect.all([list("notes"), list("notes", "prompts")])
      version = 2
      ada.lists.changed("notes", ["tools"])
      assert.isUndefined(ada.lists.known("notes", "tools"))
      assert.deepStrictEqual(names(yield* ada.list("notes")), ["tool-2"])
      assert.deepStrictEqual(names(yield* ada.list("notes", "prompts")), ["prompt-1"])
      assert.deepStrictEqual(names(yield* bo.list("notes")), ["tool-1"])
      ada.lists.closed("notes")
      assert.deepStrictEqual(names(yield* ada.list("notes", "prompts")), ["prompt-2"])
    }).pipe(Effect.scoped)
  )

  it.effect("that was under way when it changed answers who waits for it, and is not kept", () =>
    Effect.gen(function* () {
      const one = yield* holding()
      const ada = yield* (yield* upstreams({ notes: { url: one.url } })).session("ada")
      const before = yield* Effect.forkChild(ada.list("notes"))
      const old = yield* one.arrived
      ada.lists.changed("notes", ["tools"])
      const after = yield* Effect.forkChild(ada.list("notes"))
      ;(yield* one.arrived).result(tools("new"))
      assert.deepStrictEqual(names(yield* Fiber.join(after)), ["new"])
      old.result(tools("old"))
      assert.deepStrictEqual(names(yield* Fiber.join(before)), ["old"])
      assert.deepStrictEqual(names(yield* ada.list("notes")), ["new"])
      assert.deepStrictEqual(names(ada.lists.known("notes", "tools")!), ["new"])
    }).pipe(Effect.scoped)
  )

  it.effect("that was under way when it changed is asked for again, also when nobody asked meanwhile", () =>
    Effect.gen(function* () {
      const one = yield* holding()
      const ada = yield* (yield* upstreams({ notes: { url: one.url } })).session("ada")
      const before = yield* Effect.forkChild(ada.list("notes"))
      const old = yield* one.arrived
      ada.lists.changed("notes", ["tools"])
      old.result(tools("old"))
      yield* Fiber.join(before)
      const after = yield* Effect.forkChild(ada.list("notes"))
      ;(yield* one.arrived).result(tools("new"))
      assert.deepStrictEqual(names(yield* Fiber.join(after)), ["new"])
    }).pipe(Effect.scoped)
  )
})

describe("a list that comes late", () => {
  it.effect("is done without after the list limit, announced once when it comes, and kept", () =>
    Effect.gen(function* () {
      const one = yield* holding()
      const hub = yield* upstreams({ notes: { url: one.url } }, { listTimeout: 2_000 })
      const [ada, bo] = [yield* hub.session("ada"), yield* hub.session("bo")]
      const waiting = yield* Effect.forkChild(
        Effect.all(
          [0, 1].map(() => Effect.flip(ada.list("notes"))),
          { concurrency: 2 }
        )
      )
      const call = yield* one.arrived
      yield* TestClock.adjust(1_999)
      assert.isUndefined(waiting.pollUnsafe())
      yield* TestClock.adjust(1)
      for (const error of yield* Fiber.join(waiting)) {
        assert.deepInclude(error, { _tag: "UpstreamUnavailable", reason: "timeout" })
        assert.include(error.message, "tools/list within 2000 ms")
      }
      assert.deepStrictEqual(ada.announced, [])
      call.result(tools("a"))
      yield* ada.nextAnnounced
      assert.deepStrictEqual(names(yield* ada.list("notes")), ["a"])
      assert.deepStrictEqual(ada.announced, ["tools"])
      assert.deepStrictEqual(bo.announced, [])
      assert.strictEqual(one.calls("tools/list").length, 1)
    }).pipe(Effect.scoped)
  )

  it.effect("is not announced to those it reached in time", () =>
    Effect.gen(function* () {
      const one = yield* holding()
      const ada = yield* (yield* upstreams({ notes: { url: one.url } })).session("ada")
      const waiting = yield* Effect.forkChild(ada.list("notes"))
      ;(yield* one.arrived).result(tools("a"))
      yield* Fiber.join(waiting)
      assert.deepStrictEqual(ada.announced, [])
    }).pipe(Effect.scoped)
  )

  it.effect(
    "field B2: that is old is shown, with a word, where a newer one is late, which is announced when it comes",
    () =>
      Effect.gen(function* () {
        const one = yield* holding()
        const hub = yield* upstreams({ notes: { url: one.url } })
        const [ada, bo] = yield* Effect.all([hub.session("ada"), hub.session("bo")])
        for (const [session, name] of [
          [ada, "a"],
          [bo, "b"]
        ] as const) {
          const first = yield* Effect.forkChild(session.list("notes"))
          ;(yield* one.arrived).result(tools(name))
          yield* Fiber.join(first)
        }
        yield* TestClock.adjust("6 minutes")
        const again = yield* Effect.forkChild(ada.list("notes"))
        const asked = yield* one.arrived
        yield* TestClock.adjust("5 seconds")
        assert.deepStrictEqual(names(yield* Fiber.join(again)), ["a"])
        assert.include(
          ada.lists.origin("notes", "tools").incomplete,
          "earlier one: Server notes did not answer tools/list"
        )
        asked.result(tools("a", "c"))
        assert.strictEqual(yield* ada.nextAnnounced, "tools")
        assert.deepStrictEqual(names(yield* ada.list("notes")), ["a", "c"])
        assert.isUndefined(ada.lists.origin("notes", "tools").incomplete)
        assert.deepStrictEqual(names(bo.lists.known("notes", "tools")!), ["b"])
        assert.isUndefined(bo.lists.origin("notes", "tools").incomplete)
        assert.deepStrictEqual(bo.announced, [])
      }).pipe(Effect.scoped)
  )

  it.effect("is given up after the request timeout, and asked for again by the next", () =>
    Effect.gen(function* () {
      const one = yield* holding()
      const ada = yield* (yield* upstreams({ notes: { url: one.url } })).session("ada")
      const waiting = yield* Effect.forkChild(Effect.flip(ada.list("notes")))
      yield* one.arrived
      yield* TestClock.adjust("30 seconds")
      yield* Fiber.join(waiting)
      const again = yield* Effect.forkChild(ada.list("notes"))
      ;(yield* one.arrived).result(tools("a"))
      assert.deepStrictEqual(names(yield* Fiber.join(again)), ["a"])
    }).pipe(Effect.scoped)
  )
})

describe("a server that has failed lately", () => {
  it.effect(
    "field A10: holds up no list while it is being asked, and one for a moment when it is asked again; the other user waits",
    () =>
      Effect.gen(function* () {
        const one = yield* holding()
        const hub = yield* upstreams({ notes: { url: one.url } }, { listTimeout: 5_000, requestTimeout: 30_000 })
        const [ada, bo] = [yield* hub.session("ada"), yield* hub.session("bo")]
        const first = yield* Effect.forkChild(Effect.flip(ada.list("notes")))
        yield* one.arrived
        yield* TestClock.adjust(5_000)
        const late = yield* Fiber.join(first)
        assert.include(late.message, "tools/list within 5000 ms")
        // The clock stands still: whoever waited would wait for ever.
        assert.strictEqual(yield* Effect.flip(ada.list("notes")), late)
        const bos = yield* Effect.forkChild(bo.list("notes"))
        ;(yield* one.arrived).result(tools("of-bo"))
        assert.deepStrictEqual(names(yield* Fiber.join(bos)), ["of-bo"])
        assert.strictEqual(one.calls("tools/list").length, 2)

        yield* TestClock.adjust(25_000)
        const again = yield* Effect.forkChild(Effect.flip(ada.list("notes")))
        const call = yield* one.arrived
        yield* TestClock.adjust(999)
        assert.isUndefined(again.pollUnsafe())
        yield* TestClock.adjust(1)
        assert.include((yield* Fiber.join(again)).message, "tools/list")
        call.result(tools("a"))
        yield* ada.nextAnnounced
        assert.deepStrictEqual(names(yield* ada.list("notes")), ["a"])
        assert.deepStrictEqual(bo.announced, [])
      }).pipe(Effect.scoped)
  )

  it.effect("field A10: holds up none of its lists once it could not be reached, and a call as long as ever", () =>
    Effect.gen(function* () {
      const held = yield* Queue.unbounded<ScriptedCall>()
      const one = yield* server(
        {},
        {
          initialize: (call) => void Queue.offerUnsafe(held, call),
          "tools/list": (call) => call.result(tools("a")),
          "prompts/list": (call) => call.result({ prompts: [{ name: "p" }] })
        }
      )
      const hub = yield* upstreams({ notes: { url: one.url } }, { listTimeout: 5_000, initTimeout: 20_000 })
      const [ada, bo] = [yield* hub.session("ada"), yield* hub.session("bo")]
      const first = yield* Effect.forkChild(Effect.flip(ada.list("notes")))
      const opening = yield* Queue.take(held)
      yield* TestClock.adjust(5_000)
      const late = yield* Fiber.join(first)
      for (const kind of ["tools", "prompts", "resources"] as const) {
        assert.strictEqual(yield* Effect.flip(ada.list("notes", kind)), late)
      }
      const calling = yield* Effect.forkChild(ada.listForCall("notes"), { startImmediately: true })
      const bos = yield* Effect.forkChild(bo.list("notes"), { startImmediately: true })
      const ofBo = yield* Queue.take(held)
      assert.isUndefined(calling.pollUnsafe())
      for (const call of [opening, ofBo]) {
        call.result({
          protocolVersion: "2025-11-25",
          capabilities: { tools: {}, prompts: {} },
          serverInfo: { name: "lists", version: "1" }
        })
      }
      assert.deepStrictEqual(names(yield* Fiber.join(calling)), ["a"])
      assert.deepStrictEqual(names(yield* Fiber.join(bos)), ["a"])
      assert.deepStrictEqual(names(yield* ada.list("notes", "prompts")), ["p"])
    }).pipe(Effect.scoped)
  )

  it.effect(
    "field A10: holds up the first list of the user's next session for a moment, and the other user's as ever",
    () =>
      Effect.gen(function* () {
        const held = yield* Queue.unbounded<ScriptedCall>()
        const one = yield* server({}, { initialize: (call) => void Queue.offerUnsafe(held, call) })
        const hub = yield* upstreams({ notes: { url: one.url } }, { listTimeout: 5_000, initTimeout: 4_000 })
        const waited = Effect.fnUntraced(function* (user: "ada" | "bo", ms: number) {
          const session = yield* hub.session(user)
          const listing = yield* Effect.forkChild(Effect.flip(session.list("notes")))
          yield* Queue.take(held)
          yield* TestClock.adjust(ms - 1)
          assert.isUndefined(listing.pollUnsafe(), user)
          yield* TestClock.adjust(1)
          return (yield* Fiber.join(listing)).message
        })
        const first = yield* waited("ada", 4_000)
        assert.include(first, "within 4000 ms")
        assert.include(yield* waited("ada", 1_000), "within 4000 ms")
        assert.include(yield* waited("bo", 4_000), "within 4000 ms")
      }).pipe(Effect.scoped)
  )
})
