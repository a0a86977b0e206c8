import { assert, describe, it } from "@effect/vitest"
import * as GivenUris from "../../../src/actors/catalog/GivenUris.ts"

/** Room for so many bytes. */
const roomOf = (bytes: number) => {
  let held = 0
  return {
    hold: (more: number) => held + more <= bytes && ((held += more), true),
    release: (fewer: number) => void (held -= fewer),
    held: () => held
  }
}

describe("URIs that servers gave", () => {
  it("field A4: are remembered within their user's memory, and the oldest give way", () => {
    const room = roomOf(1_000)
    const given = GivenUris.make(room)
    for (let n = 0; n < 100; n++) assert.strictEqual(given.give("a", `doc://${n}`, false, false), `doc://${n}`)
    assert.isAtMost(room.held(), 1_000)
    assert.isUndefined(given.owner("doc://0"))
    assert.strictEqual(given.owner("doc://99"), "a")
    // What finds no room carries its server's name, which needs none.
    const long = `doc://${"x".repeat(1_000)}`
    assert.strictEqual(given.give("a", long, false, false), `a+${long}`)
    const full = GivenUris.make(roomOf(10))
    assert.strictEqual(full.give("a", "ui://w", false, false), "ui://a+w")
    assert.isUndefined(full.owner("ui://w"))
  })

  it("field A4: are not more than ten thousand, however short", () => {
    const room = roomOf(Number.POSITIVE_INFINITY)
    const given = GivenUris.make(room)
    for (let n = 0; n < 10_010; n++) given.give("a", `d:${n}`, false, false)
    assert.deepStrictEqual([given.owner("d:9"), given.owner("d:10")], [undefined, "a"])
  })

  it("field A4: keep the name under which they were given first, whoever gives the same later", () => {
    const given = GivenUris.make(roomOf(1_000))
    assert.strictEqual(given.give("a", "doc://1", false, false), "doc://1")
    assert.strictEqual(given.give("b", "doc://1", false, false), "b+doc://1")
    assert.strictEqual(given.give("a", "doc://1", true, true), "doc://1")
    assert.strictEqual(given.give("b", "doc://2", true, false), "b+doc://2")
    assert.strictEqual(given.owner("doc://1"), "a")
  })
})
