import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { inspect, writeAndKill } from "../../support/Crashes.ts"
import { folder } from "../../support/Embedded.ts"

describe("An embedded database whose process is killed in the middle of writing", () => {
  it.live(
    "has every batch that was acknowledged, no half of one, and no damage, time after time",
    () =>
      Effect.gen(function* () {
        const dataDir = yield* folder
        let next = 0
        for (const batches of [1, 40, 7]) {
          const last = yield* writeAndKill(dataDir, next, batches)
          assert.isAtLeast(last, next + batches - 1)
          const { damage, missing, next: following, torn } = yield* inspect(dataDir, last)
          assert.deepStrictEqual({ damage, missing, torn }, { damage: [], missing: [], torn: [] })
          next = following
        }
      }).pipe(Effect.scoped),
    120_000
  )
})
