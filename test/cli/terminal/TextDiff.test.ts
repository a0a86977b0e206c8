import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { textDiff } from "../../../src/cli/terminal/TextDiff.ts"

describe("what two texts differ in", () => {
  it("is their own lines alone, with the line where each change begins", () => {
    const diff = textDiff("a\n\tsecret\nb\nc\n", "a\n\tsecret\nx\nc\n\ty\n")
    assert.strictEqual(diff, "@@ line 3 @@\n- b\n+ x\n@@ line 5 @@\n+   y")
    assert.strictEqual(textDiff("same\n", "same\n"), "")
    assert.strictEqual(textDiff("", "a\n"), "@@ line 1 @@\n+ a")
  })

  it("is as little as it can be, and all of it", () => {
    const lines = fc.array(fc.constantFrom("a", "b", "c", "d"), { maxLength: 12 })
    fc.assert(
      fc.property(lines, lines, (before, after) => {
        const diff = textDiff(`${before.join("\n")}\n`, `${after.join("\n")}\n`).split("\n")
        const of = (sign: string) => diff.filter((line) => line.startsWith(sign)).map((line) => line.slice(2))
        // What is taken away and added accounts for the difference in how often each line is there.
        for (const line of ["a", "b", "c", "d"]) {
          const count = (all: ReadonlyArray<string>) => all.filter((one) => one === line).length
          assert.strictEqual(count(after) - count(before), count(of("+")) - count(of("-")))
        }
        if (before.join() === after.join()) assert.deepStrictEqual(diff, [""])
      })
    )
  })
})
