/** Figures of the last minute, on known durations. */
import { assert, describe, it } from "@effect/vitest"
import { LatestMinute } from "../../../../src/http/admin/live/LatestMinute.ts"

const clock = () => {
  let now = 5_000.5
  return { now: () => now, pass: (ms: number) => void (now += ms) }
}

const near = (actual: number | null, wanted: number): void => {
  assert.isNotNull(actual)
  assert.isAtMost(Math.abs(actual! / wanted - 1), 0.05, `${actual} for ${wanted}`)
}

describe("the latest minute", () => {
  it("is empty at first, and has no percentile then", () => {
    const figures = new LatestMinute(clock().now).figures()
    const none = { overMs: 0, count: 0, errors: 0, perSecond: 0, p50Ms: null, p95Ms: null, p99Ms: null }
    assert.deepStrictEqual(figures, none)
  })

  it("has the percentiles of what ended, to a twentieth, from a tenth of a millisecond to an hour", () => {
    for (const scale of [0.1, 1, 37, 36_000]) {
      const minute = new LatestMinute(clock().now)
      for (let n = 1; n <= 100; n++) minute.add(n * scale, n % 10 === 0)
      const { count, errors, p50Ms, p95Ms, p99Ms } = minute.figures()
      assert.deepStrictEqual([count, errors], [100, 10])
      near(p50Ms, 50 * scale)
      near(p95Ms, 95 * scale)
      near(p99Ms, 99 * scale)
    }
  })

  it("forgets what is older than a minute, second by second, and says over how long it counts", () => {
    const { now, pass } = clock()
    const minute = new LatestMinute(now)
    for (let n = 0; n < 30; n++) {
      minute.add(10, true)
      pass(1_000)
    }
    assert.deepInclude(minute.figures(), { overMs: 30_000, count: 30, perSecond: 1 })
    pass(30_000)
    for (let n = 0; n < 60; n++) minute.add(1_000, false)
    const later = minute.figures()
    assert.strictEqual(later.overMs, 60_000)
    assert.deepStrictEqual([later.count, later.errors], [89, 29])
    pass(31_000)
    assert.deepInclude(minute.figures(), { count: 60, errors: 0, perSecond: 1 })
    near(minute.figures().p50Ms, 1_000)
    pass(60_000)
    assert.deepInclude(minute.figures(), { count: 0, p50Ms: null })
  })
})
