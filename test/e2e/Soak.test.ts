import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { patience } from "../cli/support/Program.ts"
import { soak } from "../soak/Soak.ts"

describe("twenty seconds of churn with faults", () => {
  it.live(
    "R24: each call comes to one end, no answer is another's, and nothing is left",
    () =>
      Effect.gen(function* () {
        const lines: Array<string> = []
        const { problems } = yield* soak({
          seconds: 20,
          workers: 8,
          seed: 7,
          heapMiB: 256,
          print: (line) => lines.push(line)
        })
        assert.deepStrictEqual(problems, [], lines.join("\n"))
      }),
    patience
  )
})
