import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as fc from "fast-check"
import * as NdjsonDecoder from "../../../src/actors/upstream/NdjsonDecoder.ts"

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
})
