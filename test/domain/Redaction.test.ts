import { assert, describe, it } from "@effect/vitest"
import { excerpt, logLine, scrub, withoutCredentials } from "../../src/domain/Redaction.ts"

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

  it("A73: what looks like a credential in a program's own words does not pass, and its words do", () => {
    const told = {
      "401 for Bearer abc.DEF-123456": "401 for Bearer <redacted>",
      'config {"api_key": "k3y-of-the-server", "url": "x"}': 'config {"api_key": "<redacted>", "url": "x"}',
      "PASSWORD=hunter2! was refused": "PASSWORD=<redacted> was refused",
      "postgres://svc:p4ss@db:5432/x is away": "postgres://svc:<redacted>@db:5432/x is away",
      [`push with gh${"p"}_${"a1".repeat(10)} failed`]: "push with <redacted> failed",
      "token: expired, secret: missing": "token: expired, secret: missing",
      "listening on http://127.0.0.1:3000/a@b": "listening on http://127.0.0.1:3000/a@b"
    }
    for (const [words, passes] of Object.entries(told)) assert.strictEqual(withoutCredentials(words), passes)
    // A text without an end to its names takes no longer than its length.
    assert.isString(withoutCredentials("token=".repeat(20_000)))
  })
})
