import { assert, describe, it } from "@effect/vitest"
import { Pieces } from "../../../src/domain/protocol/json/Pieces.ts"
import { UserId } from "../../../src/domain/Ids.ts"
import * as BodyChecks from "../../../src/http/admission/BodyChecks.ts"
import type { WireReply } from "../../../src/http/wire/Wire.ts"

const body = (letters: number): Pieces => {
  const pieces = new Pieces()
  pieces.push(new TextEncoder().encode('["'))
  for (let left = letters; left > 0; left -= 65_536) pieces.push(new TextEncoder().encode("x".repeat(65_536)))
  pieces.push(new TextEncoder().encode('"]'))
  return pieces
}

/** Checks whose turns of the event loop are the test's to run. */
const checking = () => {
  const checks = BodyChecks.make()
  const turns: Array<() => void> = []
  const over: Array<string> = []
  const gone = new Set<string>()
  const begin = (name: string, letters: number) => {
    const reply = { isGone: () => gone.has(name), guard: { soon: (step: () => void) => void turns.push(step) } }
    const user = UserId.make(name.slice(0, 1))
    checks.check(user, body(letters), reply as unknown as WireReply)(() => over.push(name))
  }
  const turn = () => {
    assert.isAtMost(turns.length, 1, "one body is looked at in a turn")
    turns.shift()?.()
  }
  const all = () => {
    let count = 0
    for (; turns.length > 0; count++) turn()
    return count
  }
  return { all, begin, gone, over, turn, turns }
}

describe("checks of large bodies", () => {
  it("A82: users take turns, whoever has how many, and each body is looked at in several", () => {
    const { all, begin, over } = checking()
    for (const name of ["a1", "a2", "a3"]) begin(name, 4_000_000)
    begin("b1", 65_536)
    assert.isAtLeast(all(), 4)
    assert.strictEqual(over.length, 4)
    assert.strictEqual(over.indexOf("b1"), 0)
    assert.deepStrictEqual(
      over.filter((name) => name.startsWith("a")),
      ["a1", "a2", "a3"]
    )
  })

  it("A82: whoever has gone is looked at no more, and the others go on", () => {
    const { all, begin, gone, over, turns } = checking()
    begin("a1", 4_000_000)
    begin("b1", 4_000_000)
    gone.add("a1")
    all()
    assert.deepStrictEqual(over, ["b1"])
    begin("a2", 65_536)
    assert.strictEqual(turns.length, 1)
    all()
    assert.deepStrictEqual(over, ["b1", "a2"])
  })
})
