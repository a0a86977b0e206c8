import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { Pieces } from "../../../../src/domain/protocol/json/Pieces.ts"

/** Bytes that the pieces keep in memory. */
const kept = (pieces: Pieces): number =>
  [...new Set(pieces.all().map(({ buffer }) => buffer))].reduce((sum, { byteLength }) => sum + byteLength, 0)

describe("pieces of a message", () => {
  it("A20: a million of one byte are held in a few, and cost about what they are long", () => {
    const pieces = new Pieces()
    for (let i = 0; i < 1_000_000; i++) pieces.push(Uint8Array.of(i & 0xff))
    assert.isBelow(pieces.all().length, 32)
    assert.isBelow(kept(pieces), 1_100_000)
    assert.isTrue(pieces.whole().every((byte, at) => byte === (at & 0xff)))
  })

  it("A20: one that was cut out of a larger buffer does not keep the buffer", () => {
    const pieces = new Pieces()
    for (let i = 0; i < 1_000; i++) pieces.push(new Uint8Array(128 * 1024).subarray(0, 20 * 1024))
    assert.isBelow(kept(pieces), 1.2 * pieces.byteLength)
  })

  it("large ones stay as they came, and so do the first", () => {
    const pieces = new Pieces()
    const own = Array.from({ length: 100 }, () => new Uint8Array(64 * 1024))
    for (const piece of own) pieces.push(piece)
    assert.isTrue(pieces.all().every((piece, at) => piece === own[at]))
    const answer = Uint8Array.of(1, 2, 3)
    const brief = new Pieces()
    brief.push(answer)
    assert.strictEqual(brief.whole(), answer)
  })

  it("come out as they went in, whatever their sizes and whenever they are looked at", () => {
    const size = fc.oneof(fc.nat(5), fc.integer({ min: 16_000, max: 80_000 }))
    fc.assert(
      fc.property(fc.array(fc.tuple(size, fc.boolean()), { maxLength: 60 }), (sizes) => {
        const pieces = new Pieces()
        let at = 0
        for (const [length, looks] of sizes) {
          const piece = Uint8Array.from({ length }, () => at++ & 0xff)
          pieces.push(piece)
          if (looks) pieces.all()
        }
        const whole = pieces.whole()
        assert.strictEqual(whole.byteLength, at)
        assert.strictEqual(pieces.byteLength, at)
        assert.isTrue(whole.every((byte, index) => byte === (index & 0xff)))
      }),
      { numRuns: 30 }
    )
  })
})
