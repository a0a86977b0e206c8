import { assert, describe, it } from "@effect/vitest"
import { isJsonObject, metaOf, objectOrEmpty } from "../../../src/domain/protocol/JsonObjects.ts"

const others = [undefined, null, [], [{ a: 1 }], "text", 7, true]

describe("an object where one belongs", () => {
  it("is an object and no list, text, number or null", () => {
    assert.isTrue(isJsonObject({}))
    for (const value of others) assert.isFalse(isJsonObject(value), JSON.stringify(value))
  })

  it("is taken as it is; anything else counts as an empty one", () => {
    const given = { a: 1 }
    assert.strictEqual(objectOrEmpty(given), given)
    for (const value of others) assert.deepStrictEqual(objectOrEmpty(value), {}, JSON.stringify(value))
  })
})

describe("_meta", () => {
  it("is found in parameters and results, and absent where it is no object", () => {
    const meta = { progressToken: 1 }
    assert.strictEqual(metaOf({ name: "a", _meta: meta }), meta)
    assert.isUndefined(metaOf(undefined))
    for (const value of others) assert.isUndefined(metaOf({ _meta: value }), JSON.stringify(value))
  })
})
