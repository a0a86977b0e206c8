/**
 * The era that the hub chooses for an HTTP server, and how long it believes its finding: real servers, the test's
 * clock.
 */
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import type { ServerConfig } from "../../../../src/domain/servers/ServerConfig.ts"
import type { CallContext, ConnectOptions } from "../../../../src/actors/upstream/connection/UpstreamConnection.ts"
import * as UpstreamEra from "../../../../src/actors/upstream/era/UpstreamEra.ts"
import { UpstreamHttp } from "../../../../src/actors/upstream/http/UpstreamHttp.ts"
import { type ScriptedCall, ScriptedHttpUpstream } from "../../../../src/testkit/index.ts"
import * as StatelessUpstream from "../../../support/StatelessUpstream.ts"
import { contextOf, layer } from "../support/HttpCalls.ts"

/** One chooser for all connections of a test, as the hub has one. */
const chooser = Effect.gen(function* () {
  const http = yield* UpstreamHttp
  const eras = yield* UpstreamEra.make
  return (
    config: ServerConfig,
    protocolVersion: string,
    context: CallContext = contextOf("ada"),
    more: Partial<ConnectOptions> = {}
  ) =>
    Effect.scoped(
      eras.connect(
        {
          name: "files",
          config,
          protocolVersion,
          clientCapabilities: { elicitation: {}, tasks: {} },
          clientInfo: { name: "test", version: "1" },
          context,
          onMessage: () => {},
          ...more
        },
        http.open
      )
    )
})

const old = "2025-11-25"
const recent = "2026-07-28"

