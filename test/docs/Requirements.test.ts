import { assert, describe, it } from "@effect/vitest"
import { faults } from "./Proof.ts"
import { read, tableRows } from "./Repository.ts"

const rows = tableRows(read("docs/internals/requirements.md"))

describe("docs/internals/requirements.md", () => {
  it("holds each of the 49 requirements once, in order", () => {
    assert.deepStrictEqual(
      rows.map(([id]) => id),
      Array.from({ length: 49 }, (_, i) => `R${i + 1}`)
    )
  })

  it("names only tests that exist, or how it was measured, or what is open", () => {
    const wrong = rows.flatMap(([id, , proof]) => faults(proof ?? "").map((fault) => `${id}: ${fault}`))
    assert.deepStrictEqual(wrong, [])
  })

  it("would notice a test that does not exist", () => {
    const own = "test/docs/Requirements.test.ts"
    assert.deepStrictEqual(faults(`\`${own} › would notice a test\``), [])
    assert.strictEqual(faults(`\`${own} › ${["no", "such", "title"].join(" ")}\``).length, 1)
    assert.strictEqual(faults("`test/docs/Nowhere.test.ts › anything`").length, 1)
    assert.strictEqual(faults("**open**").length, 1)
    assert.strictEqual(faults("").length, 1)
  })

  it("would notice figures without their command or their heading", () => {
    const heading = "Isolation and tracking"
    assert.deepStrictEqual(faults(`**measured** \`npm run bench -- --isolation\` › ${heading}`), [])
    assert.strictEqual(faults(`**measured** \`npm run bench -- --insulation\` › ${heading}`).length, 1)
    assert.strictEqual(faults("**measured** `npm run bench -- --isolation` › Nowhere").length, 1)
    assert.strictEqual(faults("**measured** by hand").length, 1)
  })
})
