/**
 * Servers that are gone before they have answered, through the whole hub. A request that may have been executed has an
 * unknown outcome, on the wire, in the log's statistics and in the audit trail; one that was not sent, or may be sent
 * twice, has not.
 */
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect } from "effect"
import { AuditTrail } from "../../../../src/actors/observing/AuditTrail.ts"
import { HubMetrics } from "../../../../src/actors/observing/HubMetrics.ts"
import { RequestTracker } from "../../../../src/actors/requests/RequestTracker.ts"
import { AuditLog } from "../../../../src/domain/records/AuditLog.ts"
import {
  faults,
  type McpClient,
  type RunningHub,
  type Script,
  ScriptedHttpUpstream,
  ScriptedStdioUpstream,
  TestHub
} from "../../../../src/testkit/index.ts"
import * as StatelessUpstream from "../../../support/StatelessUpstream.ts"
import { ask } from "../../support/StatelessClient.ts"

type Running = RunningHub & { readonly services: Context.Context<RequestTracker | HubMetrics | AuditLog> }

/** What ada is told of a call that was sent and never answered. */
const isLost = (error: Pick<McpClient.McpFailure, "code" | "message" | "data">, server: string, phase: string) => {
  assert.strictEqual(error.code, 1409)
  assert.deepInclude(error.data as object, {
    kind: "outcome_unknown",
    retryable: false,
    origin: "upstream",
    server,
    phase
  })
  assert.match(error.message, /look at the server, and repeat it only if it may be done twice$/)
  assert.notInclude(error.message, "canary-argument")
}

/** The same word wherever it is counted or written down, for ada alone. */
const isRecorded = Effect.fnUntraced(function* (hub: Running, count: number) {
  const tracker = Context.get(hub.services, RequestTracker)
  assert.strictEqual((yield* tracker.userStats(hub.ada.user.id)).errorsByKind["outcome_unknown"], count)
  assert.deepStrictEqual((yield* tracker.userStats(hub.bo.user.id)).errorsByKind, {})
  const metrics = Context.get(hub.services, HubMetrics)
  for (const side of ["server", "client"]) {
    const text = yield* metrics.prometheus
    const series = text
      .split("\n")
      .filter((line) => line.startsWith(`mcp_${side}_operation_duration_seconds_count`))
      .filter((line) => line.includes('error_type="outcome_unknown"'))
    assert.strictEqual(series.length, 1, text)
    assert.match(series[0]!, new RegExp(`method_name="tools/call".* ${count}$`))
  }
  yield* Context.get(hub.services, AuditTrail).flush
  const rows = yield* Context.get(hub.services, AuditLog).find({ limit: 1_000 })
  const lost = rows.filter(({ errorKind }) => errorKind === "outcome_unknown")
  assert.strictEqual(lost.length, count)
  for (const row of lost) {
    assert.deepInclude(row, { username: "ada", outcome: "failed", errorCode: 1409, origin: "upstream" })
  }
})

const deaths: ReadonlyArray<readonly [how: string, phase: string, Script]> = [
  ["before its headers", "headers", faults.dieBeforeHeaders],
  ["in the middle of a body", "body", faults.dieInBody],
  ["in the middle of an event stream", "stream", faults.dieInStream]
]
const tools = Object.fromEntries(deaths.map(([, phase, script]) => [phase, script]))

const capabilities = { tools: {}, prompts: {} }
const withPrompts: Readonly<Record<string, Script>> = {
  initialize: (call) =>
    call.result({
      protocolVersion: call.params["protocolVersion"],
      capabilities,
      serverInfo: { name: "dying", version: "1.0.0" }
    }),
  "prompts/list": (call) => call.result({ prompts: [{ name: "greet" }] }),
  "prompts/get": faults.dieBeforeHeaders
}

