/**
 * The era that the hub chooses for a child process, with real programs: the SDK's own server, and one that knows no
 * discovery.
 */
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { runtimeCommand } from "../../../../src/cli/sample/RuntimeCommand.ts"
import type { ServerConfig } from "../../../../src/domain/servers/ServerConfig.ts"
import { StdioChildren } from "../../../../src/actors/upstream/stdio/StdioChildren.ts"
import type {
  CallContext,
  ConnectOptions,
  UpstreamMessage
} from "../../../../src/actors/upstream/connection/UpstreamConnection.ts"
import * as UpstreamEra from "../../../../src/actors/upstream/era/UpstreamEra.ts"
import { UpstreamStdio } from "../../../../src/actors/upstream/stdio/UpstreamStdio.ts"
import { ScriptedStdioUpstream } from "../../../../src/testkit/index.ts"
import { eventually } from "../../../support/Eventually.ts"
import { callTool, contextOf, layer } from "../support/StdioCalls.ts"

const program = runtimeCommand(new URL("./programs/stdio-eras.ts", import.meta.url))
const both: ServerConfig = { type: "stdio", ...program }
const only2026: ServerConfig = { ...both, env: { LEGACY: "reject" } }

/** One chooser for all connections of a test, as the hub has one. */
const chooser = Effect.gen(function* () {
  const stdio = yield* UpstreamStdio
  const eras = yield* UpstreamEra.make
  return (config: ServerConfig, protocolVersion: string, context: CallContext, more: Partial<ConnectOptions> = {}) =>
    eras.connect(
      {
        name: "eras",
        config,
        protocolVersion,
        clientCapabilities: { elicitation: {} },
        clientInfo: { name: context.principal.username, version: "1" },
        context,
        onMessage: () => {},
        ...more
      },
      stdio.open
    )
})

const resultOf = (result: unknown): any => JSON.parse((result as any).content[0].text)

describe("the era of a child process", () => {
  for (const [name, config, version, era, started] of [
    ["of both eras is spoken to in the client's: 2025", both, "2025-11-25", "stateful", 1],
    ["of both eras is spoken to in the client's: 2026", both, "2026-07-28", "stateless", 1],
    ["of 2026-07-28 alone serves a 2025 client, too", only2026, "2025-11-25", "stateless", 2],
    [
      "that refuses discovery serves a 2026 client by initialize",
      ScriptedStdioUpstream.config(),
      "2026-07-28",
      "stateful",
      2
    ]
  ] as const) {
    it.live(`a server ${name}`, () =>
      Effect.gen(function* () {
        const children = yield* StdioChildren
        const connect = yield* chooser
        const connection = yield* connect(config, version, contextOf("ada"))
        assert.strictEqual(connection.era, era)
        assert.strictEqual(connection.info.protocolVersion, era === "stateless" ? "2026-07-28" : "2025-11-25")
        assert.isTrue(connection.stateful)
        assert.deepStrictEqual([children.started(), children.live()], [started, 1])
        // The verdict is remembered: the next connection needs one process.
        yield* connect(config, version, contextOf("bo"))
        assert.deepStrictEqual([children.started(), children.live()], [started + 1, 2])
      }).pipe(Effect.scoped, Effect.provide(layer()))
    )
  }

  it.live("a server that is killed by the question is not the one that serves calls", () =>
    Effect.gen(function* () {
      const children = yield* StdioChildren
      const connect = yield* chooser
      const ada = yield* connect(ScriptedStdioUpstream.config({ discover: "exit" }), "2026-07-28", contextOf("ada"))
      assert.strictEqual(ada.era, "stateful")
      const { pid } = (yield* callTool(ada, contextOf("ada"), "pid")) as { readonly pid: number }
      assert.deepStrictEqual(children.pids(), [pid])
    }).pipe(Effect.scoped, Effect.provide(layer()))
  )

  it.effect("a server that leaves the question unanswered is asked to initialize, in a process of its own", () =>
    Effect.gen(function* () {
      const children = yield* StdioChildren
      const connect = yield* chooser
      const connecting = yield* Effect.forkChild(
        connect(ScriptedStdioUpstream.config({ discover: "silent" }), "2026-07-28", contextOf("ada"))
      )
      yield* eventually(Effect.sync(children.started), (started) => started === 1)
      yield* TestClock.adjust("5 seconds")
      const connection = yield* Fiber.join(connecting)
      assert.strictEqual(connection.era, "stateful")
      assert.deepStrictEqual([children.started(), children.live()], [2, 1])
    }).pipe(Effect.scoped, Effect.provide(layer()))
  )

  it.live("a program that does not start is reported as it is, in either era", () =>
    Effect.gen(function* () {
      const connect = yield* chooser
      const broken = ScriptedStdioUpstream.config({ exitAtStart: 7, lastWords: "no license" })
      for (const version of ["2025-11-25", "2026-07-28"]) {
        const error = yield* Effect.flip(connect(broken, version, contextOf("ada")))
        assert.strictEqual(error._tag, "UpstreamUnavailable")
        assert.include(error.message, "no license")
      }
    }).pipe(Effect.scoped, Effect.provide(layer()))
  )

  it.live("settings that name an era leave no other, and the refusal says so", () =>
    Effect.gen(function* () {
      const connect = yield* chooser
      const stateless = yield* connect({ ...both, era: "stateless" }, "2025-11-25", contextOf("ada"))
      assert.strictEqual(stateless.era, "stateless")
      const error = yield* Effect.flip(connect({ ...only2026, era: "stateful" }, "2026-07-28", contextOf("ada")))
      assert.strictEqual(error._tag, "UpstreamUnavailable")
      assert.match(error.message, /only the stateful era, remove "era"/)
    }).pipe(Effect.scoped, Effect.provide(layer()))
  )
})

