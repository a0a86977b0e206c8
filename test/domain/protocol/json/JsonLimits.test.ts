import { assert, describe, it } from "@effect/vitest"
import { clientLimits, readBytes } from "../../../../src/domain/protocol/json/JsonLimits.ts"

const bytes = (text: string) => new TextEncoder().encode(text)

/** A body that counts how many of its bytes were looked at. */
const counted = (text: string) => {
  const looked = { at: 0 }
  const body = new Proxy(bytes(text), {
    get: (target, name) => {
      if (typeof name === "string" && /^\d+$/.test(name)) looked.at++
      return Reflect.get(target, name, target) as unknown
    }
  })
  return { body, looked }
}

const members = (count: number) => Array.from({ length: count }, (_, i) => `"${i}":0`).join(",")

const parse = (body: Uint8Array) => readBytes(body, clientLimits)

describe("JsonLimits", () => {
  it("A21: gives up at the first limit, before anything is decoded or parsed, so that the work is bounded", () => {
    const hostile: Record<string, readonly [text: string, atMost: number]> = {
      deep: ["[".repeat(4_000_000), 300],
      "deep after text": [`{"a":"${"[".repeat(1_000)}","b":${'{"a":'.repeat(100_000)}`, 3_000],
      "a million keys": [`{${members(1_000_000)}}`, 1_000_000],
      "empty objects": [`[${"{},".repeat(1_300_000)}0]`, 301_000],
      "empty texts": [`[${'"",'.repeat(1_300_000)}0]`, 1_501_000]
    }
    const parsed = JSON.parse
    const decoded = TextDecoder.prototype.decode
    const used: Array<string> = []
    JSON.parse = (...args) => (used.push("parse"), parsed(...args))
    TextDecoder.prototype.decode = function (...args) {
      used.push("decode")
      return decoded.apply(this, args)
    }
    try {
      for (const [name, [text, atMost]] of Object.entries(hostile)) {
        const { body, looked } = counted(text)
        assert.isFalse(parse(body).ok, name)
        assert.isAtMost(looked.at, atMost, name)
      }
    } finally {
      JSON.parse = parsed
      TextDecoder.prototype.decode = decoded
    }
    assert.deepStrictEqual(used, [])
  })

  it("A21: looks at each byte of an ordinary body once, and lets pass what is within the limits", () => {
    const text = `{"text":"a\\"[[[[,,,,::::","list":[${"1,".repeat(300_000)}1],"o":{${members(50_000)}}}`
    assert.isTrue(parse(bytes(text)).ok)
    // What counts the looks cannot be decoded, but that comes after them.
    const { body, looked } = counted(text)
    parse(body)
    assert.isAtMost(looked.at, text.length)
    assert.isAbove(looked.at, text.length / 2)
    const deep = `${"[".repeat(256)}${"]".repeat(256)}`
    assert.isTrue(parse(bytes(deep)).ok)
    assert.isFalse(parse(bytes(`[${deep}]`)).ok)
  })

  it("A21: finds a member named __proto__ however it is spelt, and nothing else", () => {
    for (const text of [
      '{"__proto__":1}',
      '{"a":1,"__proto__" : 1}',
      '{\n"__proto__"\n:1}',
      '{"\\u005f_proto_\\u005F":1}',
      '[{"__pr\\u006fto__":{}}]'
    ]) {
      assert.isFalse(parse(bytes(text)).ok, text)
    }
    for (const text of [
      '{"a":"__proto__"}',
      '{"__PROTO__":1}',
      '{"proto":1,"x__proto__":1}',
      '{"a":"{\\"__proto__\\":1}"}',
      '["__proto__"]'
    ]) {
      assert.isTrue(parse(bytes(text)).ok, text)
    }
  })

  it("A21: keeps the last of two members of one name, as JSON.parse does, and numbers beyond what fits as they come", () => {
    assert.deepStrictEqual(parse(bytes('{"a":1,"a":2}')), { ok: true, value: { a: 2 } })
    assert.deepStrictEqual(parse(bytes("[1e999,12345678901234567890]")), {
      ok: true,
      value: [Infinity, 12345678901234567000]
    })
  })
})