describe("a call that was sent and never answered", () => {
  it.live("B03: over HTTP is of unknown outcome, sent once and said so everywhere; bo's calls go on", () =>
    Effect.gen(function* () {
      const upstream = yield* ScriptedHttpUpstream.make({ sessions: false, tools, methods: withPrompts })
      const hub = yield* TestHub.make({ servers: { files: { url: upstream.url } } })
      const [ada, bo] = yield* Effect.all([hub.connect(hub.ada), hub.connect(hub.bo)])
      for (const [how, phase] of deaths) {
        const before = upstream.calls("tools/call").length
        const [error, echo] = yield* Effect.all(
          [
            Effect.flip(ada.callTool(`files-${phase}`, { secret: "canary-argument" })),
            bo.callTool("files-echo", { of: "bo" })
          ],
          { concurrency: "unbounded" }
        )
        isLost(error, "files", phase)
        assert.deepStrictEqual(echo, { of: "bo" })
        assert.strictEqual(upstream.calls("tools/call").length, before + 2, how)
        assert.deepStrictEqual(yield* ada.callTool("files-echo", { after: how }), { after: how })
      }
      yield* isRecorded(hub, deaths.length)
    })
  )

  it.live(
    "B03: is of unknown outcome too where its server would not go on with the stream, having forgotten its session",
    () =>
      Effect.gen(function* () {
        const upstream = yield* ScriptedHttpUpstream.make({
          tools: {
            cut: (call) => {
              call.event({ jsonrpc: "2.0", method: "notifications/message", params: { level: "info", data: 1 } }, "e-1")
              upstream.forgetSessions()
              call.end()
            }
          }
        })
        const hub = yield* TestHub.make({ servers: { files: { url: upstream.url } } })
        const [ada, bo] = yield* Effect.all([hub.connect(hub.ada), hub.connect(hub.bo)])
        yield* bo.callTool("files-echo")
        const error = yield* Effect.flip(ada.callTool("files-cut"))
        isLost(error, "files", "stream")
        assert.include(error.message, "HTTP 404")
        const cuts = upstream.calls("tools/call").filter(({ body }) => body!.params!["name"] === "cut")
        assert.strictEqual(cuts.length, 1)
        for (const client of [ada, bo]) assert.deepStrictEqual(yield* client.callTool("files-echo", { n: 1 }), { n: 1 })
      })
  )

  it.live("B03: between a client and a server of 2026-07-28 is of unknown outcome, and sent once", () =>
    Effect.gen(function* () {
      const echo: Script = (call) => call.content(call.arguments)
      const upstream = yield* StatelessUpstream.make({ tools: { ...tools, echo } })
      const hub = yield* TestHub.make({ servers: { notes: { url: upstream.url } } })
      for (const [, phase] of deaths) {
        const before = upstream.calls("tools/call").length
        const { error, status } = yield* ask(hub.http, hub.ada, "tools/call", { name: `notes-${phase}` })
        assert.strictEqual(status, 200)
        isLost(error, "notes", phase)
        const arguments_ = { of: "bo" }
        const bos = yield* ask(hub.http, hub.bo, "tools/call", { name: "notes-echo", arguments: arguments_ })
        assert.deepStrictEqual(bos.result.structuredContent, arguments_)
        assert.strictEqual(upstream.calls("tools/call").length, before + 2)
      }
      yield* isRecorded(hub, deaths.length)
    })
  )

  it.live(
    "B03: to a child process that ends in the middle of it is of unknown outcome, and the next call has a new process",
    () =>
      Effect.gen(function* () {
        const hub = yield* TestHub.make({ servers: { proc: ScriptedStdioUpstream.config() } })
        const [ada, bo] = yield* Effect.all([hub.connect(hub.ada), hub.connect(hub.bo)])
        yield* bo.callTool("proc-set-context", { project: "bo's" })
        const error = yield* Effect.flip(ada.callTool("proc-exit", { code: 3 }))
        isLost(error, "proc", "headers")
        assert.include(error.message, "exited with code 3")
        assert.property(yield* ada.callTool("proc-pid"), "value")
        assert.deepInclude((yield* bo.callTool("proc-get-data"))["value"] as object, { project: "bo's" })
        yield* isRecorded(hub, 1)
      })
  )
})

describe("a request that may safely be sent again", () => {
  it.live("B03: says so when it was sent and only reads", () =>
    Effect.gen(function* () {
      const upstream = yield* ScriptedHttpUpstream.make({ sessions: false, methods: withPrompts })
      const hub = yield* TestHub.make({ servers: { files: { url: upstream.url } } })
      const [ada, bo] = yield* Effect.all([hub.connect(hub.ada), hub.connect(hub.bo)])
      const error = yield* Effect.flip(ada.request("prompts/get", { name: "files-greet" }))
      assert.strictEqual(error.code, 1502)
      assert.deepInclude(error.data as object, { kind: "upstream_closed", retryable: true, phase: "headers" })
      assert.strictEqual(upstream.calls("prompts/get").length, 1)
      assert.deepStrictEqual(yield* bo.callTool("files-echo", { bo: 1 }), { bo: 1 })
    })
  )

  it.live("B03: says so when nothing was sent, because nobody listens there any more", () =>
    Effect.gen(function* () {
      const alive = yield* ScriptedHttpUpstream.make()
      // A port that nobody is given: one that was free a moment ago may be another test's by now.
      const hub = yield* TestHub.make({
        servers: { gone: { url: "http://127.0.0.1:1/mcp" }, files: { url: alive.url } }
      })
      const ada = yield* hub.connect(hub.ada, { path: "/mcp/gone" })
      const bo = yield* hub.connect(hub.bo)
      const error = yield* Effect.flip(ada.callTool("echo"))
      assert.strictEqual(error.code, 1503)
      assert.deepInclude(error.data as object, { kind: "upstream_unavailable", retryable: true, server: "gone" })
      assert.deepStrictEqual(yield* bo.callTool("files-echo", { bo: 1 }), { bo: 1 })
    })
  )
})
