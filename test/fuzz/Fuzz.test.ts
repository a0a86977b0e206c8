import { assert, it } from "@effect/vitest"
import { fuzz } from "./Fuzz.ts"

it("A49: whatever a client or a server says, the hub runs on, calls end, and another user gets their own answers", async () => {
  const { broken, messages } = await fuzz({ seed: 1, messages: 300 })
  assert.isUndefined(broken)
  assert.strictEqual(messages, 300)
}, 120_000)
