import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import * as NdjsonDecoder from "../../src/actors/upstream/stdio/NdjsonDecoder.ts"
import * as SseDecoder from "../../src/actors/upstream/http/SseDecoder.ts"
import { isJsonObject } from "../../src/domain/protocol/JsonObjects.ts"
import { lists, type ListKind } from "../../src/domain/protocol/Methods.ts"
import { clientLimits, excess, readBytes, readJson } from "../../src/domain/protocol/json/JsonLimits.ts"
import { Pieces } from "../../src/domain/protocol/json/Pieces.ts"
import type { RawJson } from "../../src/domain/protocol/json/RawJson.ts"
import { ResponseScanner } from "../../src/domain/protocol/json/ResponseScanner.ts"
import { answeredId, readFromServer, serverError } from "../../src/domain/protocol/json/ServerMessages.ts"
import { readIntroduction, readPage } from "../../src/domain/protocol/json/ServerResults.ts"
import * as PostBody from "../../src/http/admission/PostBody.ts"
import { bytes, between, ofServer, welcome, withId } from "./Messages.ts"

const encode = (text: string) => new TextEncoder().encode(text)
const said = fc.oneof(bytes, between, ofServer, welcome).map((one): Uint8Array => withId(one, 7))
const cuts = fc.array(fc.nat(), { maxLength: 6 })

const cutAt = (whole: Uint8Array, at: ReadonlyArray<number>): ReadonlyArray<Uint8Array> => {
  const points = [0, ...at.map((cut) => cut % (whole.length + 1)).sort((a, b) => a - b), whole.length]
  return points.slice(1).map((point, index) => whole.subarray(points[index], point))
}

/** What a plain parser makes of it; undefined where it makes nothing. */
const parsed = (whole: Uint8Array): { readonly value: unknown } | undefined => {
  try {
    return { value: JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(whole)) }
  } catch {
    return undefined
  }
}

/** Levels, members with the containers, and commas. */
const sizes = (value: unknown): readonly [depth: number, members: number, commas: number] => {
  if (typeof value !== "object" || value === null) return [0, 0, 0]
  const children = Object.values(value).map(sizes)
  const own = Array.isArray(value) ? 0 : children.length
  const sum = (at: 1 | 2) => children.reduce((all, child) => all + child[at], 0)
  return [
    1 + Math.max(0, ...children.map(([depth]) => depth)),
    1 + own + sum(1),
    Math.max(0, children.length - 1) + sum(2)
  ]
}

