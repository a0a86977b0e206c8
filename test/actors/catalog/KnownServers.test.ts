import { assert, describe, it } from "@effect/vitest"
import { Context, Deferred, Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { createRequire } from "node:module"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import type { Items } from "../../../src/actors/catalog/KeptList.ts"
import { type Introduction, type KnownBy, KnownServers } from "../../../src/actors/catalog/KnownServers.ts"
import { StdioChildren } from "../../../src/actors/upstream/stdio/StdioChildren.ts"
import { runtimeCommand } from "../../../src/cli/sample/RuntimeCommand.ts"
import type { HubConfigShape } from "../../../src/domain/config/HubConfig.ts"
import { heap } from "../../support/Heap.ts"
import { person } from "../support/Requests.ts"
import { contextOf } from "../upstream/support/HttpCalls.ts"
import { upstreams } from "../upstream/support/UpstreamSessions.ts"

const program = new URL("../../http/mcp/servers/programs/listing.mjs", import.meta.url)
const { args = [], command } = runtimeCommand(program)

const names = (items: Items): ReadonlyArray<string> => [...items.keys()]

/** Servers whose tools stand in a file that the test writes. */
const listing = Effect.fnUntraced(function* (servers: ReadonlyArray<string>, config: Partial<HubConfigShape> = {}) {
  const folder = yield* Effect.acquireRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "mcphub-known-"))),
    (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
  )
  const file = join(folder, "names")
  const list = (text: string) => Effect.sync(() => writeFileSync(file, text))
  yield* list("a")
  const server = { command, args: [...args, file], env: { TOKEN: "all", NODE_NO_WARNINGS: "1" } }
  const hub = yield* upstreams(Object.fromEntries(servers.map((name) => [name, server])), config)
  return { ...hub, list, started: Context.get(hub.services, StdioChildren).started }
})

