import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { clientLimits, readBytes } from "../../../../src/domain/protocol/json/JsonLimits.ts"
import { BodyScanner, looksLikeAnswer } from "../../../../src/domain/protocol/json/BodyScanner.ts"
import { CarriedJson, encodeRequest } from "../../../../src/domain/protocol/json/CarriedJson.ts"
import type { JsonRpcRequest } from "../../../../src/domain/protocol/JsonRpc.ts"
import { Pieces } from "../../../../src/domain/protocol/json/Pieces.ts"

const bytes = (text: string) => new TextEncoder().encode(text)

/** Text that makes arguments large enough to be carried. */
const pad = "x".repeat(16 * 1024)

const scan = (whole: Uint8Array, cuts: ReadonlyArray<number> = []) => {
  const points = [0, ...cuts.map((cut) => cut % (whole.length + 1)).sort((a, b) => a - b), whole.length]
  const pieces = new Pieces()
  for (const [index, point] of points.slice(1).entries()) pieces.push(whole.slice(points[index], point))
  const scanner = new BodyScanner(pieces)
  while (!scanner.step(() => false));
  let carried: CarriedJson | undefined
  const read = scanner.end((raw) => (carried = new CarriedJson(raw, () => {})))
  return { read, carried }
}

/** The request as its server gets it. */
const outgoing = (message: JsonRpcRequest): unknown => {
  const encoded = encodeRequest(message)
  return JSON.parse(typeof encoded === "string" ? encoded : Buffer.concat(encoded.pieces()).toString())
}

/** The scanner's verdict is the guard's, and its value, read or spliced, the parser's. */
const agrees = (text: string | Uint8Array, cuts?: ReadonlyArray<number>) => {
  const whole = typeof text === "string" ? bytes(text) : text
  const guarded = readBytes(whole, clientLimits)
  const { carried, read } = scan(whole, cuts)
  const shown = Buffer.from(whole).toString().replaceAll(pad, "…")
  assert.strictEqual(read.ok, guarded.ok, shown)
  if (!read.ok || !guarded.ok) return undefined
  if (carried !== undefined) {
    const { method, params } = guarded.value as JsonRpcRequest
    // What is read is written anew: that knows no negative zero, and one id is as good as another.
    const rest = JSON.parse(JSON.stringify(params)) as object
    const expected = { jsonrpc: "2.0", id: 7, method, params: { ...rest, arguments: params!["arguments"] } }
    assert.deepStrictEqual(outgoing({ ...(read.value as JsonRpcRequest), id: 7 }), expected, shown)
    ;(read.value as { params: { arguments: unknown } }).params.arguments = carried.value()
  }
  assert.deepStrictEqual(read.value, guarded.value, shown)
  return carried
}

const call = (args: string, around = "") =>
  ` { "jsonrpc" : "2.0", "id":7, "method":"tools/call"\t,"params" :{"name":"a-b",${around} "arguments" : ${args} } } `

const everything =
  String.raw`{"n":[-0,-1.5e+2,0.0,12E-3,4e0,1e999,12345678901234567890],"pad":"${pad}","t":["",` +
  String.raw`"\"\\\/\b\f\n\r\t\uD83d\uABcd\ud800","ü€😀",true,false,null],"e":[[],[ ],{},{ },{"a":{"b":1}}],"a":1,"a":2,"":3}`

