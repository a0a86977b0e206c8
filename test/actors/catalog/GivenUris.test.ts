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

  it("field A4: take two megabytes of a session at most, however much room its user has", () => {
    const room = roomOf(Number.POSITIVE_INFINITY)
    const given = GivenUris.make(room)
    for (let n = 0; n < 40_000; n++) given.give("a", `d:${n}`, false, false)
    assert.isAtMost(room.held(), 2 * 1024 * 1024)
    assert.isAbove(room.held(), 2 * 1024 * 1024 - 100)
    assert.deepStrictEqual([given.owner("d:9"), given.owner("d:39999")], [undefined, "a"])
  })

  it("field A4: of a server that gives many push out its own, and none of one that gave fewer", () => {
    // Room for ten.
    const room = roomOf(10 * (64 + 2 * "doc://b0".length))
    const given = GivenUris.make(room)
    const give = (server: string, n: number) => given.give(server, `doc://${server}${n}`, false, false)
    const left = (server: string) => [0, 1, 2, 3, 4, 5, 6, 7, 8, 9].filter((n) => given.owner(`doc://${server}${n}`))
    give("b", 0)
    for (let n = 0; n < 1_000; n++) assert.strictEqual(give("a", n % 10), `doc://a${n % 10}`)
    assert.deepStrictEqual([left("a").length, left("b")], [9, [0]])
    // What the other does not use is its share again as soon as it gives more.
    for (let n = 1; n < 5; n++) assert.strictEqual(give("b", n), `doc://b${n}`)
    assert.deepStrictEqual([left("a").length, left("b")], [5, [0, 1, 2, 3, 4]])
    give("b", 5)
    assert.deepStrictEqual([left("a").length, left("b")], [5, [1, 2, 3, 4, 5]])
    // A third one has a share, too, and whoever has more makes room for it.
    for (let n = 0; n < 5; n++) give("c", n)
    assert.deepStrictEqual([left("a").length, left("b").length, left("c")], [4, 3, [2, 3, 4]])
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
