import { assert, describe, it } from "@effect/vitest"
import { weightOf } from "../../../../src/domain/protocol/json/JsonWeight.ts"

describe("weightOf", () => {
  it("A60: goes by the text of a value, and by the number of its parts where they are little", () => {
    const long = "x".repeat(1_000_000)
    assert.isAtLeast(weightOf([long, { long }]), 2_000_000)
    assert.isAtMost(weightOf([long, { long }]), 2_001_000)
    const empties: Array<unknown> = Array.from({ length: 100_000 }, () => [])
    assert.isAtLeast(weightOf(empties), 4_000_000, "of 300,000 characters")
    const named = Array.from({ length: 1_000 }, () => ({ name: "a", n: 1, none: null }))
    assert.isAtLeast(weightOf(named), JSON.stringify(named).length)
  })
})
