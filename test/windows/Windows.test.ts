import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { patience } from "../cli/support/Program.ts"
import * as Canaries from "../support/Canaries.ts"
import { Record, restartedIn } from "./Record.ts"
import { windows } from "./Windows.ts"

/** Two users with two windows each before three servers, in a hurry. */
const short = (children: number) =>
  Effect.gen(function* () {
    const lines: Array<string> = []
    const report = yield* windows({
      seconds: 12,
      users: 2,
      windows: 2,
      servers: 3,
      pace: 0.1,
      every: 2,
      env: { MAX_CHILDREN_PER_USER: String(children) },
      print: (line) => lines.push(line)
    })
    return { ...report, said: lines.join("\n") }
  })

describe("windows of several users before servers that are child processes", () => {
  it.live(
    "field B1: with one place more than all windows need, one-shot clients included, nothing is refused, missing or another's",
    () =>
      Effect.gen(function* () {
        const { counts, figures, isSound, said } = yield* short(7)
        assert.isTrue(isSound, said)
        // It was not idle: there were calls, and children that gave way.
        assert.isAbove(counts.calls, 20, said)
        assert.isAbove(counts.oneShots, 3, said)
        assert.isAbove(figures.at(-1)!.gaveWay, 0, said)
        assert.isAtMost(Math.max(...figures.map(({ children }) => children)), 14, said)
      }),
    patience
  )

  it.live(
    "the exercise fails where the windows do not fit",
    () =>
      Effect.gen(function* () {
        const { counts, isSound, said } = yield* short(1)
        assert.isFalse(isSound, said)
        assert.isAbove(counts.refused, 0, said)
        assert.include(said, "refused: ")
      }),
    patience
  )
})

describe("the record of the windows", () => {
  const ada = { user: "ada", window: "window1" }
  const tools = (...names: ReadonlyArray<string>) => ({ tools: names.map((name) => ({ name })) })
  const missing = { _meta: { "mcphub/missing": [{ server: "two", why: "starting" }] } }
  const make = () => {
    const canaries = Canaries.make()
    return {
      canaries,
      record: new Record(
        canaries,
        new Map([
          ["one", ["one-a"]],
          ["two", ["two-a", "two-b"]]
        ])
      )
    }
  }

  it("counts a list that is empty, or not whole without a word", () => {
    const { record } = make()
    record.listed(ada, tools())
    record.listed(ada, tools("one-a", "two-a"))
    record.listed(ada, tools("one-a", "two-a", "two-b", "three-a"))
    assert.deepInclude(record.counts, { lists: 3, empty: 1, incomplete: 2, honest: 0 })
    assert.isFalse(record.isSound)
  })

  it("lets a list say what it lacks until its user has seen a whole one", () => {
    const { record } = make()
    record.listed(ada, { ...tools("one-a", "mcphub_status"), ...missing })
    assert.deepInclude(record.counts, { honest: 1, incomplete: 0 })
    record.listed(ada, tools("one-a", "two-a", "two-b"))
    record.listed({ user: "bo", window: "window1" }, { ...tools("one-a"), ...missing })
    assert.isTrue(record.isSound)
    record.listed(ada, { ...tools("one-a"), ...missing })
    assert.deepInclude(record.counts, { honest: 2, incomplete: 1 })
  })

  it("finds another user's words in anything, and another window's where a server is the window's own", () => {
    const { canaries, record } = make()
    record.heard(ada, "a call", { text: canaries.plant("ada", "window1") }, false)
    record.heard(ada, "a graph", { text: canaries.plant("ada", "window2") }, true)
    assert.strictEqual(record.counts.crossed, 0)
    record.heard(ada, "a call", { text: canaries.plant("ada", "window2") }, false)
    record.heard(ada, "a graph", { text: canaries.plant("bo", "window1") }, true)
    assert.strictEqual(record.counts.crossed, 2)
  })

  it("reads the word that a process is another one", () => {
    assert.strictEqual(restartedIn({ _meta: { "mcphub/restarted": { server: "one", reason: "it ended" } } }), "one")
    assert.isUndefined(restartedIn({}))
  })
})
