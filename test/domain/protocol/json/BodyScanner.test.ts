import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { clientLimits, readBytes } from "../../../../src/domain/protocol/json/JsonLimits.ts"
import { BodyScanner, looksLikeAnswer } from "../../../../src/domain/protocol/json/BodyScanner.ts"
import { CarriedJson, encodeMessage } from "../../../../src/domain/protocol/json/CarriedJson.ts"
import { classify, type JsonRpcMessage } from "../../../../src/domain/protocol/JsonRpc.ts"
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

/** The message as its server gets it. */
const outgoing = (message: JsonRpcMessage): unknown => {
  const encoded = encodeMessage(message)
  return JSON.parse(typeof encoded === "string" ? encoded : Buffer.concat(encoded.pieces()).toString())
}

/** Where something is carried in a message, as `put` needs it. */
const carriedAt = (message: any): ReadonlyArray<string> => {
  if (message.params?.arguments instanceof CarriedJson) return ["params", "arguments"]
  return message.result instanceof CarriedJson ? ["result"] : ["error", "data"]
}

/** A copy of the message with the value at this place. */
const put = (message: any, [name, ...rest]: ReadonlyArray<string>, value: unknown): any =>
  name === undefined ? value : { ...message, [name]: put(message[name], rest, value) }

const get = (message: any, place: ReadonlyArray<string>): unknown =>
  place.reduce((holder, name) => holder[name], message)

/** The scanner's verdict is the guard's, and its value, read or spliced, the parser's. */
const agrees = (text: string | Uint8Array, cuts?: ReadonlyArray<number>) => {
  const whole = typeof text === "string" ? bytes(text) : text
  const guarded = readBytes(whole, clientLimits)
  const { carried, read } = scan(whole, cuts)
  const shown = Buffer.from(whole).toString().replaceAll(pad, "…")
  assert.strictEqual(read.ok, guarded.ok, shown)
  if (!read.ok || !guarded.ok) return undefined
  if (carried === undefined) {
    assert.deepStrictEqual(read.value, guarded.value, shown)
    return undefined
  }
  const place = carriedAt(read.value)
  assert.strictEqual(get(read.value, place), carried)
  assert.deepStrictEqual(put(read.value, place, carried.value()), guarded.value, shown)
  const [sent, meant] = [classify(read.value), classify(guarded.value)]
  assert.strictEqual(sent.kind, meant.kind, shown)
  if (sent.kind === "invalid" || meant.kind === "invalid") return place.join(".")
  // What is read is written anew: that knows no negative zero.
  const rest = JSON.parse(JSON.stringify(put(meant.message, place, 0))) as object
  assert.deepStrictEqual(outgoing(sent.message), put(rest, place, get(guarded.value, place)), shown)
  return place.join(".")
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
  })

  it("A80: carries what an answer holds wherever the chunks are cut, and the server gets what the client wrote", () => {
    const answers = {
      result: (held: string) => ` { "jsonrpc" : "2.0", "id":"q" , "result"\t:\n ${held} ,"error":null} `,
      "error.data": (held: string) => `{"id":"q","error":{"code":-1,"data":${held},"message":"m"},"jsonrpc":"2.0"}`
    }
    for (const [place, answer] of Object.entries(answers)) {
      const whole = bytes(answer(everything))
      const short = bytes(answer(everything.replace(pad, ""))).length
      for (let at = 0; at < short; at++) assert.strictEqual(agrees(whole, [at, whole.length - at]), place)
      assert.isUndefined(agrees(`[${answer(everything)}]`))
    }
    const { result } = answers
    assert.strictEqual(agrees(result(everything).replace("result", "r\\u0065sult")), "result")
    // The last of several counts, and what has a method is no answer.
    assert.strictEqual(agrees(result(`1,"result":${everything}`)), "result")
    assert.strictEqual(agrees(result(`1,"r\\u0065sult":2,"result":${everything}`)), "result")
    assert.isUndefined(agrees(result(`${everything},"result":1`)))
    assert.isUndefined(agrees(answers["error.data"](`${everything},"data":1`)))
    assert.isUndefined(agrees(answers["error.data"](everything).replace("}}", '}},"error":{"code":1,"message":""}')))
    assert.isUndefined(agrees(result(`${everything},"method":"ping"`)))
    assert.strictEqual(agrees(result(`${everything},"method":null`)), "result")
    assert.isUndefined(agrees(result(`1,"params":{"data":${everything}},"x":{"result":2}`)))
    const both = call(everything, "").replace('"id"', `"result":{"data":1},"id"`)
    assert.strictEqual(agrees(both), "params.arguments")
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
          fc.constantFrom("arguments", "params", "result", "error", "data", "__proto__", "constructor", "method"),
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
    const answer = fc.tuple(params, value, params, fc.boolean()).map(([before, inner, after, isError]) => {
      const held = `{"pad":"${pad}","own":${inner}${after.map(([name, one]) => `,${name}:${one}`).join("")}}`
      return `{${text(before)}${isError ? `"error":{"code":1,"data":${held},"message":""}` : `"result":${held}`},"id":1}`
    })
    fc.assert(
      fc.property(fc.oneof(body, answer), fc.array(fc.nat(), { maxLength: 8 }), (one, cuts) => void agrees(one, cuts)),
      { numRuns: 1_000 }
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
    const escapes = (count: number) => `"${"\\n".repeat(count / 2)}${"\\u00e9".repeat(count / 2)}"`
    assert.isDefined(agrees(call(escapes(600_000))))
    assert.isUndefined(reason(call("{}", `"more":${escapes(490_000)},`)))
    assert.match(reason(call("{}", `"more":${escapes(510_000)},`))!, /more than 500000 escapes beside/)
    const answer = (held: string) => `{"jsonrpc":"2.0","id":1,${held}}`
    for (const held of [members(90_000), escapes(600_000), `[${"0,".repeat(400_000)}0]`, nested(250)]) {
      assert.strictEqual(agrees(answer(`"result":${held}`)), "result")
      assert.strictEqual(agrees(answer(`"error":{"code":1,"message":"m","data":${held}}`)), "error.data")
    }
    assert.match(reason(answer(`"result":${members(101_000)}`))!, /more than 100000 members/)
    assert.match(reason(answer(`"error":{"code":1,"message":${escapes(510_000)}}`))!, /what an answer holds/)
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
