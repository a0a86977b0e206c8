import { assert, describe, it } from "@effect/vitest"
import { serverLimits } from "../../../../src/domain/protocol/json/JsonLimits.ts"
import { answeredId, readFromServer, serverError } from "../../../../src/domain/protocol/json/ServerMessages.ts"
import { readIntroduction, readPage } from "../../../../src/domain/protocol/json/ServerResults.ts"

const nested = (levels: number) => `${"[".repeat(levels)}${"]".repeat(levels)}`

const refusal = (text: string): string => {
  const read = readFromServer(text)
  assert.isFalse(read.ok, text.slice(0, 80))
  return read.ok ? "" : read.reason
}

describe("what a server sends", () => {
  it("A46: is read within limits of depth, members and values, and never names a prototype", () => {
    assert.isTrue(readFromServer(nested(serverLimits.depth)).ok)
    assert.include(refusal(nested(serverLimits.depth + 1)), "deeper than a thousand levels")
    assert.include(refusal(`[${"{},".repeat(serverLimits.members)}0]`), "members")
    assert.include(refusal(`[${"0,".repeat(serverLimits.values + 1)}0]`), "values")
    for (const name of ["__proto__", "\\u005f_proto__", "__pr\\u006Fto__"]) {
      assert.include(refusal(`{"a":{"${name}":{"polluted":1}}}`), "__proto__")
    }
    assert.isTrue(readFromServer('{"a":"{\\"__proto__\\":1}"}').ok)
    assert.include(refusal('{"id":1,"result":NaN}'), "not JSON")
  })

  it("A46: is an error of bounded size, alone and in a batch", () => {
    const large = JSON.stringify({ jsonrpc: "2.0", id: 1, error: { code: 1, message: "x".repeat(300_000) } })
    assert.include(refusal(large), "an error of more than")
    assert.include(refusal(`[${large}]`), "an error of more than")
    assert.isTrue(readFromServer(large.replace('"error"', '"result"')).ok)
  })

  it("A47: carries none of the marks by which the hub's own errors are told apart", () => {
    const data = { origin: "hub", kind: "timeout", requestId: "req_1", retryable: true, field: 1 }
    assert.deepStrictEqual(serverError({ code: 1408, message: "m", data }), {
      code: 1408,
      message: "m",
      data: { field: 1, upstream: { origin: "hub", kind: "timeout", requestId: "req_1", retryable: true } }
    })
    for (const own of [undefined, "text", [1], { uri: "file:///a" }]) {
      const error = { code: -32002, message: "m", ...(own === undefined ? {} : { data: own }) }
      assert.deepStrictEqual(serverError(error), error)
    }
  })

  it("A46: that cannot be read still says which call it was to answer", () => {
    const deep = nested(20_000)
    const known: ReadonlyArray<readonly [string, number | undefined]> = [
      [`{"jsonrpc":"2.0","id":7,"result":${deep}}`, 7],
      [`{"result":{"id":1,"x":${deep}},"id" : 8}`, 8],
      [`{"error":{"code":1,"message":"\\"id\\":3","data":${deep}},"id":9}`, 9],
      ['{"id":5,"result":NaN}', 5],
      [`{"id":5,"method":"ping","params":${deep},"result":1}`, undefined],
      [`{"id":"5","result":${deep}}`, 5],
      [`{"id":"five","result":${deep}}`, undefined],
      [`[{"id":5,"result":${deep}}]`, undefined],
      ['{"id":5}', undefined],
      ["starting…", undefined],
      ['{"id', undefined]
    ]
    for (const [text, id] of known) assert.strictEqual(answeredId(text), id, text.slice(0, 60))
  })

  it("A46: as the answer to initialize, has the shapes that the hub reads", () => {
    const good = { protocolVersion: "2025-11-25", capabilities: { tools: {} }, serverInfo: { name: "s" } }
    const read = (answer: unknown) => {
      const shaped = readIntroduction(answer)
      if (!shaped.ok) return undefined
      const { oddities, ...rest } = shaped.value
      return { ...rest, odd: oddities.length }
    }
    const plain = { ...good, isGuess: false, odd: 0 }
    assert.deepStrictEqual(read(good), plain)
    for (const wrong of [null, "text", [], { ...good, protocolVersion: { toString: 1 } }]) {
      assert.isUndefined(read(wrong), JSON.stringify(wrong))
    }
    assert.deepStrictEqual(read({ ...good, serverInfo: 7 }), { ...plain, serverInfo: {}, odd: 1 })
    assert.deepStrictEqual(read({ ...good, instructions: {} }), { ...plain, odd: 1 })
    assert.deepStrictEqual(read({ ...good, capabilities: { tools: true, prompts: [], logging: "yes", own: 1 } }), {
      ...plain,
      capabilities: { tools: {}, prompts: {}, own: 1 },
      odd: 1
    })
    const everything = { tools: {}, prompts: {}, resources: {} }
    for (const [capabilities, odd] of [
      [true, 2],
      ["tools", 2],
      [[], 1],
      [null, 1],
      [{ logging: {} }, 1],
      [{ tools: false }, 1]
    ] as const) {
      const { capabilities: guessed, ...rest } = read({ ...good, capabilities })!
      assert.deepInclude(guessed, everything, JSON.stringify(capabilities))
      assert.deepInclude(rest, { isGuess: true, odd }, JSON.stringify(capabilities))
    }
  })

  it("A46: as a page of a list, has a cursor that can be sent back", () => {
    const page = { tools: [{ name: "a" }, { name: "x".repeat(5_000) }, { name: { toString: 1 } }], nextCursor: "2" }
    const read = readPage("tools", "stateful", page)
    assert.deepInclude(read.ok ? read.value : {}, {
      items: [["a", { name: "a", inputSchema: { type: "object" } }]],
      nextCursor: "2",
      ttlMs: undefined
    })
    assert.lengthOf(read.ok ? read.value.unusable : [], 2)
    for (const nextCursor of [{}, 7, "x".repeat(5_000)]) {
      assert.isFalse(readPage("tools", "stateful", { ...page, nextCursor }).ok)
    }
    for (const wrong of [undefined, null, "a", { tools: {} }, { prompts: [] }]) {
      assert.isFalse(readPage("tools", "stateful", wrong).ok)
    }
  })
})
