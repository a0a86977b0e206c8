import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { Pieces } from "../../../../src/domain/protocol/json/Pieces.ts"
import { encode, encodeBody, onOneLine, type RawJson } from "../../../../src/domain/protocol/json/RawJson.ts"
import { ResponseScanner } from "../../../../src/domain/protocol/json/ResponseScanner.ts"

const bytes = (text: string) => new TextEncoder().encode(text)

const scan = (chunks: ReadonlyArray<Uint8Array>) => {
  const pieces = new Pieces()
  for (const chunk of chunks) pieces.push(chunk)
  return ResponseScanner.over(pieces).end()
}

/** What a parser makes of the same bytes; undefined where they are not JSON in UTF-8. */
const parsed = (whole: Uint8Array): { readonly value: any } | undefined => {
  try {
    return { value: JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(whole)) }
  } catch {
    return undefined
  }
}

const isAnswer = (value: any): boolean =>
  typeof value === "object" &&
  value !== null &&
  value.jsonrpc === "2.0" &&
  "result" in value &&
  (value.error ?? null) === null &&
  (value.method ?? null) === null &&
  (typeof value.id === "number" || typeof value.id === "string")

const cutAt = (whole: Uint8Array, cuts: ReadonlyArray<number>): ReadonlyArray<Uint8Array> => {
  const points = [0, ...cuts.map((cut) => cut % (whole.length + 1)).sort((a, b) => a - b), whole.length]
  return points.slice(1).map((point, index) => whole.subarray(points[index], point))
}

/** Everything the grammar of JSON and UTF-8 has, as short as can be. */
const everything =
  String.raw` { "jsonrpc" : "2.0", "id":"é7" ,"more":[{}], "result":${"\t"}[-0,-1.5e+2,0.0,12E-3,4e0,"",` +
  String.raw`"\"\\\/\b\f\n\r\t\uD83d\uABcd","ü€😀",true,false,null,[],[ ],{},{ },{"a":{"b":1}}]} `

