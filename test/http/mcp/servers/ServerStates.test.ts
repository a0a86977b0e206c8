/** What an operator reads of a server's state in the log: a line for a change, for the user it changed for, and no more. */
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Exit, Scope } from "effect"
import { TestClock } from "effect/testing"
import { AuditTrail } from "../../../../src/actors/observing/AuditTrail.ts"
import { HubMetrics } from "../../../../src/actors/observing/HubMetrics.ts"
import { ServerStates } from "../../../../src/actors/upstream/guards/ServerStates.ts"
import { AuditLog } from "../../../../src/domain/records/AuditLog.ts"
import { type HubUser, type ScriptedCall, ScriptedHttpUpstream, TestHub } from "../../../../src/testkit/index.ts"
import { config } from "../../../../src/testkit/ScriptedStdioUpstream.ts"
import { eventually } from "../../../support/Eventually.ts"
import * as StateLines from "../../../support/StateLines.ts"

/** A hub whose lines about servers are kept. */
const observed = Effect.fnUntraced(function* (options: Parameters<typeof TestHub.make>[0]) {
  const { lines, logger } = StateLines.make()
  const hub = yield* TestHub.make(options).pipe(Effect.provide(logger))
  const until = (states: ReadonlyArray<string>) =>
    Effect.map(
      eventually(
        Effect.sync(() => lines.map(({ state, user }) => `${user}: ${state}`)),
        (said) => said.length >= states.length
      ),
      (said) => assert.deepStrictEqual(said, states)
    )
  const users = (state: string) =>
    Effect.map(Effect.provideContext(HubMetrics, hub.services), (metrics) =>
      metrics.value("mcphub_server_users", { server: "files", state })
    )
  return { hub, lines, until, users }
})

const quietly = Effect.ignore

