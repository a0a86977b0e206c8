import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Redacted } from "effect"
import { McpClient, RawHttp, type ScriptedCall, ScriptedHttpUpstream } from "../../../src/testkit/index.ts"
import * as HubProcess from "../../support/HubProcess.ts"
import { patience } from "../support/Program.ts"

const users = [
  { username: "ada", key: `mcphub_${"a".repeat(64)}` },
  { username: "bo", key: `mcphub_${"b".repeat(64)}` }
]

describe("a hub in which an exception gets past every guard", () => {
  for (const [signal, what] of [
    ["SIGUSR2", "thrown by a timer"],
    ["SIGWINCH", "of a promise nobody waits for"]
  ] as const) {
    it.live(
      `B37: ${what}, is not ready, answers the other user's running call, and ends with a code of its own`,
      () =>
        Effect.gen(function* () {
          const arrived = yield* Deferred.make<ScriptedCall>()
          const web = yield* ScriptedHttpUpstream.make({
            tools: { held: (call) => void Deferred.doneUnsafe(arrived, Effect.succeed(call)) }
          })
          const hub = yield* HubProcess.make({
            settings: { mcpServers: { web: { url: web.url } } },
            provision: HubProcess.withKeys(users),
            main: new URL("./programs/defective-hub.ts", import.meta.url)
          })
          const http = yield* RawHttp.make(hub.origin)
          const [ada, bo] = yield* Effect.forEach(users, ({ key }) =>
            McpClient.connect(http, { key: Redacted.make(key) })
          )
          assert.strictEqual((yield* HubProcess.get(`${hub.origin}/readyz`)).status, 200)
          const running = yield* Effect.forkChild(bo!.callTool("web-held"))
          const call = yield* Deferred.await(arrived)

          process.kill(hub.pid, signal)
          const [line] = yield* hub.logged(1, ({ msg }) => /exception that nothing caught/.test(String(msg)))
          assert.include(JSON.stringify(line), "TypeError")
          const ready = yield* HubProcess.get(`${hub.origin}/readyz`)
          assert.deepInclude(ready, { status: 503, text: "not ready: the hub met a defect and is stopping" })
          // The next one ends nothing sooner.
          process.kill(hub.pid, signal)
          yield* hub.logged(2, ({ msg }) => /exception that nothing caught/.test(String(msg)))
          assert.strictEqual((yield* hub.gauges).get("mcphub_defects_uncaught_total"), 2)

          const refused = yield* Effect.flip(ada!.callTool("web-echo", { ada: 1 }))
          assert.strictEqual(refused.status, 503)
          call.content({ only: "bo" })
          assert.deepStrictEqual(yield* Fiber.join(running), { only: "bo" })
          assert.strictEqual(yield* hub.ended, 4)
          assert.notInclude(hub.stderr() + hub.stdout(), "canary-planted-secret")
        }).pipe(Effect.scoped),
      patience
    )
  }
})
