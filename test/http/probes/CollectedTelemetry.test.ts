/** What an OpenTelemetry collector learns of a whole hub that two users use, by the real protocol. */
import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Effect, Redacted } from "effect"
import { ScriptedHttpUpstream, TestHub } from "../../../src/testkit/index.ts"
import * as OtlpCollector from "../support/OtlpCollector.ts"

const trace = "0af7651916cd43dd8448eb211c80319c"
const parent = "b7ad6b7169203331"

/** Ada's call is part of a trace of hers; bo's is not, and fails. Returns what nobody else may learn. */
const used = Effect.fnUntraced(function* () {
  const upstream = yield* ScriptedHttpUpstream.make({
    tools: { broken: (call) => call.error(-32_000, "error-canary of the server") }
  })
  const hub = yield* TestHub.make({
    servers: { files: { url: upstream.url, headers: { "x-own": "${USER_GITHUB_TOKEN}" } } }
  })
  const [ada, bo] = yield* Effect.all([hub.connect(hub.ada), hub.connect(hub.bo)])
  yield* ada.request("tools/call", {
    name: "files-echo",
    arguments: { secret: "argument-canary" },
    _meta: { traceparent: `00-${trace}-${parent}-01` }
  })
  yield* Effect.exit(bo.callTool("files-broken", { secret: "argument-canary" }))
  const sent = upstream.received.find(({ body }) => body?.method === "tools/call")
  yield* ada.end
  const secrets = [hub.ada, hub.bo].flatMap(({ githubToken, key, row, user }) => [
    Redacted.value(githubToken),
    Redacted.value(key),
    row.id,
    user.id
  ])
  return {
    toServer: (sent?.body?.params as { readonly _meta?: { readonly traceparent?: string } } | undefined)?._meta
      ?.traceparent,
    secrets: [...secrets, ada.sessionId, bo.sessionId, "argument-canary", "error-canary"]
  }
})

const exporting = (env: Record<string, string>) => ConfigProvider.layer(ConfigProvider.fromEnv({ env }))

describe("a collector of OpenTelemetry", () => {
  for (const protocol of ["http/json", "http/protobuf"]) {
    it.live(`learns by ${protocol} of both users' requests, and no secret of either`, () =>
      Effect.gen(function* () {
        const collector = yield* OtlpCollector.make()
        const env = { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url, OTEL_EXPORTER_OTLP_PROTOCOL: protocol }
        // What is left is sent when the hub stops.
        const { secrets, toServer } = yield* used().pipe(Effect.scoped, Effect.provide(exporting(env)))
        assert.deepStrictEqual(collector.faults, [])
        const calls = collector.spans.filter(({ name }) => name.startsWith("tools/call"))
        const [adas, bos] = ["echo", "broken"].map((tool) =>
          calls.find(({ name }) => name === `tools/call files-${tool}`)!
        )
        assert.strictEqual(calls.length, 2)
        assert.deepStrictEqual([adas!.traceId, adas!.parentSpanId], [trace, parent])
        assert.strictEqual(adas!.attributes["mcp.method.name"], "tools/call")
        assert.strictEqual(adas!.attributes["gen_ai.tool.name"], "files-echo")
        assert.strictEqual(adas!.attributes["mcp.protocol.version"], "2025-11-25")
        assert.isUndefined(adas!.attributes["error.type"])
        assert.strictEqual(toServer, `00-${trace}-${adas!.spanId}-01`)
        assert.notStrictEqual(bos!.traceId, trace)
        assert.strictEqual(bos!.attributes["error.type"], "UpstreamErrorResponse")

        const points = (name: string) => collector.metrics.get(name)?.points ?? []
        const counts = (name: string, method: string) =>
          points(name)
            .filter(({ attributes }) => attributes["mcp.method.name"] === method)
            .map(({ attributes, count }) => [attributes["error.type"], count])
        for (const name of ["mcp.server.operation.duration", "mcp.client.operation.duration"]) {
          assert.sameDeepMembers(counts(name, "tools/call"), [
            [undefined, 1],
            ["upstream_error", 1]
          ])
          assert.strictEqual(collector.metrics.get(name)!.unit, "s")
          assert.deepStrictEqual(
            points(name)[0]!.bounds,
            [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 300]
          )
        }
        for (const name of ["mcp.server.session.duration", "mcp.client.session.duration"]) {
          assert.deepStrictEqual(
            points(name).map(({ attributes }) => [attributes["mcp.protocol.version"], attributes["network.transport"]]),
            [["2025-11-25", "tcp"]],
            name
          )
          assert.strictEqual(collector.metrics.get(name)!.unit, "s")
        }
        const all = Buffer.concat(collector.bytes).toString("latin1")
        for (const secret of secrets) assert.notInclude(all, secret)
        for (const headers of collector.headers) assert.notInclude(JSON.stringify(headers), "mcphub_")
      }).pipe(Effect.scoped)
    )
  }

  it.live("that is busy gets everything a moment later", () =>
    Effect.gen(function* () {
      const collector = yield* OtlpCollector.make({ busy: 2 })
      yield* used().pipe(Effect.scoped, Effect.provide(exporting({ OTEL_EXPORTER_OTLP_ENDPOINT: collector.url })))
      assert.deepStrictEqual(collector.faults, [])
      assert.strictEqual(collector.spans.filter(({ name }) => name.startsWith("tools/call")).length, 2)
      assert.isTrue(collector.metrics.has("mcp.server.operation.duration"))
    }).pipe(Effect.scoped)
  )
})
