import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Fiber, Layer } from "effect"
import { createRequire } from "node:module"
import { relative } from "node:path"
import process from "node:process"
import { pathToFileURL } from "node:url"
import { TestClock } from "effect/testing"
import { FairShare } from "../../../../src/actors/limits/FairShare.ts"
import { StdioChildren } from "../../../../src/actors/upstream/stdio/StdioChildren.ts"
import type { UpstreamMessage } from "../../../../src/actors/upstream/connection/UpstreamConnection.ts"
import type { UpstreamError } from "../../../../src/domain/requests/UpstreamErrors.ts"
import type { JsonObject } from "../../../../src/domain/protocol/JsonRpc.ts"
import { runtimeCommand } from "../../../../src/cli/sample/RuntimeCommand.ts"
import { config, type StdioScript } from "../../../../src/testkit/ScriptedStdioUpstream.ts"
import type { ServerConfig } from "../../../../src/domain/servers/ServerConfig.ts"
import { isAlive } from "../../../support/ProcessTable.ts"
import { callTool, connect, contextOf, layer, tellingChildren } from "../support/StdioCalls.ts"

/** The failure of a start that must fail, after which nothing may be left, although the scope is still open. */
const failed = (entry: ServerConfig, context = contextOf("ada")) =>
  Effect.gen(function* () {
    const failure = yield* Effect.flip(connect(entry, context))
    assert.strictEqual((yield* StdioChildren).live(), 0)
    assert.strictEqual(failure._tag, "UpstreamUnavailable")
    return failure as Extract<typeof failure, { readonly _tag: "UpstreamUnavailable" }>
  })

const failedScript = (script: StdioScript) => failed(config(script))

describe("a user who starts processes without pause", () => {
  it.effect("A58: waits with the next one beside another user, who is answered meanwhile", () =>
    Effect.gen(function* () {
      const share = yield* FairShare
      const [ada, bo] = [contextOf("ada"), contextOf("bo")]
      const isActive = Effect.sync(() => void share.admit(bo.principal.userId, true, () => {}))
      const theirs = yield* connect(config(), bo)
      yield* TestClock.adjust("2 seconds")
      yield* isActive
      yield* connect(config(), ada)
      const second = yield* Effect.forkChild(connect(config(), ada), { startImmediately: true })
      assert.isString((yield* callTool(theirs, bo, "cwd"))["cwd"])
      // It holds no place yet, which is the first thing that a start takes.
      assert.strictEqual((yield* StdioChildren).live(), 2)
      yield* TestClock.adjust("2 seconds")
      yield* Fiber.join(second)
      assert.strictEqual((yield* StdioChildren).live(), 3)
    }).pipe(Effect.scoped, Effect.provide(layer({ config: { fairShare: 20 } })))
  )
})

describe("a stdio server that does not start", () => {
  it.live("names the missing program and what to do", () =>
    Effect.gen(function* () {
      const failure = yield* failed({ command: "no-such-program-anywhere" })
      assert.strictEqual(failure.reason, "spawn")
      assert.include(failure.message, "ENOENT")
      assert.include(failure.message, "install it")
    }).pipe(Effect.scoped, Effect.provide(layer()))
  )

  it.live("is quoted with its exit code and last words, its token blacked out", () =>
    Effect.gen(function* () {
      const entry = config(
        {
          exitAtStart: 7,
          lastWords: "login with canary/ada+0001 failed (canary%2Fada%2B0001); secret=its-own-canary-7"
        },
        { env: { API_TOKEN: "${USER_SCRIPTED_TOKEN}" } }
      )
      const failure = yield* failed(entry, contextOf("ada", { SCRIPTED_TOKEN: "canary/ada+0001" }))
      assert.strictEqual(failure.reason, "exited")
      assert.include(failure.message, "exited with code 7")
      assert.include(failure.message, "login with <redacted> failed (<redacted>); secret=<redacted>")
      assert.notInclude(JSON.stringify(failure), "canary")
    }).pipe(Effect.scoped, Effect.provide(layer()))
  )

  it.live("is given up when it does not answer initialize in time, and ended", () =>
    Effect.gen(function* () {
      const failure = yield* failedScript({ silent: true })
      assert.strictEqual(failure.reason, "timeout")
      assert.include(failure.message, "INIT_TIMEOUT")
      assert.include(failure.message, "within 300 ms")
    }).pipe(Effect.scoped, Effect.provide(layer({ config: { initTimeout: 75 } })))
  )

  it.live("leaves no process when whoever waits for it gives up", () =>
    Effect.gen(function* () {
      const telling = yield* tellingChildren
      const services = yield* Layer.build(layer({ children: telling.layer }))
      const children = Context.get(services, StdioChildren)
      const silent = connect(config({ silent: true }), contextOf("ada"))
      const attempt = yield* Effect.forkChild(Effect.provideContext(silent, services))
      const pid = yield* telling.started
      assert.deepStrictEqual(children.pids(), [pid])
      yield* Fiber.interrupt(attempt)
      assert.isFalse(isAlive(pid))
      assert.strictEqual(children.live(), 0)
    }).pipe(Effect.scoped)
  )

  it.live("is reported when it refuses, or speaks no known revision", () =>
    Effect.gen(function* () {
      const refused = yield* failedScript({ refuse: "licence expired" })
      assert.strictEqual(refused.reason, "initialize")
      assert.include(refused.message, "licence expired")
      const unknown = yield* failedScript({ protocolVersion: "1999-01-01" })
      assert.strictEqual(unknown.reason, "initialize")
    }).pipe(Effect.scoped, Effect.provide(layer()))
  )
})

