import { assert, describe, it } from "@effect/vitest"
import { turns } from "../../../src/domain/storage/sql/Turns.ts"
import { files, read } from "../../docs/Repository.ts"

describe("turns on PostgreSQL", () => {
  it("A72: no two have the same number, and no statement takes a lock that is none of them", () => {
    const numbers = Object.values(turns)
    assert.strictEqual(new Set(numbers).size, numbers.length)
    const locking = files("src").filter((path) => read(path).includes("pg_advisory"))
    assert.deepStrictEqual(locking, ["src/domain/storage/sql/Dialect.ts"])
    const taken = files("src").flatMap((path) =>
      [...read(path).matchAll(/hasTurn\("(\w+)"\)/g)].map(([, name]) => name!)
    )
    assert.deepStrictEqual(taken.sort(), Object.keys(turns).sort())
  })
})