describe("the state of a server for a user", () => {
  it.live(
    "field D2: is one line where it comes up, goes down and comes back, and none for what is asked meanwhile",
    () =>
      Effect.gen(function* () {
        const { hub, lines, until, users } = yield* observed({ servers: { files: config() } })
        const ada = yield* hub.connect(hub.ada)
        const bo = yield* hub.connect(hub.bo)
        for (let n = 0; n < 3; n++) yield* ada.callTool("files-echo", { text: n })
        yield* bo.callTool("files-echo", { text: 1 })
        yield* quietly(ada.callTool("files-exit", { code: 3 }))
        yield* until(["ada: up", "bo: up", "ada: down"])
        assert.match(lines[2]!.reason!, /ended: .*exited with code 3/)
        assert.deepStrictEqual([yield* users("up"), yield* users("down")], [1, 1])
        yield* ada.callTool("files-echo", { text: 4 })
        yield* until(["ada: up", "bo: up", "ada: down", "ada: up"])
        assert.strictEqual(lines[3]!.was, "down")
        // A second window of hers changes nothing.
        const again = yield* hub.connect(hub.ada)
        yield* again.callTool("files-echo", { text: 5 })
        assert.strictEqual(lines.length, 4)
      })
  )

  it.live("field D2: is down once nobody is there any more, though the session with it stands", () =>
    Effect.gen(function* () {
      const life = yield* Scope.make()
      const upstream = yield* Scope.provide(ScriptedHttpUpstream.make(), life)
      const { hub, lines, until, users } = yield* observed({ servers: { files: { url: upstream.url } } })
      const [ada, bo] = yield* Effect.all([hub.connect(hub.ada), hub.connect(hub.bo)])
      for (const client of [ada, bo]) yield* client.callTool("files-echo", { text: 1 })
      yield* Scope.close(life, Exit.void)
      for (let n = 0; n < 3; n++) assert.strictEqual((yield* Effect.flip(ada.callTool("files-echo", {}))).code, 1503)
      yield* until(["ada: up", "bo: up", "ada: down"])
      assert.match(lines[2]!.reason!, /refused the connection/)
      assert.deepStrictEqual([yield* users("up"), yield* users("down")], [1, 1])
    })
  )

  it.effect("field D13: is paused once five requests in a row found nobody, and up with the first that finds it", () =>
    Effect.gen(function* () {
      const life = yield* Scope.make()
      const upstream = yield* Scope.provide(ScriptedHttpUpstream.make({ sessions: false }), life)
      const { hub, lines } = yield* observed({ servers: { files: { url: upstream.url } } })
      const states = Context.get(hub.services, ServerStates)
      const [ada, bo] = yield* Effect.all([hub.connect(hub.ada), hub.connect(hub.bo)])
      for (const client of [ada, bo]) yield* client.callTool("files-echo", { text: 1 })
      yield* Scope.close(life, Exit.void)
      const fails = Effect.flip(ada.callTool("files-echo", {}))
      const ofAda = () => states.all().find(({ username }) => username === "ada")!
      for (let n = 0; n < 4; n++) {
        // What fails together counts once.
        const errors = yield* Effect.all([fails, fails, fails], { concurrency: "unbounded" })
        assert.deepStrictEqual([...new Set(errors.map(({ code }) => code))], [1503])
        assert.strictEqual(ofAda().state, "down")
        yield* TestClock.adjust("1 second")
      }
      yield* fails
      assert.strictEqual(ofAda().state, "paused")
      assert.isAbove(ofAda().retryMs!, 0)
      assert.match(ofAda().reason!, /refused the connection/)
      const again = yield* ScriptedHttpUpstream.make({ sessions: false, port: Number(new URL(upstream.url).port) })
      const refused = yield* fails
      assert.include(refused.message, "It has failed too often to be tried again at once")
      assert.lengthOf(again.calls("tools/call"), 0)
      // Bo has asked for nothing meanwhile, and nothing is held back from him.
      assert.deepStrictEqual(yield* bo.callTool("files-echo", { text: 2 }), { text: 2 })
      yield* TestClock.adjust("2 seconds")
      assert.deepStrictEqual(yield* ada.callTool("files-echo", { text: 3 }), { text: 3 })
      assert.strictEqual(ofAda().state, "up")
      const said = lines.filter(({ user }) => user === "ada").map(({ state }) => state)
      assert.deepStrictEqual(said, ["up", "down", "paused", "trying", "up"])
    })
  )

  it.live(
    "field D2: names the reason and the next attempt where nothing can be reached, and the server of each call",
    () =>
      Effect.gen(function* () {
        const { hub, lines, until } = yield* observed({ servers: { files: { url: "http://127.0.0.1:1/mcp" } } })
        const ada = yield* hub.connect(hub.ada)
        for (let n = 0; n < 3; n++) yield* quietly(ada.callTool("files-echo", {}))
        yield* until(["ada: down"])
        assert.match(lines[0]!.reason!, /refused the connection/)
        assert.isAbove(lines[0]!.retryAfterMs!, 0)
        const metrics = yield* Effect.provideContext(HubMetrics, hub.services)
        const failed = { server: "files", kind: "upstream_unavailable" }
        assert.strictEqual(metrics.value("mcphub_server_errors_total", failed), 3)
        assert.strictEqual(metrics.value("mcphub_server_duration_seconds", { server: "files" }), 3)
        const audit = yield* Effect.provideContext(AuditLog, hub.services)
        yield* Effect.flatMap(Effect.provideContext(AuditTrail, hub.services), ({ flush }) => flush)
        const rows = yield* audit.find({ limit: 10 })
        const calls = rows.filter(({ method }) => method === "tools/call")
        assert.deepStrictEqual(
          calls.map(({ outcome, server }) => [server, outcome]),
          Array.from({ length: 3 }, () => ["files", "failed"])
        )
      })
  )

  it.live("field D2: is unauthorized where the server refuses ada's token, and up for bo", () =>
    Effect.gen(function* () {
      const server = yield* ScriptedHttpUpstream.make()
      const isAdas = (user: HubUser, headers: Readonly<Record<string, unknown>>) =>
        headers["x-mcphub-user-id"] === user.user.id
      let refusing: HubUser | undefined
      server.script("tools/call", (call) => {
        if (refusing !== undefined && isAdas(refusing, call.received.headers)) return call.status(401)
        call.content({ done: true })
      })
      const { hub, lines, until, users } = yield* observed({
        servers: { files: { url: server.url, headers: { Authorization: "Bearer ${USER_GITHUB_TOKEN}" } } }
      })
      const [ada, bo] = [yield* hub.connect(hub.ada), yield* hub.connect(hub.bo)]
      yield* ada.callTool("files-echo", {})
      yield* bo.callTool("files-echo", {})
      refusing = hub.ada
      for (let n = 0; n < 3; n++) {
        const { data } = yield* Effect.flip(ada.callTool("files-echo", {}))
        assert.strictEqual((data as { readonly kind: string }).kind, "upstream_unauthorized")
      }
      yield* bo.callTool("files-echo", {})
      yield* until(["ada: up", "bo: up", "ada: unauthorized"])
      assert.match(lines[2]!.reason!, /does not know the credentials that were sent \(HTTP 401\)/)
      assert.notInclude(JSON.stringify(lines), "canary")
      assert.deepStrictEqual([yield* users("unauthorized"), yield* users("up")], [1, 1])
      refusing = undefined
      yield* ada.callTool("files-echo", {})
      yield* until(["ada: up", "bo: up", "ada: unauthorized", "ada: up"])
    })
  )

  it.live("field D16: says of one that wants credentials whether some were sent, at the start and in a call", () =>
    Effect.gen(function* () {
      const { hub, lines } = yield* observed({})
      for (const method of ["initialize", "tools/call"]) {
        for (const headers of [{ "X-Api-Key": "canary-key" }, { "X-Team": "a" }]) {
          const isSent = "X-Api-Key" in headers
          const methods = { [method]: (call: ScriptedCall) => call.status(401) }
          const server = yield* ScriptedHttpUpstream.make({ sessions: false, methods })
          yield* hub.setSettings({ mcpServers: { files: { url: server.url, headers } } })
          const ada = yield* hub.connect(hub.ada)
          const { message } = yield* Effect.flip(ada.callTool("files-echo", {}))
          const words = isSent
            ? "does not know the credentials that were sent"
            : "asks for credentials, and none were sent"
          assert.include(message, `Server files ${words} (HTTP 401)`, `${method}, ${isSent}`)
        }
      }
      assert.notInclude(JSON.stringify(lines), "canary")
    })
  )

  it.live("field D2: is hung once a request has timed out, and up when the next is answered", () =>
    Effect.gen(function* () {
      let hangs = true
      const server = yield* ScriptedHttpUpstream.make()
      server.script("tools/call", (call) => (hangs ? undefined : call.content({ done: true })))
      const { hub, until } = yield* observed({
        servers: { files: { url: server.url, options: { timeout: 200 } } }
      })
      const ada = yield* hub.connect(hub.ada)
      for (let n = 0; n < 2; n++) yield* quietly(ada.callTool("files-echo", {}))
      yield* until(["ada: up", "ada: hung"])
      hangs = false
      yield* ada.callTool("files-echo", {})
      yield* until(["ada: up", "ada: hung", "ada: up"])
    })
  )

  it.live("field D2: is forgotten with its gauges when the settings no longer have the server", () =>
    Effect.gen(function* () {
      const { hub, until } = yield* observed({ servers: { files: config() } })
      const ada = yield* hub.connect(hub.ada)
      yield* ada.callTool("files-echo", { text: 1 })
      yield* until(["ada: up"])
      const metrics = yield* Effect.provideContext(HubMetrics, hub.services)
      assert.include(yield* metrics.prometheus, 'mcphub_server_users{server="files"')
      yield* hub.setSettings({ mcpServers: {} })
      const text = yield* eventually(metrics.prometheus, (text) => !text.includes("mcphub_server_users"))
      assert.notInclude(text, "mcphub_server_users")
    })
  )
})
