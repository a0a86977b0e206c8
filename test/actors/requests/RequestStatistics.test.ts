import { assert, describe, it } from "@effect/vitest"
import { Account, RequestStatistics, windowSize } from "../../../src/actors/requests/RequestStatistics.ts"
import { UserId } from "../../../src/domain/Ids.ts"

const finished = (durations: Iterable<number>): Account => {
  const account = new Account()
  for (const duration of durations) {
    account.started(0)
    account.ended(duration, undefined, 0)
  }
  return account
}
const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, index) => from + index)

describe("RequestStatistics", () => {
  it("percentiles are the nearest ranks, whatever the order of arrival", () => {
    const { count, meanMs, p50Ms, p95Ms, p99Ms } = finished(range(1, 1000).reverse()).numbers()
    assert.deepStrictEqual([count, meanMs, p50Ms, p95Ms, p99Ms], [1000, 500.5, 500, 950, 990])
    const two = finished([10.25, 0.001]).numbers()
    assert.deepStrictEqual([two.p50Ms, two.p95Ms, two.p99Ms], [0.001, 10.25, 10.25])
  })

  it("percentiles look at the last durations, counts and mean at all", () => {
    const slow = Array.from({ length: windowSize }, () => 1000)
    const numbers = finished([...slow, ...range(1, windowSize)]).numbers()
    assert.strictEqual(numbers.count, 2 * windowSize)
    assert.strictEqual(numbers.p99Ms, Math.ceil(windowSize * 0.99))
    assert.strictEqual(numbers.meanMs, (1000 * windowSize + (windowSize * (windowSize + 1)) / 2) / (2 * windowSize))
  })

  it("nothing has ended: every number is zero", () => {
    assert.deepStrictEqual(new Account().numbers(), {
      count: 0,
      pending: 0,
      errors: 0,
      errorsByKind: {},
      errorRate: 0,
      meanMs: 0,
      p50Ms: 0,
      p95Ms: 0,
      p99Ms: 0
    })
  })

  it("beyond the limit the users idle longest are forgotten, never one with a running request", () => {
    const statistics = new RequestStatistics(10)
    for (const index of range(0, 9)) {
      const account = statistics.account(UserId.make(`user-${index}`))
      account.started(index)
      if (index !== 0) account.ended(1, undefined, index)
    }
    statistics.account(UserId.make("new"))
    assert.strictEqual(statistics.users.size, 10)
    assert.isTrue(statistics.users.has(UserId.make("user-0")), "its request still runs")
    assert.isFalse(statistics.users.has(UserId.make("user-1")))
    assert.isTrue(statistics.users.has(UserId.make("user-9")))
  })
})
