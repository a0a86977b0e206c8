import { assert, describe, it } from "@effect/vitest"
import { facts, printable, table } from "../../../src/cli/terminal/Output.ts"

/** Clears the screen, moves the cursor, begins a command, and turns text around. */
const hostile = "a\u001b[2J\u009b1Ab\u0007\u202ec\u2066d\u2028e\rf"
// oxlint-disable-next-line no-control-regex
const drawing = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/

describe("what the command line prints", () => {
  it("A75: a name or a server's words cannot draw on the terminal, or turn its text around", () => {
    for (const text of [
      printable(`first line\n${hostile}`),
      table(["name"], [[hostile]], "none"),
      facts([["reason", hostile]])
    ]) {
      assert.notMatch(text, drawing)
      assert.include(text, "a")
      assert.include(text, "f")
    }
    assert.strictEqual(printable("one\ntwo — ✓ ü"), "one\ntwo — ✓ ü")
    assert.strictEqual(table(["name"], [["one\ntwo"]], "none"), "NAME\none�two")
  })
})
