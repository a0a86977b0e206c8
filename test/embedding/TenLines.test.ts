import { assert, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { ScriptedHttpUpstream, TestHub } from "../../src/testkit/index.ts"
import { UpstreamHeaders } from "../../src/index.ts"

const acme = Layer.mock(UpstreamHeaders, {
  url: ({ config }) => Effect.succeed(config.url!),
  headers: ({ context }) => Effect.succeed({ "x-tenant": `acme/${context.principal.username}` })
})

it.live("an embedder's own headers reach the upstream, each user's their own", () =>
  Effect.gen(function* () {
    const upstream = yield* ScriptedHttpUpstream.make()
    const hub = yield* TestHub.make({ servers: { echo: { url: upstream.url } }, replace: acme })
    const [ada, bo] = yield* Effect.all([hub.connect(hub.ada), hub.connect(hub.bo)])
    assert.strictEqual((yield* ada.callTool("echo-whoami"))["x-tenant"], "acme/ada")
    assert.strictEqual((yield* bo.callTool("echo-whoami"))["x-tenant"], "acme/bo")
  })
)
