import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { UpstreamConnector } from "../../../src/actors/upstream/UpstreamConnector.ts"
import { KeyState } from "../../../src/domain/identity/Standing.ts"
import { ScriptedHttpUpstream } from "../../../src/testkit/ScriptedHttpUpstream.ts"
import { ScriptedStdioUpstream } from "../../../src/testkit/index.ts"
import { callTool, connectOptions, contextOf } from "./support/Connections.ts"
import { upstreams } from "./support/UpstreamSessions.ts"

describe("a connection", () => {
  for (const transport of ["http", "stdio"] as const) {
    it.live(`A51: (${transport}) sends nothing for a key that has ended meanwhile, and goes on for the others`, () =>
      Effect.gen(function* () {
        const server = yield* ScriptedHttpUpstream.make()
        const config = transport === "http" ? { url: server.url } : ScriptedStdioUpstream.config()
        const { services } = yield* upstreams({})
        const { connect } = yield* Effect.provideContext(UpstreamConnector, services)
        const key = new KeyState()
        const bo = contextOf("bo")
        const context = contextOf("ada")
        const ada = { ...context, principal: { ...context.principal, standing: key.standing } }
        const connection = yield* connect(connectOptions(config, bo))
        yield* callTool(connection, ada, "echo", { text: "before" })
        key.revoke()
        const tries: ReadonlyArray<Effect.Effect<unknown, { readonly _tag: string }, any>> = [
          callTool(connection, ada, "echo", { text: "after" }),
          connection.notify("notifications/roots/list_changed", undefined, ada),
          connection.respond({ jsonrpc: "2.0", id: "q", result: {} }, ada),
          connect(connectOptions(config, ada))
        ]
        for (const attempt of tries) {
          const error = yield* Effect.flip(attempt as Effect.Effect<unknown, { readonly _tag: string }>)
          assert.strictEqual(error._tag, "NotAllowed")
        }
        const answer = yield* callTool(connection, bo, transport === "http" ? "echo" : "received")
        if (transport === "http") {
          assert.deepStrictEqual(
            server.received.filter(({ headers }) => headers["x-mcphub-user-id"] === "ada-id").length,
            1
          )
          assert.strictEqual(server.calls("initialize").length, 1)
        } else assert.notInclude(JSON.stringify(answer), "roots")
      }).pipe(Effect.scoped)
    )
  }
})
