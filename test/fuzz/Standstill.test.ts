import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import process from "node:process"
import * as Standstill from "./Standstill.ts"

describe("the time for which the machine let a fuzzing run wait", () => {
  it("counts from the beginning of an exchange on, whoever had to wait", () => {
    const lost = { late: 5, waited: 70, stolen: 900 }
    const since = Standstill.make(() => ({ ...lost })).begin()
    assert.strictEqual(since.lostMs(), 0)
    lost.late += 1
    lost.waited += 20
    lost.stolen += 300
    assert.strictEqual(since.lostMs(), 321)
    assert.match(since.told(), /1 ms and the hub for 20 ms, and 300 ms were stolen/)
  })

  it.live("is seen while a process stands still, before its timers have run again", () =>
    Effect.gen(function* () {
      const since = (yield* Standstill.watch(process.pid)).begin()
      const until = performance.now() + 300
      while (performance.now() < until);
      assert.isAtLeast(since.lostMs(), 240)
    })
  )
})
