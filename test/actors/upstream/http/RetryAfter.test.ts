import { assert, describe, it } from "@effect/vitest"
import { retryAfterMs } from "../../../../src/actors/upstream/http/RetryAfter.ts"

const now = Date.parse("2026-11-23T09:00:00Z")
const asked = (retryAfter: string | undefined, status = 429) => retryAfterMs({ retryAfter, status }, now)

describe("the pause a server asks for", () => {
  it("B09: is a number of seconds or a date, never in the past and never longer than five minutes", () => {
    assert.strictEqual(asked("7"), 7_000)
    assert.strictEqual(asked("0", 503), 0)
    assert.strictEqual(asked("Mon, 23 Nov 2026 09:00:09 GMT", 503), 9_000)
    assert.strictEqual(asked("Mon, 23 Nov 2026 08:00:00 GMT"), 0)
    assert.strictEqual(asked("999999999"), 300_000)
    assert.strictEqual(asked("Fri, 01 Jan 2100 00:00:00 GMT"), 300_000)
  })

  it("B09: is none where the header is missing or no time, and with any other status", () => {
    for (const value of [undefined, "", "soon", "-1 s", "1e400 seconds"]) assert.isUndefined(asked(value), value)
    for (const status of [200, 301, 401, 403, 404, 500, 502]) assert.isUndefined(asked("7", status))
  })
})