describe("what is known of a server", () => {
  it.effect("field B1: is shown at once, asked for again over a process that runs, and a change is announced", () =>
    Effect.gen(function* () {
      const hub = yield* listing(["notes"])
      const [first, next, bo] = yield* Effect.all([hub.session("ada"), hub.session("ada"), hub.session("bo")])
      yield* Effect.all([first.list("notes"), bo.list("notes")])
      assert.deepStrictEqual(names(yield* next.list("notes")), ["of-all", "a"])
      yield* hub.list("a b")
      assert.deepStrictEqual(names(yield* next.list("notes")), ["of-all", "a"])
      yield* TestClock.adjust("6 minutes")
      assert.deepStrictEqual(names(yield* next.list("notes")), ["of-all", "a"])
      assert.strictEqual(yield* next.nextAnnounced, "tools")
      assert.deepStrictEqual(names(yield* next.list("notes")), ["of-all", "a", "b"])
      assert.strictEqual(hub.started(), 2)
      assert.deepStrictEqual(bo.announced, [])
      // Bo's session asks by itself, over the process it has.
      assert.deepStrictEqual(names(bo.lists.known("notes", "tools")!), ["of-all", "a"])
    }).pipe(Effect.scoped)
  )

  it.effect(
    "field B1: is learnt by one process, however many of a key's sessions look for the first time at once",
    () =>
      Effect.gen(function* () {
        const hub = yield* listing(["notes"])
        const [ada, next, third, bo] = yield* Effect.all([
          hub.session("ada"),
          hub.session("ada"),
          hub.session("ada"),
          hub.session("bo")
        ])
        const all = Effect.forEach([ada, next, third, bo], (session) => session.list("notes"), {
          concurrency: "unbounded"
        })
        for (const items of yield* all) assert.deepStrictEqual(names(items), ["of-all", "a"])
        // Ada's one, and bo's.
        assert.strictEqual(hub.started(), 2)
        assert.deepStrictEqual([...ada.announced, ...next.announced, ...third.announced, ...bo.announced], [])
      }).pipe(Effect.scoped)
  )

  it.effect("field B1: is learnt by the next session, when the one that was about to learn it ends", () =>
    Effect.gen(function* () {
      const hub = yield* listing(["notes"])
      const [ada, next, third] = yield* Effect.all([hub.session("ada"), hub.session("ada"), hub.session("ada")])
      const learning = yield* Effect.forkChild(Effect.exit(ada.list("notes")), { startImmediately: true })
      const waiting = yield* Effect.forkChild(
        Effect.all([next.list("notes"), third.list("notes")], { concurrency: 2 }),
        {
          startImmediately: true
        }
      )
      yield* ada.end
      for (const items of yield* Fiber.join(waiting)) assert.deepStrictEqual(names(items), ["of-all", "a"])
      yield* Fiber.join(learning)
    }).pipe(Effect.scoped)
  )

  it.effect("field B1: is waited for by sessions of the same key alone, and for the same list", () =>
    Effect.gen(function* () {
      const hub = yield* listing(["notes"])
      const known = Context.get(hub.services, KnownServers)
      const by = (user: string) => ({
        principal: contextOf(user).principal,
        server: "notes",
        config: { command },
        protocolVersion: "2025-11-25",
        clientCapabilities: {}
      })
      const end = yield* Deferred.make<string>()
      const first = (user: string, kind: "tools" | "prompts", learn: Effect.Effect<string>) =>
        Effect.forkChild(known.first(by(user), kind, learn, Effect.succeed("afterwards")), { startImmediately: true })
      const adas = yield* first("ada", "tools", Deferred.await(end))
      const next = yield* first("ada", "tools", Effect.succeed("another process"))
      assert.strictEqual(yield* Fiber.join(yield* first("bo", "tools", Effect.succeed("bo's"))), "bo's")
      assert.strictEqual(yield* Fiber.join(yield* first("ada", "prompts", Effect.succeed("prompts"))), "prompts")
      yield* Deferred.succeed(end, "learnt")
      assert.deepStrictEqual(yield* Effect.all([Fiber.join(adas), Fiber.join(next)]), ["learnt", "afterwards"])
      assert.strictEqual(yield* Fiber.join(yield* first("ada", "tools", Effect.succeed("anew"))), "anew")
    }).pipe(Effect.scoped)
  )

  it.effect("field B1: is what a server lists that still adds to its tools while it starts", () =>
    Effect.gen(function* () {
      const everything = createRequire(import.meta.url).resolve("@modelcontextprotocol/server-everything/dist/index.js")
      const { args = [], command } = runtimeCommand(pathToFileURL(everything))
      const hub = yield* upstreams({ all: { command, args: [...args, "stdio"] } })
      const sessions = yield* Effect.all([hub.session("ada"), hub.session("ada"), hub.session("bo")])
      const each = Effect.forEach(sessions, (session) => session.list("all"), { concurrency: "unbounded" })
      const [first, next, bos] = (yield* each).map(names)
      assert.include(first!, "echo")
      assert.deepStrictEqual(next, first)
      assert.deepStrictEqual(bos, first)
      const late = yield* hub.session("ada")
      assert.deepStrictEqual(names(yield* late.list("all")), first)
      assert.strictEqual(Context.get(hub.services, StdioChildren).started(), 2)
    }).pipe(Effect.scoped)
  )

  it.effect("field B1: is compared with what a process that starts for a call lists", () =>
    Effect.gen(function* () {
      const hub = yield* listing(["notes"])
      const first = yield* hub.session("ada")
      yield* first.list("notes")
      const [caller, onlooker, bo] = yield* Effect.all([hub.session("ada"), hub.session("ada"), hub.session("bo")])
      yield* Effect.all([caller.list("notes"), onlooker.list("notes"), bo.list("notes")])
      yield* hub.list("c")
      yield* TestClock.adjust("10 seconds")
      yield* caller.get("notes")
      assert.deepStrictEqual(yield* Effect.all([caller.nextAnnounced, onlooker.nextAnnounced]), ["tools", "tools"])
      assert.deepStrictEqual(names(yield* onlooker.list("notes")), ["of-all", "c"])
      assert.strictEqual(hub.started(), 3)
      assert.deepStrictEqual(bo.announced, [])
    }).pipe(Effect.scoped)
  )

  it.effect("field B1: takes its user's memory once, makes room for what is wanted, and goes when nobody asks", () =>
    Effect.gen(function* () {
      const long = Array.from({ length: 300 }, (_, n) => `tool-${n}-${"x".repeat(400)}`).join(" ")
      // Half of it is for lists: there is room for two of them.
      const hub = yield* listing(["one", "two", "three"], { maxMemoryPerUser: 1_400_000 })
      yield* hub.list(long)
      const [first, bo] = yield* Effect.all([hub.session("ada"), hub.session("bo")])
      yield* Effect.all([first.list("one"), bo.list("one")])
      const each = first.listBytes()
      assert.isAbove(each, 150_000)
      const next = yield* hub.session("ada")
      yield* next.list("one")
      assert.strictEqual(next.listBytes(), each)
      yield* first.end
      yield* next.end
      assert.strictEqual(first.listBytes(), each)
      const last = yield* hub.session("ada")
      yield* last.list("two")
      assert.strictEqual(last.listBytes(), 2 * each)
      yield* last.list("three")
      assert.strictEqual(last.listBytes(), 2 * each)
      const known = Context.get(hub.services, KnownServers)
      assert.strictEqual(known.size(), 3)
      yield* last.end
      yield* bo.end
      yield* TestClock.adjust("2 hours")
      assert.strictEqual(known.size(), 0)
      assert.strictEqual(last.listBytes() + bo.listBytes(), 0)
    }).pipe(Effect.scoped)
  )

  it.effect("field B1: keeps nothing of what clients say of their capabilities, and tells them apart by it", () =>
    Effect.gen(function* () {
      const hub = yield* upstreams({})
      const known = Context.get(hub.services, KnownServers)
      const introduction: Introduction = {
        era: "stateful",
        info: { protocolVersion: "2025-11-25", capabilities: {}, serverInfo: {}, isGuess: false, oddities: [] }
      }
      /** A client of one user that says eight million times the same letter. */
      const by = (username: string, letter: string): KnownBy => ({
        principal: person(username),
        server: "notes",
        config: { command },
        protocolVersion: "2025-11-25",
        clientCapabilities: { experimental: { said: Buffer.alloc(8_000_000, letter).toString("latin1") } }
      })
      const before = heap()
      for (const letter of "uvwxyz") known.learn(by("ada", letter), introduction)
      // All of them would be 48 million bytes; a runtime may still have one in its hands.
      assert.isBelow(heap() - before, 20_000_000)
      assert.strictEqual(known.find(by("ada", "x"))?.introduction, introduction)
      assert.isUndefined(known.find(by("ada", "t")))
      assert.isUndefined(known.find(by("bo", "x")))
    }).pipe(Effect.scoped)
  )
})
