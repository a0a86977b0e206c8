import { assert, describe, it } from "@effect/vitest"
import * as SseDecoder from "../../../../src/actors/upstream/http/SseDecoder.ts"

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

  it("B08: tells how much of an event is there that has not ended, whatever ends its lines", () => {
    for (const end of ["\n", "\r\n", "\r"]) {
      const decoder = SseDecoder.make(1_000_000, () => {}, true)
      const after = (text: string): number => {
        decoder.push(new TextEncoder().encode(text))
        return decoder.unfinished()
      }
      assert.strictEqual(after(`data: ${"x".repeat(94)}`), 100)
      assert.strictEqual(after("y".repeat(100)), 200)
      assert.strictEqual(after(`${end}data: z${end}`), 207 + 2 * end.length)
      // A lone CR ends its line with what follows.
      after(`${end}:`)
      assert.isAtMost(after(`${end}${end}`), 1 + 2 * end.length)
      assert.strictEqual(after(`: keep-alive${end}${end}`), 0)
      assert.strictEqual(after("data: 1"), 7)
    }
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

  describe("of large answers, whose results stay as they came", () => {
    const result = { text: `größe 🌍 ${"x".repeat(70_000)}`, list: [1, null] }
    const json = JSON.stringify({ jsonrpc: "2.0", id: 7, result })
    const small = JSON.stringify({ jsonrpc: "2.0", method: "notifications/progress", params: { progress: 1 } })

    const raw = (text: string, size: number) => {
      const events: Array<SseDecoder.SseEvent> = []
      const decoder = SseDecoder.make(1_000_000, (event) => void events.push(event), true)
      const whole = bytes(text)
      let problem: SseDecoder.SseProblem | undefined
      for (let at = 0; at < whole.length; at += size) problem ??= decoder.push(whole.subarray(at, at + size))
      return { events, problem, lastEventId: decoder.lastEventId() }
    }
    const meaning = (events: ReadonlyArray<SseDecoder.SseEvent>) =>
      events.map(({ answer, data, event }) => {
        const said: unknown = answer === undefined ? JSON.parse(data) : JSON.parse(JSON.stringify(answer))
        return [event, said]
      })
    const cuts = [997, 16_384, 65_521, 1_000_000]

    it("finds the same events as ever, in any framing and however the chunks are cut", () => {
      const streams = [
        `id: 1\ndata: ${small}\n\nid: 2\nevent: message\ndata: ${json}\n\n`,
        `id: 1\r\ndata:${small}\r\n\r\nid: 2\r\ndata: ${json}\r\n\r\ndata: ${small}\r\n\r\n`,
        `: hi\rdata: ${json}\rid: 2\r\rdata: ${json}\r\r`,
        `\uFEFFdata:${json}\n\n: ${json}\n\nid: 2\nevent: other\ndata: ${json}\n\n`,
        `data\ndata: ${json}\ndata:\nid: 2\n\n`
      ]
      for (const stream of streams) {
        const plain = decode([bytes(stream)], 1_000_000).data.map((data) => JSON.parse(data) as unknown)
        for (const size of cuts) {
          const { events, lastEventId, problem } = raw(stream, size)
          assert.isUndefined(problem)
          assert.strictEqual(lastEventId, "2")
          assert.deepStrictEqual(
            meaning(events).map(([, said]) => said),
            plain
          )
        }
        assert.isTrue(cuts.every((size) => raw(stream, size).events.some(({ answer }) => answer !== undefined)))
      }
    })

    it("takes nothing for the answer that is more than the one line", () => {
      for (const more of [json, "<answer>", "x", "1"]) {
        for (const data of [`data: ${json}\ndata: ${more}\n\n`, `data: ${more}\ndata: ${json}\n\n`]) {
          const [event] = raw(data, 997).events
          assert.isUndefined(event!.answer)
          assert.throws(() => JSON.parse(event!.data) as unknown)
        }
      }
      const { events } = raw(`data: <answer>\n\ndata: ${json}\n\ndata: <answer>\n\n`, 997)
      assert.deepStrictEqual(
        events.map(({ answer }) => answer?.id),
        [undefined, 7, undefined]
      )
    })

    it("B06, B08: a large line that breaks off, is no JSON or no UTF-8, or passes the limit is what it is without", () => {
      assert.deepStrictEqual(raw(`data: ${json}`, 997).events, [])
      const broken = json.replace("[1,null]", "[1,null")
      assert.deepStrictEqual(raw(`data: ${broken}\n\n`, 997).events[0]!.data, broken)
      assert.strictEqual(raw(`data: ${"x".repeat(1_000_001)}`, 16_384).problem, "too-large")
      const decoder = SseDecoder.make(1_000_000, () => assert.fail("no event"), true)
      assert.isUndefined(decoder.push(bytes(`data: ${json.slice(0, 70_000)}`)))
      assert.isUndefined(decoder.push(Uint8Array.of(0xc3)))
      assert.strictEqual(decoder.push(bytes('"}}\n\n')), "encoding")
    })
  })
})
