/** The one reason that is shown of all that a request waits for. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit } from "effect"
import { SharedWaits, unsent, waiting } from "../../../src/domain/requests/Waits.ts"

const clock = () => {
  let now = 100
  return { now: () => now, pass: (ms: number) => void (now += ms) }
}

describe("what a request waits for", () => {
  it("is nothing outside, then the server, and nothing again once that has answered", () => {
    const { now, pass } = clock()
    const waits = new SharedWaits(now)
    assert.isUndefined(waits.waitsFor())
    waits.sentMono = now()
    pass(5)
    assert.deepStrictEqual(waits.waitsFor(), { kind: "server", since: 100, heard: undefined })
    waits.heard()
    pass(5)
    assert.strictEqual(waits.waitsFor()?.heard, 105)
    // What was heard of an earlier message says nothing about the next.
    waits.sentMono = now()
    assert.isUndefined(waits.waitsFor()?.heard)
    waits.sentMono = unsent
    assert.isUndefined(waits.waitsFor())
  })

  it("is the latest at a server, and of several servers the one that has been waited for longest", () => {
    const { now, pass } = clock()
    const waits = new SharedWaits(now)
    const slow = waits.enter({ kind: "connection", server: "slow" })
    pass(1)
    const quick = waits.enter({ kind: "server", server: "quick" })
    pass(1)
    const paused = waits.enter({ kind: "retry-after", server: "slow", until: 500 })
    assert.deepInclude(waits.waitsFor(), { kind: "retry-after", server: "slow", since: 102, until: 500 })
    waits.leave(paused)
    assert.deepInclude(waits.waitsFor(), { kind: "connection", server: "slow", since: 100 })
    // Ended in another order than begun.
    waits.leave(slow)
    assert.deepInclude(waits.waitsFor(), { kind: "server", server: "quick", since: 101 })
    waits.leave(quick)
    assert.isUndefined(waits.waitsFor())
  })

  it("is how far the work has come that several wait for, since each has waited for it", () => {
    const { now, pass } = clock()
    const opening = new SharedWaits(now)
    const stage = opening.enter({ kind: "connection", stage: "initialize", server: "files" })
    pass(10)
    const waits = new SharedWaits(now)
    waits.enter({ kind: "connection", server: "files", via: () => opening })
    assert.deepInclude(waits.waitsFor(), { kind: "connection", stage: "initialize", since: 110 })
    opening.leave(stage)
    pass(10)
    opening.enter({ kind: "share", server: "files" })
    assert.deepInclude(waits.waitsFor(), { kind: "share", since: 120 })
  })

  it("never looks for itself in the work that it is itself", () => {
    const waits = new SharedWaits(() => 1)
    waits.enter({ kind: "connection", server: "files", via: () => waits })
    assert.deepInclude(waits.waitsFor(), { kind: "connection", server: "files" })
  })

  it.effect("is over however that ends", () =>
    Effect.gen(function* () {
      const waits = new SharedWaits(() => 1)
      const wait = { kind: "breaker", server: "files" } as const
      for (const end of [Effect.void, Effect.fail("no"), Effect.die("defect"), Effect.interrupt]) {
        let seen: string | undefined
        const during = Effect.andThen(
          Effect.sync(() => (seen = waits.waitsFor()?.kind)),
          end
        )
        const exit = yield* Effect.exit(waiting(waits, wait, during))
        assert.strictEqual(seen, "breaker")
        assert.isUndefined(waits.waitsFor())
        assert.strictEqual(Exit.isSuccess(exit), end === Effect.void)
      }
    })
  )
})
