import { assert, it } from "@effect/vitest"
import { fuzz } from "./Fuzz.ts"

it("A49: whatever a client or a server says, the hub runs on, calls end, and another user gets their own answers", async () => {
  const { broken, clients, defects, servers } = await fuzz({ seed: 1, messages: 1_000, lanes: 4 })
  assert.isUndefined(broken)
  assert.deepStrictEqual([...defects], [])
  assert.isAtLeast(Math.min(clients, servers), 1_000)
}, 120_000)
