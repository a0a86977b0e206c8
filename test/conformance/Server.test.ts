/** The conformance suite's server scenarios through the hub, for every pairing of eras. */
import { assert, layer } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import * as HubUnderTest from "./HubUnderTest.ts"
import { served } from "./Served.ts"
import * as Suite from "./Suite.ts"

class Judged extends Context.Service<Judged, HubUnderTest.HubUnderTest>()("mcphub/test/conformance/Server") {
  static readonly layer = Layer.effect(Judged, HubUnderTest.make)
}

layer(Judged.layer, { excludeTestServices: true, timeout: "60 seconds" })("the conformance suite", (it) => {
  const isServed = ({ revision, server }: HubUnderTest.Pairing): boolean =>
    (served.statelessClients || revision < "2026-07-28") &&
    (served.statelessUpstreams || server === "everything-2025" || (server === "everything" && revision < "2026-07-28"))

  for (const { expected, green, name, revision, scored, server } of HubUnderTest.pairings.filter(isServed)) {
    it.effect(`${revision}: ${green} of ${scored} required scenarios pass for ${name}`, () =>
      Effect.gen(function* () {
        const { endpoint } = yield* Judged
        const verdict = yield* Suite.server(endpoint(server), revision, expected)
        const { code } = verdict
        const found = { code, green: verdict.green, scored: verdict.scored }
        assert.deepEqual(found, { code: 0, green, scored }, Suite.complaints(verdict))
      })
    )
  }
})