describe("the era of an HTTP server", () => {
  it.effect("2026-07-28 alone: a 2025 client gets there, and initialize is not asked again for ten minutes", () =>
    Effect.gen(function* () {
      const upstream = yield* StatelessUpstream.make()
      const connect = yield* chooser
      const config = { url: upstream.url }
      const count = () => [upstream.calls("initialize").length, upstream.calls("server/discover").length]
      assert.strictEqual((yield* connect(config, old)).era, "stateless")
      assert.deepStrictEqual(count(), [1, 1])
      yield* connect(config, old, contextOf("bo"))
      assert.deepStrictEqual(count(), [1, 2])
      yield* TestClock.adjust("9 minutes")
      yield* connect(config, old)
      assert.deepStrictEqual(count(), [1, 3])
      yield* TestClock.adjust("61 seconds")
      yield* connect(config, old)
      assert.deepStrictEqual(count(), [2, 4])
    }).pipe(Effect.scoped, Effect.provide(layer()))
  )

  it.effect("sessions alone: a 2026 client gets there, and the question is not put again for ten minutes", () =>
    Effect.gen(function* () {
      const upstream = yield* ScriptedHttpUpstream.make()
      const connect = yield* chooser
      const config = { url: upstream.url }
      const count = () => [upstream.calls("initialize").length, upstream.calls("server/discover").length]
      const connection = yield* connect(config, recent)
      assert.strictEqual(connection.era, "stateful")
      assert.strictEqual(connection.info.protocolVersion, "2025-11-25")
      assert.deepStrictEqual(upstream.calls("initialize")[0]!.body!.params!["capabilities"], { elicitation: {} })
      yield* connect(config, recent)
      assert.deepStrictEqual(count(), [2, 1])
      yield* TestClock.adjust("11 minutes")
      yield* connect(config, recent)
      assert.deepStrictEqual(count(), [3, 2])
      // An edited entry is a server nothing is known of.
      yield* connect({ ...config }, recent)
      assert.deepStrictEqual(count(), [4, 3])
    }).pipe(Effect.scoped, Effect.provide(layer()))
  )

  it.effect("a server that has changed is found out about at once, whatever was believed", () =>
    Effect.gen(function* () {
      const refuse = (call: ScriptedCall) =>
        call.body(
          400,
          "application/json",
          JSON.stringify({ jsonrpc: "2.0", id: null, error: StatelessUpstream.unsupported(old) })
        )
      const upstream = yield* StatelessUpstream.make()
      const connect = yield* chooser
      const config = { url: upstream.url }
      assert.strictEqual((yield* connect(config, old)).era, "stateless")
      upstream.script("server/discover", (call) => call.error(-32601, "Method not found"))
      upstream.script("initialize", (call) =>
        call.result({ protocolVersion: old, capabilities: {}, serverInfo: { name: "old", version: "1" } })
      )
      assert.strictEqual((yield* connect(config, old)).era, "stateful")
      upstream.script("initialize", refuse)
      upstream.script("server/discover", (call) =>
        call.result({ resultType: "complete", supportedVersions: [recent], capabilities: {} })
      )
      assert.strictEqual((yield* connect(config, old)).era, "stateless")
      assert.strictEqual((yield* connect(config, recent)).era, "stateless")
    }).pipe(Effect.scoped, Effect.provide(layer()))
  )

  it.effect("a server that leaves discovery unanswered is asked to initialize while there is time to", () =>
    Effect.gen(function* () {
      const upstream = yield* ScriptedHttpUpstream.make({ methods: { "server/discover": () => undefined } })
      const connect = yield* chooser
      const connecting = yield* Effect.forkChild(connect({ url: upstream.url }, recent))
      yield* upstream.await(({ body }) => body?.method === "server/discover")
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* Fiber.join(connecting)).era, "stateful")
    }).pipe(Effect.scoped, Effect.provide(layer({ initTimeout: 2_000 })))
  )

  it.effect("refused credentials, overload and outages say nothing about the era", () =>
    Effect.gen(function* () {
      for (const status of [401, 403, 429, 500, 503]) {
        const upstream = yield* ScriptedHttpUpstream.make({
          methods: {
            initialize: (call) => call.status(status),
            "server/discover": (call) => call.status(status)
          }
        })
        const connect = yield* chooser
        for (const [version, asked] of [
          [old, "initialize"],
          [recent, "server/discover"]
        ] as const) {
          const before = upstream.received.length
          const error = yield* Effect.flip(connect({ url: upstream.url }, version))
          assert.strictEqual(error._tag, "UpstreamUnavailable")
          assert.strictEqual(upstream.received.length, before + 1, `${status} ${version}`)
          assert.strictEqual(upstream.received.at(-1)!.body!.method, asked)
        }
      }
    }).pipe(Effect.scoped, Effect.provide(layer()))
  )

  it.effect(
    "a refusal is believed only where the other era opens: one user's bad token decides nothing for another",
    () =>
      Effect.gen(function* () {
        const upstream = yield* ScriptedHttpUpstream.make({
          methods: {
            // Both eras, but whoever comes with ada's token gets an error of the gateway before it.
            "server/discover": (call) =>
              call.received.headers["x-mcphub-user-id"] === "ada-id"
                ? call.status(400)
                : call.result({ resultType: "complete", supportedVersions: [recent], capabilities: {} }),
            initialize: (call) =>
              call.received.headers["x-mcphub-user-id"] === "ada-id"
                ? call.status(401)
                : call.result({ protocolVersion: old, capabilities: {}, serverInfo: { name: "both", version: "1" } })
          }
        })
        const connect = yield* chooser
        const config = { url: upstream.url }
        yield* Effect.flip(connect(config, recent))
        assert.strictEqual((yield* connect(config, recent, contextOf("bo"))).era, "stateless")
      }).pipe(Effect.scoped, Effect.provide(layer()))
  )

  it.effect("a revision newer than the hub's that offers the hub's is taken at its word", () =>
    Effect.gen(function* () {
      let first = true
      const upstream = yield* StatelessUpstream.make()
      const discover = (call: ScriptedCall) =>
        call.result({ resultType: "complete", supportedVersions: ["2027-01-01", recent], capabilities: {} })
      upstream.script("server/discover", (call) => {
        if (!first) return discover(call)
        first = false
        call.body(
          400,
          "application/json",
          JSON.stringify({ jsonrpc: "2.0", id: call.id, error: StatelessUpstream.unsupported("2027-01-01") })
        )
      })
      const connect = yield* chooser
      assert.strictEqual((yield* connect({ url: upstream.url }, recent)).era, "stateless")
      assert.strictEqual(upstream.calls("initialize").length, 0)
    }).pipe(Effect.scoped, Effect.provide(layer()))
  )

  it.effect("speaking neither is one clear error, and the settings' era leaves no other", () =>
    Effect.gen(function* () {
      const upstream = yield* StatelessUpstream.make({
        methods: {
          "server/discover": (call) =>
            call.body(
              400,
              "application/json",
              JSON.stringify({
                jsonrpc: "2.0",
                id: call.id,
                error: { code: -32022, message: "Unsupported", data: { supported: ["2031-01-01", "no revision\n"] } }
              })
            )
        }
      })
      const connect = yield* chooser
      const neither = yield* Effect.flip(connect({ url: upstream.url }, recent))
      assert.strictEqual(neither._tag, "UpstreamUnavailable")
      assert.include(neither.message, "it offers 2031-01-01)")
      const before = upstream.calls("server/discover").length
      const named = yield* Effect.flip(connect({ url: upstream.url, era: "stateful" }, recent))
      assert.match(named.message, /only the stateful era, remove "era"/)
      assert.strictEqual(upstream.calls("server/discover").length, before)
    }).pipe(Effect.scoped, Effect.provide(layer()))
  )

  it.effect("what an address of one user's own leads to says nothing about another user's", () =>
    Effect.gen(function* () {
      const modern = yield* StatelessUpstream.make()
      const sessions = yield* ScriptedHttpUpstream.make()
      const connect = yield* chooser
      const config = { url: "http://127.0.0.1:${USER_PORT}/mcp" }
      const at = (name: string, { origin }: { readonly origin: string }) =>
        contextOf(name, { PORT: new URL(origin).port })
      assert.strictEqual((yield* connect(config, recent, at("ada", sessions))).era, "stateful")
      assert.strictEqual((yield* connect(config, recent, at("bo", modern))).era, "stateless")
      assert.strictEqual((yield* connect(config, recent, at("ada", sessions))).era, "stateful")
      assert.strictEqual(sessions.calls("server/discover").length, 1)
    }).pipe(Effect.scoped, Effect.provide(layer()))
  )

  it.effect("a connection whose server goes over to 2026-07-28 ends, so that the next one finds out", () =>
    Effect.gen(function* () {
      const upstream = yield* ScriptedHttpUpstream.make()
      const http = yield* UpstreamHttp
      const eras = yield* UpstreamEra.make
      const ada = contextOf("ada")
      const options: ConnectOptions = {
        name: "files",
        config: { url: upstream.url },
        protocolVersion: old,
        clientCapabilities: {},
        clientInfo: { name: "test", version: "1" },
        context: ada,
        onMessage: () => {}
      }
      const connection = yield* eras.connect(options, http.open)
      const ended = yield* Effect.forkChild(connection.closed, { startImmediately: true })
      upstream.script("tools/list", (call) =>
        call.body(
          400,
          "application/json",
          JSON.stringify({ jsonrpc: "2.0", id: null, error: StatelessUpstream.unsupported(old) })
        )
      )
      const list = connection.request({ method: "tools/list", params: undefined, context: ada, onMessage: () => {} })
      const error = yield* Effect.flip(list)
      assert.strictEqual(error._tag, "UpstreamUnavailable")
      assert.include(error.message, "call again")
      const reason = yield* Deferred.make<string>()
      ended.addObserver((exit) => void Deferred.doneUnsafe(reason, exit))
      assert.include(yield* Deferred.await(reason), "no longer speaks")
    }).pipe(Effect.scoped, Effect.provide(layer()))
  )
})
