/** How far a server has come, since when it is as it is, and what is left of one that failed, as operators see it. */
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Fiber, Redacted } from "effect"
import { TestClock } from "effect/testing"
import { runtimeCommand } from "../../../../src/cli/sample/RuntimeCommand.ts"
import { HubKeys } from "../../../../src/domain/identity/HubKeys.ts"
import { type ScriptedCall, ScriptedHttpUpstream, TestHub } from "../../../../src/testkit/index.ts"
import { liveView } from "../../support/LiveView.ts"

const welcome = (call: ScriptedCall): void => {
  const protocolVersion = call.params["protocolVersion"]
  call.result({ protocolVersion, capabilities: { tools: {} }, serverInfo: { name: "slow", version: "1" } })
}

describe("the view of a server", () => {
  it.effect("says how far a connection has come and since when it is so", () =>
    Effect.gen(function* () {
      const kept: Array<ScriptedCall> = []
      const upstream = yield* ScriptedHttpUpstream.make({
        sessions: false,
        methods: { initialize: (call) => void kept.push(call) }
      })
      const hub = yield* TestHub.make({ servers: { files: { url: upstream.url, isolation: "session" } } })
      const view = yield* liveView(hub)
      const [ada, bo] = yield* Effect.all([hub.connect(hub.ada), hub.connect(hub.bo)])
      assert.deepInclude(yield* view.server(() => true), {
        state: "unknown",
        since: null,
        stage: null,
        nextAttempt: null
      })
      yield* TestClock.adjust("10 seconds")
      const calling = yield* Effect.forkChild(ada.callTool("files-echo", { n: 1 }))
      assert.deepInclude(yield* view.server(({ stage }) => stage === "initialize"), {
        state: "connecting",
        stage: "initialize",
        since: "1970-01-01T00:00:10.000Z"
      })
      yield* TestClock.adjust("2 seconds")
      upstream.script("initialize", welcome)
      welcome(kept[0]!)
      assert.deepStrictEqual(yield* Fiber.join(calling), { n: 1 })
      const connected = { state: "connected", stage: null, since: "1970-01-01T00:00:12.000Z" }
      assert.deepInclude(yield* view.server(({ state }) => state === "connected"), connected)
      // One more of another user's changes nothing.
      yield* TestClock.adjust("2 seconds")
      yield* bo.callTool("files-echo", { n: 2 })
      assert.deepInclude(yield* view.server(({ connections }) => connections === 2), connected)
    })
  )

  it.effect("says when one that is down is tried again, and for whom it is", () =>
    Effect.gen(function* () {
      const upstream = yield* ScriptedHttpUpstream.make({
        sessions: false,
        methods: { initialize: (call) => call.status(500) }
      })
      const hub = yield* TestHub.make({ servers: { files: { url: upstream.url, isolation: "session" } } })
      const view = yield* liveView(hub)
      const ada = yield* hub.connect(hub.ada)
      yield* Effect.ignore(ada.callTool("files-echo"))
      const down = yield* view.server(({ state }) => state === "failed")
      assert.strictEqual(down.nextAttempt, "1970-01-01T00:00:01.000Z")
      assert.deepStrictEqual(
        down.troubles.map(({ state, username }) => [username, state]),
        [["ada", "down"]]
      )
    })
  )

  it.live("keeps the last lines of a process that died, without the token it was given, until one connects", () =>
    Effect.gen(function* () {
      const token = "canary-token/71F0+C7e"
      const program = runtimeCommand(new URL("./programs/dying.ts", import.meta.url))
      const hub = yield* TestHub.make({
        servers: { files: { type: "stdio", ...program, env: { TOKEN: "${USER_GITHUB_TOKEN}" } } }
      })
      const view = yield* liveView(hub)
      const keys = Context.get(hub.services, HubKeys)
      yield* keys.setTokens({ keyId: hub.ada.row.id }, { GITHUB_TOKEN: Redacted.make(token) })
      const ada = yield* hub.connect(hub.ada)
      yield* ada.callTool("files-who")
      assert.deepStrictEqual((yield* view.server(() => true)).lastLines, [])
      yield* Effect.ignore(ada.callTool("files-die", { words: "the last word" }))
      const died = yield* view.server(({ lastLines }) => lastLines.length > 0)
      assert.strictEqual(died.state, "failed")
      assert.isAbove(died.lastLines.length, 1)
      assert.isAtMost(died.lastLines.length, 10)
      assert.include(died.lastLines.join("\n"), "the last word")
      assert.include(died.lastLines.join("\n"), "<redacted>")
      assert.notInclude(JSON.stringify(died), "canary")
      const bo = yield* hub.connect(hub.bo)
      yield* bo.callTool("files-who")
      const connected = yield* view.server(({ state }) => state === "connected")
      assert.deepStrictEqual(connected.lastLines, [])
    })
  )
})