describe("a stdio server that starts", () => {
  it.live("may still speak 2024-11-05", () =>
    Effect.gen(function* () {
      const ada = contextOf("ada")
      const connection = yield* connect(config({ protocolVersion: "2024-11-05" }), ada)
      assert.strictEqual(connection.info.protocolVersion, "2024-11-05")
      assert.strictEqual(yield* callTool(connection, ada, "echo", { text: "old" }), "old")
    }).pipe(Effect.scoped, Effect.provide(layer()))
  )

  it.live("may be a published one: tools with progress, prompts and resources of server-everything", () =>
    Effect.gen(function* () {
      const ada = contextOf("ada")
      const program = createRequire(import.meta.url).resolve("@modelcontextprotocol/server-everything/dist/index.js")
      const runtime = runtimeCommand(pathToFileURL(program))
      const connection = yield* connect({ ...runtime, args: [...runtime.args, "stdio"] }, ada)
      const ask = (method: string, params: JsonObject, onMessage: (message: UpstreamMessage) => void = () => {}) =>
        connection.request({ method, params, context: ada, onMessage }) as Effect.Effect<any, UpstreamError>
      const echoed = yield* ask("tools/call", { name: "echo", arguments: { message: "hello" } })
      assert.include(echoed.content[0].text, "hello")
      const progress: Array<unknown> = []
      const name = "trigger-long-running-operation"
      const params = { name, arguments: { duration: 0.2, steps: 2 }, _meta: { progressToken: "mine" } }
      yield* ask("tools/call", params, (message) => void progress.push(message.params?.["progressToken"]))
      assert.deepStrictEqual(progress, ["mine", "mine"])
      assert.isNotEmpty((yield* ask("prompts/list", {})).prompts)
      assert.isNotEmpty((yield* ask("resources/list", {})).resources)
    }).pipe(Effect.scoped, Effect.provide(layer()))
  )

  it.live("B26: may flood stderr at start and during calls without standing still", () =>
    Effect.gen(function* () {
      const ada = contextOf("ada")
      const connection = yield* connect(config({ floodStderr: 4_000_000 }), ada)
      assert.strictEqual(yield* callTool(connection, ada, "flood", { bytes: 8_000_000 }), "flooded")
    }).pipe(Effect.scoped, Effect.provide(layer()))
  )

  it.live("may be configured by a path that is relative to the hub's directory", () =>
    Effect.gen(function* () {
      const ada = contextOf("ada")
      const entry = config()
      const args = [...entry.args!.slice(0, -1), `./${relative(process.cwd(), entry.args!.at(-1)!)}`]
      const connection = yield* connect({ ...entry, args }, ada)
      assert.strictEqual(yield* callTool(connection, ada, "echo", { text: "found" }), "found")
    }).pipe(Effect.scoped, Effect.provide(layer()))
  )
})