describe("a large body in its bytes", () => {
  it("A80: carries the arguments of a tool wherever the chunks are cut, and the server gets what the client wrote", () => {
    const whole = bytes(call(everything))
    const short = bytes(call(everything).replace(pad, "")).length
    for (let at = 0; at < short; at++) assert.isDefined(agrees(whole, [at, whole.length - at]))
    assert.isDefined(agrees(Buffer.concat([Uint8Array.of(0xef, 0xbb, 0xbf), whole])))
    assert.isUndefined(agrees(call(everything).replace("tools/call", "prompts/get")))
    assert.isUndefined(agrees(call("null", `"other":"${pad}",`)))
    assert.isUndefined(agrees(`[${call(everything)}]`))
    assert.isUndefined(agrees(`{"jsonrpc":"2.0","id":1,"result":${everything}}`))
  })

  it("A80: is judged as the parser judges it, whichever byte is replaced, put in or left out", () => {
    const text = call(everything)
    const whole = bytes(text)
    const from = text.indexOf(pad)
    // The text that makes it large is looked at in its first bytes.
    const places = [...whole.keys()].filter((at) => at < from + 2 || at >= from + pad.length)
    const wrong = bytes('"\\{}[]:,0-.eEtu \n\u0001\u007f').values()
    for (const byte of [...wrong, 0x80, 0xc3, 0xff]) {
      for (const at of places) {
        const replaced = whole.slice()
        replaced[at] = byte
        agrees(replaced)
        agrees(Buffer.concat([whole.subarray(0, at), Uint8Array.of(byte), whole.subarray(at)]))
      }
    }
    for (const at of places) agrees(Buffer.concat([whole.subarray(0, at), whole.subarray(at + 1)]))
  }, 120_000)

  it("A80: is judged as the parser judges it, whatever it holds and however names are spelt", () => {
    /** A name or text with some of its letters spelt as escapes. */
    const spelt = fc
      .tuple(
        fc.oneof(
          fc.constantFrom("arguments", "params", "__proto__", "constructor", "method"),
          fc.string({ unit: "binary" })
        ),
        fc.infiniteStream(fc.boolean())
      )
      .map(([text, escapes]) => {
        const letters = Array.from(JSON.stringify(text).slice(1, -1), (letter) =>
          /^[a-z_]$/.test(letter) && !text.includes("\\") && escapes.next().value === true
            ? `\\u${letter.charCodeAt(0).toString(16).padStart(4, "0")}`
            : letter
        )
        // A letter behind a backslash belongs to it.
        return /\\[^u]|[\\"]/.test(text) ? JSON.stringify(text) : `"${letters.join("")}"`
      })
    const blank = fc.constantFrom("", " ", "\n", "\t\r ")
    const { value } = fc.letrec<{ value: string; members: string }>((tie) => ({
      value: fc.oneof(
        { depthSize: "small" },
        spelt,
        fc.constantFrom("null", "true", "-0", "1e5", "0.5", "12345678901234567890"),
        fc.array(tie("value"), { maxLength: 4 }).map((items) => `[${items.join(",")}]`),
        tie("members")
      ),
      members: fc
        .array(fc.tuple(spelt, blank, tie("value")), { maxLength: 4 })
        .map((members) => `{${members.map(([name, space, inner]) => `${space}${name}${space}:${inner}`).join(",")}}`)
    }))
    const params = fc.array(fc.tuple(spelt, value), { maxLength: 3 })
    const text = (members: ReadonlyArray<readonly [string, string]>) =>
      members.map(([name, inner]) => `${name}:${inner},`).join("")
    const body = fc.tuple(params, value, params, params).map(([before, inner, after, top]) => {
      const within = `{${text(before)}"arguments":{"pad":"${pad}","own":${inner}}${after.map(([name, one]) => `,${name}:${one}`).join("")}}`
      return `{"id":1,"params":${within},${text(top)}"method":"tools/call","jsonrpc":"2.0"}`
    })
    fc.assert(
      fc.property(body, fc.array(fc.nat(), { maxLength: 8 }), (one, cuts) => void agrees(one, cuts)),
      { numRuns: 500 }
    )
  }, 120_000)

  it("A80: is held to the limits of a client's body, and to tighter ones for what has to be parsed in one go", () => {
    const members = (count: number) => `{${Array.from({ length: count }, (_, at) => `"${at}":0`).join(",")}}`
    const nested = (depth: number) => `{"pad":"${pad}","a":${"[".repeat(depth)}${"]".repeat(depth)}}`
    const reason = (text: string) => {
      const { read } = scan(bytes(text))
      return read.ok ? undefined : read.reason
    }
    assert.isDefined(agrees(call(members(90_000))))
    assert.isDefined(agrees(call(nested(250))))
    agrees(call(nested(300)))
    assert.match(reason(call(members(101_000)))!, /more than 100000 members/)
    assert.match(reason(call(`[${"0,".repeat(500_000)}0]`))!, /more than 500000 values/)
    assert.match(reason(call("{}", `"more":${members(26_000)},`))!, /more than 25000 members beside the arguments/)
    assert.match(reason(call("{}", `"more":[${"0,".repeat(151_000)}0],`))!, /more than 150000 values beside/)
  })

  it("A80: does not come to its end before all of it has been looked at, a step at a time", () => {
    const pieces = new Pieces()
    for (let at = 0; at < 8; at++) pieces.push(bytes(at === 0 ? `["${"x".repeat(65_534)}` : "x".repeat(65_536)))
    pieces.push(bytes('"]'))
    const scanner = new BodyScanner(pieces)
    let steps = 0
    while (!scanner.step(() => false)) steps++
    assert.isAtLeast(steps, 16)
    assert.isTrue(scanner.end(() => assert.fail("nothing is carried")).ok)
  })

  it("A80: shows in its first bytes whether it may be an answer", () => {
    for (const text of [
      '{"jsonrpc":"2.0","id":1,"result":{',
      ' {"result" :{}',
      '{"id":"a", "jsonrpc":"2.0","error":'
    ]) {
      assert.isTrue(looksLikeAnswer(bytes(text)), text)
    }
    for (const text of [
      '{"jsonrpc":"2.0","id":1,"method":"x","result":1',
      '{"params":{"result":1}',
      '[{"result":1}]',
      ""
    ]) {
      assert.isFalse(looksLikeAnswer(bytes(text)), text)
    }
  })
})

describe("carried arguments", () => {
  it("A80: are gone once they have been let go of, which is told once", () => {
    let told = 0
    const carried = new CarriedJson([bytes('{"a":1}')], () => told++)
    assert.strictEqual(JSON.stringify({ arguments: carried }), '{"arguments":{"a":1}}')
    carried.release()
    carried.release()
    assert.strictEqual(told, 1)
    assert.throws(() => carried.value(), /let go of/)
  })
})
