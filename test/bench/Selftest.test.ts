import { it } from "@effect/vitest"
import { selftest } from "../../bench/Selftest.ts"

it("the bench notices swapped answers, shared sessions and wrong users, and only those", async () => {
  await selftest()
})
