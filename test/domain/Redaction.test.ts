import { assert, describe, it } from "@effect/vitest"
import { excerpt, logLine, scrub } from "../../src/domain/Redaction.ts"

const made = `mcphub_${"0a".repeat(32)}`
const chosen = `mcphub_${"Blue-Whale_".repeat(3)}`

describe("Redaction", () => {
  it("A73: a key never leaves, whether the hub made it or an operator chose it, nor a long part of one", () => {
    for (const key of [made, made.toUpperCase(), chosen, chosen.slice(0, 24)]) {
      for (const text of [key, `Bearer ${key} and more`, `{"key":"${key}"}`]) {
        assert.notInclude(scrub(text), key)
        assert.notInclude(logLine(text), key)
        assert.include(scrub(text), "mcphub_<redacted>")
      }
    }
    assert.strictEqual(excerpt(`${"x".repeat(250)}${chosen}`, 256), `${"x".repeat(250)}mcphub`)
  })

  it("A73: what is no key stays: names of the hub's own, and short words", () => {
    for (const text of ["MCPHUB_PROTOCOL_VERSION", "mcphub_status", "mcphub key create", "MCPHub"]) {
      assert.strictEqual(scrub(text), text)
    }
  })
})
