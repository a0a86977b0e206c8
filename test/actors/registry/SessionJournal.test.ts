import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { TestClock } from "effect/testing"
import { LogOutput, LogSink } from "../../../src/actors/observing/LogOutput.ts"
import * as Logging from "../../../src/actors/observing/Logging.ts"
import * as SessionJournal from "../../../src/actors/registry/SessionJournal.ts"
import type { SessionActor } from "../../../src/actors/session/SessionActor.ts"
import { SessionStore, type StoredClient } from "../../../src/domain/records/SessionStore.ts"
import { SessionId } from "../../../src/domain/Ids.ts"
import { DatabaseUnavailable } from "../../../src/domain/identity/IdentityErrors.ts"
import { ada, bo } from "../support/Requests.ts"

/** What the journal asks of a live session. */
const entry = (who: typeof ada, digest: string, remembered: () => StoredClient): SessionJournal.JournalEntry => {
  const { keyId, userId, username } = who
  const summary = () => ({ sessionId: SessionId.make(`session-${digest}`), userId, username, keyId, target: "all" })
  const actor = { remembered, summary, inUse: () => false, lastActiveAt: () => 1, revision: () => 0 }
  return { digest, actor: actor as unknown as SessionActor }
}

const said: StoredClient = { capabilities: {}, clientInfo: {}, subscriptions: [] }
/** Larger than a text can be. */
const tooMuch = (): StoredClient => {
  throw new RangeError("Invalid string length")
}

/** A journal over a store that refuses some rows, or is away. */
const make = Effect.fnUntraced(function* (
  entries: ReadonlyArray<SessionJournal.JournalEntry>,
  refused: (digest: string) => boolean = () => false
) {
  const state = { isAway: false }
  const saved: Array<string> = []
  const unused = () => Effect.succeed([])
  const store = SessionStore.of({
    save: (_owner, rows) =>
      Effect.suspend(() => {
        if (state.isAway) return new DatabaseUnavailable({ message: "The database does not answer" })
        if (rows.some(({ digest }) => refused(digest))) return Effect.die(new Error("A statement failed"))
        saved.push(...rows.map(({ digest }) => digest))
        return Effect.succeed([])
      }),
    claim: () => Effect.succeed({ kind: "unknown" }),
    disowned: unused,
    end: () => Effect.void,
    forget: () => Effect.void,
    sweep: () => Effect.succeed(0)
  })
  const chunks: Array<string> = []
  const lines = Logging.layer({ level: "Info" }).pipe(
    Layer.provideMerge(LogOutput.layer),
    Layer.provide(Layer.succeed(LogSink, { write: (chunk) => Effect.sync(() => void chunks.push(chunk)) }))
  )
  const services = yield* Layer.build(lines)
  const options = { live: () => entries, lost: () => Effect.void }
  const journal = yield* SessionJournal.make(options).pipe(
    Effect.provideService(SessionStore, store),
    Effect.provideContext(services)
  )
  return { journal, saved, state, text: () => chunks.join("") }
})

describe("SessionJournal", () => {
  it.effect("B42: a session of which no row can be made does not keep another user's from being written", () =>
    Effect.gen(function* () {
      const adas = entry(ada, "a", tooMuch)
      const bos = entry(bo, "b", () => said)
      const { saved, text } = yield* make([adas, bos])
      yield* TestClock.adjust("21 seconds")
      assert.deepStrictEqual(saved, ["b"])
      assert.match(text(), /"user":"ada"[^\n]*does not survive a restart/)
      assert.strictEqual(text().split("does not survive").length - 1, 1)
      assert.notInclude(text(), '"user":"bo"')
    }).pipe(Effect.scoped)
  )

  it.effect("B42: a row that the database does not take fails alone, and is said once with whose it is", () =>
    Effect.gen(function* () {
      const names = Array.from({ length: 9 }, (_, index) => `b${index}`)
      const entries = [entry(ada, "a", () => said), ...names.map((name) => entry(bo, name, () => said))]
      const { saved, text } = yield* make(entries, (digest) => digest === "a")
      yield* TestClock.adjust("21 seconds")
      assert.deepStrictEqual(saved, names)
      assert.strictEqual(text().split("does not survive").length - 1, 1)
      assert.match(text(), /"user":"ada"[^\n]*does not take it/)
    }).pipe(Effect.scoped)
  )

  it.effect("a database that is away, or takes nothing at all, is tried again with every row", () =>
    Effect.gen(function* () {
      const entries = Array.from({ length: 20 }, (_, index) => entry(bo, `b${index}`, () => said))
      let isBroken = false
      const { saved, state, text } = yield* make(entries, () => isBroken)
      state.isAway = true
      yield* TestClock.adjust("11 seconds")
      state.isAway = false
      isBroken = true
      yield* TestClock.adjust("5 seconds")
      isBroken = false
      yield* TestClock.adjust("5 seconds")
      assert.sameMembers(
        saved,
        entries.map(({ digest }) => digest)
      )
      assert.strictEqual(text().split("cannot be written to the database").length - 1, 1)
    }).pipe(Effect.scoped)
  )

  it.effect(
    "B42: more rows than are looked for at once, which the database does not take, keep nobody else's from being written",
    () =>
      Effect.gen(function* () {
        const bad = Array.from({ length: 12 }, (_, index) => entry(ada, `a${index}`, () => said))
        const names = Array.from({ length: 9 }, (_, index) => `b${index}`)
        const { saved } = yield* make([...bad, ...names.map((name) => entry(bo, name, () => said))], (digest) =>
          digest.startsWith("a")
        )
        yield* TestClock.adjust("61 seconds")
        assert.deepStrictEqual([...new Set(saved)].sort(), names)
      }).pipe(Effect.scoped)
  )
})
