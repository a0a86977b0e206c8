/** The conformance suite's client scenarios: the hub's requests to its upstreams, in both eras. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as ClientRuns from "./ClientRuns.ts"
import * as Suite from "./Suite.ts"

describe.concurrent("the conformance suite judges the hub as a client", () => {
  for (const { revision, scenario } of ClientRuns.scenarios) {
    it.live(`${revision}: ${scenario}`, () =>
      Effect.gen(function* () {
        const { complaints, ok, output } = yield* Suite.client(ClientRuns.command, scenario, revision)
        assert.deepEqual(complaints, [])
        assert.isTrue(ok, output)
      })
    )
  }
})