describe("an answer in its bytes", () => {
  it("is found with id and result wherever the chunks are cut", () => {
    const whole = bytes(everything)
    const expected = JSON.parse(everything)
    const check = (chunks: ReadonlyArray<Uint8Array>) => {
      const answer = scan(chunks)
      assert.isDefined(answer)
      assert.strictEqual(answer.id, expected.id)
      assert.deepStrictEqual((answer.result as RawJson).value(), expected.result)
    }
    for (let at = 0; at <= whole.length; at++) check([whole.subarray(0, at), whole.subarray(at)])
    check(Array.from(whole, (byte) => Uint8Array.of(byte)))
  })

  it("is taken as the parser takes it, whichever byte of its result is replaced, put in or left out", () => {
    const whole = bytes(everything)
    const from = everything.indexOf('"result"') + 1
    const wrong: Array<string> = []
    const check = (changed: Uint8Array) => {
      const json = parsed(changed)
      if ((scan([changed]) !== undefined) !== (json !== undefined && isAnswer(json.value))) {
        wrong.push(new TextDecoder().decode(changed))
      }
    }
    for (let at = from + '"result":'.length; at <= whole.length; at++) {
      const [before, after] = [whole.subarray(0, at), whole.subarray(at)]
      check(before)
      check(Uint8Array.of(...before, ...after.subarray(1)))
      for (let byte = 0; byte < 256; byte++) {
        check(Uint8Array.of(...before, byte, ...after))
        check(Uint8Array.of(...before, byte, ...after.subarray(1)))
      }
    }
    assert.deepStrictEqual(wrong, [])
  })

  const Spaces = fc.constantFrom("", " ", "\n", "\r\n\t ")
  const Json = fc.json({ maxDepth: 6, stringUnit: "binary" })

  it("is found whatever its result, the order of its members and the white space between them", () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.maxSafeInteger(),
          fc.string({ unit: "binary", maxLength: 20 }).map((id) => id.toWellFormed())
        ),
        Json.map((text) => text.toWellFormed()),
        fc.constantFrom(0, 2),
        Spaces,
        fc.shuffledSubarray([0, 1, 2, 3], { minLength: 4 }),
        fc.array(fc.nat(), { maxLength: 4 }),
        (id, json, indent, space, order, cuts) => {
          const result = JSON.stringify(JSON.parse(json), null, indent)
          const members = [`"jsonrpc"`, `"id"`, `"result"`, `"x"`].map(
            (name, at) =>
              `${space}${name}${space}:${space}${[`"2.0"`, JSON.stringify(id), result, "[null]"][at]}${space}`
          )
          const text = `${space}{${order.map((at) => members[at]).join(",")}}${space}`
          const answer = scan(cutAt(bytes(text), cuts))
          assert.isDefined(answer, text)
          assert.strictEqual(answer.id, id)
          assert.strictEqual((answer.result as RawJson).text(), result)
        }
      )
    )
  })

  it("is never made of what no parser would make it of, however it is mangled", () => {
    const syntax = ["{", "}", "[", "]", ",", ":", '"', "\\", " ", "\n", "\u0000"]
    const names = ['"id"', '"result"', '"error"', '"method"', '"jsonrpc"', '"2.0"']
    const Piece = fc.constantFrom(...syntax, ...names, "1", "-", ".5", "e", "null", "tru", "é", "\\u00e9", "\\x")
    fc.assert(
      fc.property(
        fc.array(Piece, { maxLength: 24 }),
        fc.nat(40),
        fc.array(fc.nat(), { maxLength: 3 }),
        (pieces, at, cuts) => {
          const whole = '{"jsonrpc":"2.0","id":1,"result":{"a":[1,"b"]}}'
          const changed = bytes(whole.slice(0, at) + pieces.join("") + whole.slice(at))
          const answer = scan(cutAt(changed, cuts))
          if (answer === undefined) return
          const json = parsed(changed)
          assert.isTrue(json !== undefined && isAnswer(json.value))
          assert.strictEqual(answer.id, json!.value.id)
          assert.deepStrictEqual((answer.result as RawJson).value(), json!.value.result)
        }
      ),
      { numRuns: 2_000 }
    )
  })

  it("is left to the parser where the top says more than an answer says, or says it twice", () => {
    const members = (count: number) => Array.from({ length: count }, (_, at) => `"m${at}":0,`).join("")
    const plain = '"jsonrpc":"2.0","id":1,"result":{}'
    assert.isDefined(scan([bytes(`{${plain}}`)]))
    assert.isDefined(scan([bytes(`{${members(13)}${plain}}`)]))
    // Members of other kinds of message, which some libraries write as null.
    assert.isDefined(scan([bytes(`{"method":null,${plain},"error": null }`)]))
    const others = [
      `{${plain},"error":{}}`,
      `{${plain},"error":null,"error":null}`,
      `{${plain},"error":"null"}`,
      `{${plain},"method":"x"}`,
      `{${plain},"result":1}`,
      `{${plain},"id":2}`,
      `{${plain},"re\\u0073ult":1}`,
      `{${members(14)}${plain}}`,
      `[{${plain}}]`,
      `{${plain}}{${plain}}`,
      `\uFEFF{${plain}}`,
      '{"jsonrpc":"1.0","id":1,"result":{}}',
      '{"jsonrpc":"2.0","id":null,"result":{}}',
      '{"jsonrpc":"2.0","result":{}}',
      '{"jsonrpc":"2.0","id":1}',
      `{"jsonrpc":"2.0","id":1,"result":${"[".repeat(300)}${"]".repeat(300)}}`,
      '"result"',
      ""
    ]
    for (const other of others) assert.isUndefined(scan([bytes(other)]), other)
  })

  it("is given up after a few members at the top, however many follow", () => {
    const chunk = bytes('"a":1,'.repeat(300))
    const chunks = [bytes("{"), ...Array.from({ length: 30 }, () => chunk)]
    const looked = { at: 0 }
    const counting = chunks.map(
      (one) =>
        new Proxy(one, {
          get: (target, name) => {
            if (typeof name === "string" && /^\d+$/.test(name)) looked.at++
            const found: unknown = Reflect.get(target, name, target)
            return typeof found === "function" ? found.bind(target) : found
          }
        })
    )
    const scanner = new ResponseScanner()
    for (const one of counting) scanner.push(one)
    assert.isUndefined(scanner.end())
    assert.isBelow(looked.at, 1_000)
  })
})

describe("a result that was not read", () => {
  const answer = (text: string) =>
    scan([bytes(`{"jsonrpc":"2.0","id":"upstream's","result":${text}}`)])!.result as RawJson
  const whole = (body: string | ReadonlyArray<Uint8Array>) =>
    typeof body === "string" ? body : Buffer.concat(body).toString()

  it("goes into the client's answer as it was written, under the client's id", () => {
    const result = '{"big":12345678901234567890,"huge":1e999,"same":1,"same":2,"text":"\\u00e9é\\n"}'
    const expected = `{"jsonrpc":"2.0","id":"ada\\"","result":${result}}`
    const message = { jsonrpc: "2.0", id: 'ada"', result: answer(result) } as const
    assert.strictEqual(whole(encodeBody(message)), expected)
    assert.strictEqual(encode(message), expected)
  })

  it("is one line where events need it, and the same value", () => {
    const value = { text: "a\nb\r\nc", list: [1, { deep: "\u2028" }] }
    for (const end of ["\n", "\r", "\r\n"]) {
      const pretty = JSON.stringify(value, null, 2).replaceAll("\n", end)
      const pieces = encodeBody({ jsonrpc: "2.0", id: 1, result: answer(pretty) }) as ReadonlyArray<Uint8Array>
      const line = whole(pieces.map(onOneLine))
      assert.notMatch(line, /[\r\n]/)
      assert.deepStrictEqual(JSON.parse(line).result, value)
    }
  })

  it("is what it stands for to whoever serialises it unawares", () => {
    assert.strictEqual(JSON.stringify([{ result: answer('{ "a" : 1 }') }]), '[{"result":{"a":1}}]')
  })
})
