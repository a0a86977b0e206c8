import { randomUUID } from "node:crypto"
import { assert, describe, it } from "@effect/vitest"
import { isMinted, isUuid } from "../../src/domain/Ids.ts"

const id = "123e4567-e89b-42d3-a456-426614174abc"

describe("a uuid", () => {
  it("is one in either case, whole and alone", () => {
    assert.isTrue(isUuid(id))
    assert.isTrue(isUuid(id.toUpperCase()))
    for (const text of ["", id.slice(1), `${id}0`, ` ${id}`, `${id}\n`, `g${id.slice(1)}`, id.replaceAll("-", "")]) {
      assert.isFalse(isUuid(text), JSON.stringify(text))
    }
  })

  it("looks minted by the hub in lower case only, so that a client's label in capitals stays a label", () => {
    assert.isTrue(isMinted(randomUUID()))
    assert.isFalse(isMinted(id.toUpperCase()))
    assert.isFalse(isMinted("my-editor"))
  })
})
