import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { HubMetrics, mostServers } from "../../../src/actors/observing/HubMetrics.ts"

const lines = Effect.map(
  Effect.flatMap(HubMetrics, (metrics) => metrics.prometheus),
  (text) => text.split("\n")
)

describe("HubMetrics", () => {
  it.effect("shows ended requests by method and outcome, with their durations in seconds", () =>
    Effect.gen(function* () {
      const metrics = yield* HubMetrics
      metrics.requestEnded("tools/call", "completed", undefined, 30)
      metrics.requestEnded("tools/call", "completed", undefined, 70)
      metrics.requestEnded("tools/call", "timedOut", "timeout", 30_000)
      metrics.upstreamCallEnded("tools/call", undefined, 20)
      metrics.sessionEnded(5_000, "2025-11-25")
      metrics.upstreamSessionEnded(70_000, "2025-06-18", "pipe")
      metrics.upstreamSessionEnded(70_000, "2099-01-01", "tcp")
      const text = yield* lines
      assert.includeMembers(text, [
        "# TYPE mcphub_requests_total counter",
        'mcphub_requests_total{method="tools/call",outcome="completed"} 2',
        'mcphub_requests_total{method="tools/call",outcome="timedOut"} 1',
        "# TYPE mcp_server_operation_duration_seconds histogram",
        'mcp_server_operation_duration_seconds_bucket{mcp_method_name="tools/call",le="0.05"} 1',
        'mcp_server_operation_duration_seconds_bucket{mcp_method_name="tools/call",le="0.1"} 2',
        'mcp_server_operation_duration_seconds_sum{mcp_method_name="tools/call"} 0.1',
        'mcp_server_operation_duration_seconds_count{mcp_method_name="tools/call",error_type="timeout"} 1',
        'mcp_client_operation_duration_seconds_count{mcp_method_name="tools/call"} 1',
        'mcp_server_session_duration_seconds_count{mcp_protocol_version="2025-11-25",network_transport="tcp"} 1',
        'mcp_client_session_duration_seconds_bucket{mcp_protocol_version="2025-06-18",network_transport="pipe",le="60"} 0',
        'mcp_client_session_duration_seconds_bucket{mcp_protocol_version="2025-06-18",network_transport="pipe",le="300"} 1',
        'mcp_client_session_duration_seconds_count{mcp_protocol_version="other",network_transport="tcp"} 1'
      ])
      assert.deepStrictEqual(metrics.sessionsEnded(), { count: 1, totalMs: 5_000 })
    }).pipe(Effect.provide(HubMetrics.layer))
  )

  it.effect("methods that only one revision has are told apart all the same", () =>
    Effect.gen(function* () {
      const metrics = yield* HubMetrics
      for (const method of ["initialize", "server/discover", "tasks/result", "tasks/update"]) {
        metrics.requestEnded(method, "completed", undefined, 1)
        assert.include(yield* lines, `mcphub_requests_total{method="${method}",outcome="completed"} 1`)
      }
    }).pipe(Effect.provide(HubMetrics.layer))
  )

  it.effect("a client cannot make series: methods outside MCP all count as other", () =>
    Effect.gen(function* () {
      const metrics = yield* HubMetrics
      for (let i = 0; i < 1000; i++) metrics.requestEnded(`x/${i}\n"}`, "failed", "method_not_supported", 1)
      const text = yield* lines
      assert.include(text, 'mcphub_requests_total{method="other",outcome="failed"} 1000')
      assert.strictEqual(text.filter((line) => line.startsWith("mcphub_requests_total{")).length, 1)
    }).pipe(Effect.provide(HubMetrics.layer))
  )

  it.effect("servers that come and go with the settings make no series without end", () =>
    Effect.gen(function* () {
      const metrics = yield* HubMetrics
      for (let i = 0; i < 1_000; i++) {
        metrics.requestEnded("tools/call", "completed", undefined, 30, `server-${i}`)
        metrics.lateResponse(`server-${i}`)
        yield* Effect.scoped(metrics.gauge("mcphub_server_users", "Users", () => 1, { server: `server-${i}` }))
      }
      yield* metrics.gauge("mcphub_server_users", "Users", () => 1, { server: "server-0" })
      yield* metrics.gauge("mcphub_server_users", "Users", () => 1, { server: "server-999" })
      const text = yield* lines
      assert.includeMembers(text, [
        'mcphub_server_duration_seconds_count{server="server-499"} 1',
        'mcphub_server_duration_seconds_count{server="(other)"} 500',
        'mcphub_late_responses_total{server="(other)"} 500'
      ])
      for (const name of ["mcphub_server_duration_seconds_count{", "mcphub_late_responses_total{"]) {
        assert.strictEqual(text.filter((line) => line.startsWith(name)).length, mostServers + 1)
      }
      assert.deepStrictEqual(
        text.filter((line) => line.startsWith("mcphub_server_users{")),
        ['mcphub_server_users{server="server-0"} 1']
      )
    }).pipe(Effect.provide(HubMetrics.layer))
  )

  it.effect("a gauge is read when scraped, and gone with its scope", () =>
    Effect.gen(function* () {
      let sockets = 3
      yield* Effect.gen(function* () {
        const metrics = yield* HubMetrics
        yield* metrics.gauge("mcphub_sockets", "Open sockets", () => sockets, { transport: "http" })
        assert.include(yield* lines, 'mcphub_sockets{transport="http"} 3')
        sockets = 4
        assert.include(yield* lines, 'mcphub_sockets{transport="http"} 4')
        assert.strictEqual(metrics.value("mcphub_sockets"), 4)
        yield* metrics.total("mcphub_connects_total", "Connections opened", () => sockets * 10)
        assert.includeMembers(yield* lines, ["# TYPE mcphub_connects_total counter", "mcphub_connects_total 40"])
      }).pipe(Effect.scoped)
      assert.notInclude((yield* lines).join(), "mcphub_sockets")
    }).pipe(Effect.provide(HubMetrics.layer))
  )

  it.effect("counts live fibers of what it is provided to", () =>
    Effect.gen(function* () {
      const metrics = yield* HubMetrics
      const before = metrics.value("mcphub_fibers")
      const fibers = yield* Effect.forEach(Array.from({ length: 25 }), () => Effect.forkChild(Effect.never))
      assert.strictEqual(metrics.value("mcphub_fibers"), before + 25)
      yield* Fiber.interruptAll(fibers)
      assert.strictEqual(metrics.value("mcphub_fibers"), before)
    }).pipe(Effect.provide(HubMetrics.layer))
  )

  it.effect("two hubs in one process do not see each other's numbers", () =>
    Effect.gen(function* () {
      const count = Effect.map(HubMetrics, (metrics) => {
        metrics.counter("mcphub_reconnects_total", "Reconnections", { server: "github" }).increment()
        return metrics.value("mcphub_reconnects_total", { server: "github" })
      })
      assert.strictEqual(yield* count.pipe(Effect.provide(HubMetrics.layer)), 1)
      assert.strictEqual(yield* count.pipe(Effect.provide(HubMetrics.layer, { local: true })), 1)
    })
  )
})
