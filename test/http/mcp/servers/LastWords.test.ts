/** Servers over stdio that die in the middle of their work and leave a trace on their standard error. */
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Fiber, Layer, Redacted } from "effect"
import * as Logging from "../../../../src/actors/observing/Logging.ts"
import { LogOutput, LogSink } from "../../../../src/actors/observing/LogOutput.ts"
import { UpstreamHealth } from "../../../../src/actors/upstream/guards/UpstreamHealth.ts"
import { runtimeCommand } from "../../../../src/cli/sample/RuntimeCommand.ts"
import { HubKeys } from "../../../../src/domain/identity/HubKeys.ts"
import type { ServerConfig } from "../../../../src/domain/servers/ServerConfig.ts"
import { TestHub } from "../../../../src/testkit/index.ts"
import * as Heard from "../../../support/Heard.ts"
import * as OddServers from "../../support/OddServers.ts"

const token = "canary-token/71F0+C7e"

/** A hub whose log the test reads, in front of one server that dies when it is told to. */
const start = Effect.fnUntraced(function* (config: Partial<ServerConfig>) {
  const log = yield* Heard.make<string>()
  const sink = Layer.succeed(LogSink, { write: (chunk) => Effect.sync(() => log.add(String(chunk))) })
  const output = Layer.fresh(LogOutput.layer).pipe(Layer.provide(sink))
  const replace = Logging.layer({ level: "Warn" }).pipe(Layer.provideMerge(output))
  const program = runtimeCommand(new URL("./programs/dying.ts", import.meta.url))
  const hub = yield* TestHub.make({ servers: { odd: { type: "stdio", ...program, ...config } }, replace })
  const keys = Context.get(hub.services, HubKeys)
  for (const name of ["ada", "bo"] as const) {
    yield* keys.setTokens({ keyId: hub[name].row.id }, { GITHUB_TOKEN: Redacted.make(token) })
  }
  const [ada, bo] = yield* Effect.all([hub.connect(hub.ada), hub.connect(hub.bo)])
  const reason = Effect.map(Context.get(hub.services, UpstreamHealth).status, (all) => String(all[0]?.reason))
  /** The line of the log that says so. */
  const line = Effect.gen(function* () {
    while (!log.all.join("").includes('"state":"down"')) yield* log.next
    return log.all
      .join("")
      .split("\n")
      .find((one) => one.includes('"state":"down"'))!
  })
  return { ada, bo, hub, line, reason }
})

const trace = /exited with code 9; it wrote: Traceback[^]*<redacted>/

describe("a server that dies with a trace on its standard error", () => {
  for (const era of OddServers.eras) {
    it.live(`field A16: says so to its user, in its state and in the log, without its token, ${era} server`, () =>
      Effect.gen(function* () {
        const { ada, bo, hub, line, reason } = yield* start({ era, env: { TOKEN: "${USER_GITHUB_TOKEN}" } })
        const bos = yield* bo.callTool("odd-who")
        const died = yield* OddServers.call(hub, hub.ada, ada, "die", { words: "in ada's own words" })
        assert.strictEqual(died.error?.data.kind, "outcome_unknown")
        assert.match(died.error.message, trace)
        assert.include(died.error.message, "in ada's own words")
        const logged = yield* line
        assert.match(JSON.parse(logged).reason, trace)
        assert.deepInclude(JSON.parse(logged), { server: "odd", userId: hub.ada.user.id })
        assert.match(yield* reason, trace)
        assert.notInclude(`${logged} ${yield* reason} ${JSON.stringify(died)}`, "canary")
        // bo's process is another one and lives on.
        assert.deepStrictEqual(yield* bo.callTool("odd-who"), bos)
      })
    )
  }

  it.live("field A16: that several users share says so to its operator alone: it may be about any of them", () =>
    Effect.gen(function* () {
      const { ada, bo, hub, line, reason } = yield* start({
        isolation: "shared",
        context: "none",
        env: { TOKEN: token }
      })
      const holding = yield* Effect.forkChild(OddServers.call(hub, hub.bo, bo, "hold"), { startImmediately: true })
      yield* bo.callTool("odd-who")
      const died = yield* OddServers.call(hub, hub.ada, ada, "die", { words: "in ada's own words" })
      const held = yield* Fiber.join(holding)
      for (const { error } of [died, held]) {
        assert.match(error.message, /exited with code 9; whether/)
        assert.notInclude(JSON.stringify(error), "own words")
      }
      assert.match(JSON.parse(yield* line).reason, trace)
      assert.match(yield* reason, trace)
    })
  )
})