describe("a child process of revision 2026-07-28", () => {
  it.live("hears who asks in every request, and its questions are results", () =>
    Effect.gen(function* () {
      const connect = yield* chooser
      const ada = yield* connect(only2026, "2026-07-28", contextOf("ada"))
      const call = (params: Record<string, unknown>) =>
        ada.request({ method: "tools/call", params, context: contextOf("ada"), onMessage: () => {} })
      const asked = (yield* call({ name: "ask", arguments: {} })) as any
      assert.strictEqual(asked.resultType, "input_required")
      const inputResponses = { who: { action: "accept", content: { name: "ada" } } }
      assert.strictEqual(resultOf(yield* call({ name: "ask", arguments: {}, inputResponses })), "ada")
    }).pipe(Effect.scoped, Effect.provide(layer()))
  )

  it.live("reports progress under the caller's token and is told of a cancellation", () =>
    Effect.gen(function* () {
      const connect = yield* chooser
      const ada = yield* connect(only2026, "2026-07-28", contextOf("ada"))
      const progressed = yield* Deferred.make<UpstreamMessage>()
      const hang = ada.request({
        method: "tools/call",
        params: { name: "hang", arguments: {}, _meta: { progressToken: "mine" } },
        context: contextOf("ada"),
        onMessage: (message) => void Deferred.doneUnsafe(progressed, Effect.succeed(message))
      })
      const { params } = (yield* Effect.raceFirst(Effect.asVoid(hang), Deferred.await(progressed))) as UpstreamMessage
      assert.strictEqual(params!["progressToken"], "mine")
      const seen = yield* ada.request({
        method: "tools/call",
        params: { name: "cancelled", arguments: {} },
        context: contextOf("ada"),
        onMessage: () => {}
      })
      assert.strictEqual(resultOf(seen), 1)
    }).pipe(Effect.scoped, Effect.provide(layer()))
  )

  it.live("tells of the resources that were asked for, and of nobody else's", () =>
    Effect.gen(function* () {
      const connect = yield* chooser
      const heard: Record<"ada" | "bo", Array<unknown>> = { ada: [], bo: [] }
      const told = yield* Deferred.make<void>()
      const open = (name: "ada" | "bo") =>
        connect(only2026, "2026-07-28", contextOf(name), {
          onMessage: ({ method, params }) => {
            heard[name].push([method, params])
            if (name === "ada") Deferred.doneUnsafe(told, Effect.void)
          }
        })
      const ada = yield* open("ada")
      const bo = yield* open("bo")
      yield* ada.listen!(["note://a"], contextOf("ada"))
      yield* bo.listen!(["note://b"], contextOf("bo"))
      for (const connection of [bo, ada]) {
        for (const uri of ["note://c", "note://a"]) {
          yield* connection.request({
            method: "tools/call",
            params: { name: "change", arguments: { uri } },
            context: contextOf("ada"),
            onMessage: () => {}
          })
        }
      }
      yield* Deferred.await(told)
      assert.deepStrictEqual(heard, { ada: [["notifications/resources/updated", { uri: "note://a" }]], bo: [] })
    }).pipe(Effect.scoped, Effect.provide(layer()))
  )
})
