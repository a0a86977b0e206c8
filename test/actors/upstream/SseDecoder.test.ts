import { assert, describe, it } from "@effect/vitest"
import * as SseDecoder from "../../../src/actors/upstream/SseDecoder.ts"

const bytes = (text: string) => new TextEncoder().encode(text)

const decode = (chunks: ReadonlyArray<Uint8Array>, max = 1_000) => {
  const events: Array<SseDecoder.SseEvent> = []
  const decoder = SseDecoder.make(max, (event) => void events.push(event))
  const problem = chunks.map(decoder.push).find((found) => found !== undefined)
  return { data: events.map((event) => event.data), problem, decoder }
}

describe("SseDecoder", () => {
  it("decodes the same events wherever the chunks are cut, even inside a character", () => {
    const whole = bytes('id: 7\ndata: {"text":"größe 🌍"}\n\n: comment\r\ndata: two\rdata: lines\r\n\r\n')
    const expected = ['{"text":"größe 🌍"}', "two\nlines"]
    for (let cut = 1; cut < whole.length; cut++) {
      const { data, decoder } = decode([whole.subarray(0, cut), whole.subarray(cut)])
      assert.deepStrictEqual(data, expected, `cut at ${cut}`)
      assert.strictEqual(decoder.lastEventId(), "7")
    }
    assert.deepStrictEqual(decode(Array.from(whole, (byte) => Uint8Array.of(byte))).data, expected)
  })

  it("B08: an event that never ends is refused at the limit", () => {
    assert.strictEqual(decode([bytes("data: "), bytes("x".repeat(600)), bytes("x".repeat(600))]).problem, "too-large")
    assert.strictEqual(decode([bytes("x".repeat(1_001))]).problem, "too-large")
  })

  it("B06: bytes that are not UTF-8 are refused", () => {
    assert.strictEqual(decode([bytes("data: "), Uint8Array.of(0xff, 0xfe)]).problem, "encoding")
  })

  it("keeps the retry time, and drops an event id that cannot stand in a header", () => {
    const { decoder } = decode([bytes("retry: 2500\nid: a\ndata:\n\nid: ü\ndata: x\n\n")])
    assert.strictEqual(decoder.retryMs(), 2_500)
    assert.strictEqual(decoder.lastEventId(), undefined)
  })
})
