import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as fc from "fast-check"
import * as NdjsonDecoder from "../../../../src/actors/upstream/stdio/NdjsonDecoder.ts"

const decode = (chunks: ReadonlyArray<Uint8Array>, maxLineBytes = 1_000) => {
  const lines: Array<string> = []
  let overflows = 0
  const decoder = NdjsonDecoder.make({
    maxLineBytes,
    onLine: (line) => lines.push(line),
    onOverflow: () => overflows++
  })
  for (const chunk of chunks) decoder.push(chunk)
  decoder.end()
  return { lines, overflows }
}

const bytes = (text: string) => new TextEncoder().encode(text)

describe("NdjsonDecoder", () => {
  it.effect("finds the same lines however the bytes are cut, also inside a character", () =>
    Effect.sync(() => {
      const line = fc.string({ unit: "binary" }).map((text) => `${text.replaceAll("\n", "").toWellFormed()}é€😀`)
      fc.assert(
        fc.property(fc.array(line), fc.array(fc.nat(200)), (lines, cuts) => {
          const all = bytes(lines.map((text) => `${text}\n`).join(""))
          const points = [0, ...cuts.map((cut) => Math.min(cut, all.length)).sort((a, b) => a - b), all.length]
          const chunks = points.slice(1).map((point, index) => all.subarray(points[index], point))
          assert.deepStrictEqual(decode(chunks, 10_000).lines, lines)
        })
      )
    })
  )

  it.effect("B08: counts a large line while it is held, and drops one that its user has no room for", () =>
    Effect.sync(() => {
      const held: Array<number> = []
      const seen: Array<string> = []
      const decoder = NdjsonDecoder.make({
        maxLineBytes: 1_000_000,
        room: {
          hold: (size) => {
            held.push(size)
            return size <= 150_000
          },
          end: () => {}
        },
        onLine: (line) => seen.push(String(line.length)),
        onOverflow: (whose) => seen.push(whose)
      })
      for (const line of [
        "small\n",
        `${"x".repeat(100_000)}\n`,
        "y".repeat(100_000),
        "y".repeat(100_000),
        "y\nnext\n"
      ]) {
        decoder.push(bytes(line))
      }
      decoder.end()
      assert.deepStrictEqual(seen, ["5", "100000", "user", "4"])
      assert.deepStrictEqual(held, [100_000, 0, 100_000, 200_000, 0])
    })
  )

  it.effect("drops a line that is too long, says so once and goes on with the next", () =>
    Effect.sync(() => {
      const chunks = ["ok\n", "12345", "67890", "more of it", " and more\nnext\n"].map(bytes)
      assert.deepStrictEqual(decode(chunks, 8), { lines: ["ok", "next"], overflows: 1 })
    })
  )

  it.effect("skips blank lines, keeps carriage returns harmless and delivers an unfinished last line", () =>
    Effect.sync(() => {
      const { lines } = decode([bytes('\n \r\n{"a":1}\r\nlast')])
      assert.deepStrictEqual(
        lines.map((line) => line.trim()),
        ['{"a":1}', "last"]
      )
    })
  )

  it("leaves the result of a large answer as it came, and everything else a line", () => {
    const json = JSON.stringify({ jsonrpc: "2.0", id: 7, result: { text: `größe 🌍 ${"x".repeat(70_000)}` } })
    const failed = json.replace('"result"', '"error"')
    const got: Array<unknown> = []
    const decoder = NdjsonDecoder.make({
      maxLineBytes: 100_000,
      onLine: (line) => got.push(line),
      onAnswer: (answer) => got.push({ ...answer }),
      onOverflow: () => got.push("overflow")
    })
    const lines = ["{}", `${json}\r`, failed, json, "x".repeat(100_001), json.slice(0, -1), `${json}`]
    const all = bytes(`${lines.join("\n")}\n`)
    for (let at = 0; at < all.length; at += 997) decoder.push(all.subarray(at, at + 997))
    const answers = got.map((one) => (typeof one === "string" ? one : JSON.parse(JSON.stringify(one))))
    const answer = JSON.parse(json) as unknown
    assert.deepStrictEqual(answers, ["{}", answer, failed, answer, "overflow", json.slice(0, -1), answer])
  })
})
