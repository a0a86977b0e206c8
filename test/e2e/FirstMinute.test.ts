/** What a newcomer sees: a hub without settings or users, and the key it prints. */
import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { patience } from "../cli/support/Program.ts"
import * as HubProcess from "../support/HubProcess.ts"
import { connect } from "../support/SdkClients.ts"

it.live(
  "the key printed at the first start opens a hub whose sample server already has tools that work",
  () =>
    Effect.gen(function* () {
      const hub = yield* HubProcess.make()
      const key = /^\s*MCPHub key\s+(\S+)$/m.exec(hub.stdout())?.[1]
      assert.match(key ?? "", /^mcphub_[0-9a-f]{64}$/)
      for (const generation of ["1.x", "2.x"] as const) {
        const client = yield* connect(generation, hub.url, key!)
        assert.includeMembers([...(yield* client.toolNames)], ["sample-set-context", "sample-get-data", "sample-echo"])
        assert.strictEqual((yield* client.call("sample-echo", { text: "hello" })).text, "hello")
      }
      assert.strictEqual(yield* hub.terminate, 0)
    }).pipe(Effect.scoped),
  patience
)
