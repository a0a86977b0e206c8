import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as StderrTail from "../../../../src/actors/upstream/stdio/StderrTail.ts"

describe("StderrTail", () => {
  it.effect("keeps the last 64 lines and never more than 16 kB, the unfinished line included", () =>
    Effect.sync(() => {
      const bytes = (text: string) => new TextEncoder().encode(text)
      const tail = StderrTail.make()
      for (let line = 1; line <= 1_000; line++) tail.push(bytes(`line ${line}\n`))
      tail.push(bytes("Error: half a li"))
      const lines = tail.lines()
      assert.lengthOf(lines, 64)
      assert.deepStrictEqual(lines.slice(-2), ["line 1000", "Error: half a li"])
      for (let line = 1; line <= 100; line++) tail.push(bytes(`${"x".repeat(5_000)}\n`))
      assert.isAtMost(tail.lines().join("").length, 16 * 1024)
    })
  )
})