describe("of anything at all", () => {
  it("A21: limits are those of the value, in text and in bytes alike", () => {
    const limits = { depth: 3, members: 8, values: 6 }
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 5, stringUnit: "grapheme" }), fc.constantFrom(0, 1), (value, indent) => {
        const text = JSON.stringify(value, null, indent)
        const [depth, members, commas] = sizes(JSON.parse(text))
        const isWithin = depth <= limits.depth && members <= limits.members && commas <= limits.values
        assert.strictEqual(excess(text, limits) === undefined, isWithin)
        assert.strictEqual(excess(encode(text), limits), excess(text, limits))
        assert.strictEqual(readJson(text, limits).ok, isWithin && !/"__proto__"\s*:/.test(text))
      }),
      { numRuns: 1_000 }
    )
  })

  it("A21, B06: a body is the value that a plain parser finds, or refused, and a batch has each id once", () => {
    fc.assert(
      fc.property(said, (body) => {
        const plain = parsed(body)
        const read = readBytes(body, clientLimits)
        if (!read.ok) {
          const text = Buffer.from(body).toString("latin1")
          const isHostile = excess(body, clientLimits) !== undefined || text.includes('"__proto__"')
          return assert.isTrue(plain === undefined || isHostile, read.reason)
        }
        assert.deepStrictEqual(read.value, plain!.value)
        const messages = PostBody.read(read.value)
        if (messages.kind !== "batch") return
        const ids = messages.items.flatMap((item) => (item.kind === "request" ? [item.message.id] : []))
        assert.strictEqual(new Set(ids).size, ids.length)
        assert.strictEqual(messages.items.length, (plain!.value as ReadonlyArray<unknown>).length)
      }),
      { numRuns: 1_000 }
    )
  })

  it("A46: a server's message is read as it stands, says whose answer it is, and bears none of the hub's marks", () => {
    fc.assert(
      fc.property(said, (whole) => {
        const text = Buffer.from(whole).toString("utf8")
        const id = answeredId(text)
        const read = readFromServer(text)
        if (!read.ok) return
        assert.deepStrictEqual(read.value, JSON.parse(text))
        if (!isJsonObject(read.value)) return assert.isUndefined(id)
        const { error, id: own, method, result } = read.value
        const isAnswer = method === undefined && (result !== undefined || error !== undefined)
        if (Number.isInteger(own) && Number(own) >= 0 && Number(own) < 1e15) {
          assert.strictEqual(id, isAnswer ? own : undefined)
        }
        if (!isJsonObject(error)) return
        const { data } = serverError(error as never)
        const marks = ["origin", "kind", "requestId", "retryable"]
        assert.isFalse(isJsonObject(data) && marks.some((mark) => mark in data))
      }),
      { numRuns: 1_000 }
    )
  })

  it("A46: an introduction and a page have the shapes that the hub reads, or are refused", () => {
    const kinds = Object.keys(lists) as ReadonlyArray<ListKind>
    fc.assert(
      fc.property(said, fc.anything(), fc.constantFrom(...kinds), (whole, anything, kind) => {
        const message = parsed(whole)?.value
        const values = [anything, message, isJsonObject(message) ? message["result"] : undefined]
        for (const value of [...values, { [lists[kind].field]: [anything, message] }]) {
          const introduction = readIntroduction(value)
          if (introduction.ok) assert.isTrue(isJsonObject(introduction.value.capabilities))
          const page = readPage(kind, "stateful", value)
          if (!page.ok) continue
          assert.isTrue(["string", "undefined"].includes(typeof page.value.nextCursor))
          for (const [key, item] of page.value.items) {
            assert.isAtMost(key.length, 4_096)
            assert.isTrue(Object.values(item).includes(key))
          }
        }
      }),
      { numRuns: 300 }
    )
  })

  it("B06: an event stream holds the same events however it is cut", () => {
    const decode = (chunks: ReadonlyArray<Uint8Array>, raw: boolean) => {
      const events: Array<unknown> = []
      // Beside other lines a large one only stands for what no parser reads; white space means nothing.
      const meaning = (data: string) => data.trim().replace(large, "<answer>")
      const decoder = SseDecoder.make(
        100_000,
        ({ answer, data, event }) => void events.push([event, meaning(answer ? JSON.stringify(answer) : data)]),
        raw
      )
      const problem = chunks.map(decoder.push).find((found) => found !== undefined)
      return { events, problem, id: decoder.lastEventId(), retry: decoder.retryMs() }
    }
    const large = JSON.stringify({ jsonrpc: "2.0", id: 7, result: { text: "é".repeat(40_000) } })
    const plain = fc.constantFrom(
      "data:",
      "data: ",
      "id: ",
      "retry: 9",
      "event: x",
      ":",
      "\n",
      "\r",
      "\r\n",
      "\n\n",
      "é"
    )
    const framed = fc.oneof(bytes, between).map((one) => Buffer.concat([encode("data: "), one, encode("\n\n")]))
    const piece = fc.oneof(
      { arbitrary: plain.map(encode), weight: 12 },
      { arbitrary: framed, weight: 2 },
      { arbitrary: fc.uint8Array({ maxLength: 5 }), weight: 1 },
      { arbitrary: fc.constant(encode(`data: ${large}\n\n`)), weight: 1 }
    )
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 20 }), cuts, (pieces, at) => {
        // A line that may be a large answer is not looked at before it ends.
        const whole = Buffer.concat([...pieces, encode("\n\n")])
        const expected = decode([whole], false)
        for (const raw of [false, true]) {
          const found = decode(cutAt(whole, at), raw)
          assert.strictEqual(found.problem === undefined, expected.problem === undefined)
          if (expected.problem === undefined) assert.deepStrictEqual(found, expected)
        }
      }),
      { numRuns: 300 }
    )
  })

  it("B06: the lines of a child are those between its newlines, less those that are too long", () => {
    const maxLineBytes = 300
    const piece = fc.oneof(said, fc.uint8Array({ maxLength: 20 }), fc.constantFrom("\n", "\r\n", " ", "é").map(encode))
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), cuts, (pieces, at) => {
        const whole = Buffer.concat(pieces)
        const lines: Array<string> = []
        let overflows = 0
        const onLine = (line: string) => void lines.push(line)
        const decoder = NdjsonDecoder.make({ maxLineBytes, onLine, onOverflow: () => overflows++ })
        for (const chunk of cutAt(whole, at)) decoder.push(chunk)
        decoder.end()
        const all = whole.toString("latin1").split("\n")
        const short = all.filter((line) => line.length <= maxLineBytes)
        const texts = short.map((line) =>
          new TextDecoder("utf-8", { ignoreBOM: true }).decode(Buffer.from(line, "latin1"))
        )
        const expected = texts.filter((line) => line.trim() !== "")
        assert.deepStrictEqual({ lines, overflows }, { lines: expected, overflows: all.length - short.length })
      }),
      { numRuns: 1_000 }
    )
  })

  it("B06: an answer in its bytes is found however it is cut, and is what a plain parser finds", () => {
    const scan = (chunks: ReadonlyArray<Uint8Array>) => {
      const pieces = new Pieces()
      for (const chunk of chunks) pieces.push(chunk)
      const answer = ResponseScanner.over(pieces).end()
      return answer && { id: answer.id, result: (answer.result as RawJson).text() }
    }
    fc.assert(
      fc.property(said, cuts, (whole, at) => {
        const answer = scan([whole])
        assert.deepStrictEqual(scan(cutAt(whole, at)), answer)
        if (answer === undefined) return
        const { id, result } = parsed(whole)!.value as Record<string, unknown>
        assert.deepStrictEqual({ id: answer.id, result: JSON.parse(answer.result) as unknown }, { id, result })
      }),
      { numRuns: 1_000 }
    )
  })
})
