import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Effect, Layer } from "effect"
import { HubMetrics } from "../../../src/actors/observing/HubMetrics.ts"
import { Telemetry } from "../../../src/domain/Telemetry.ts"
import { layer } from "../../../src/http/probes/OtlpExport.ts"

/** An OTLP/HTTP collector that keeps what it is sent. */
const collector = Effect.acquireRelease(
  Effect.callback<{ readonly url: string; readonly received: Map<string, Array<string>>; readonly close: () => void }>(
    (resume) => {
      const received = new Map<string, Array<string>>()
      const server = createServer((request, response) => {
        let body = ""
        request.setEncoding("utf8").on("data", (chunk: string) => (body += chunk))
        request.on("end", () => {
          const key = request.url ?? ""
          received.set(key, [...(received.get(key) ?? []), `${request.headers["x-tenant"]} ${body}`])
          response.writeHead(200, { "content-type": "application/json" }).end("{}")
        })
      })
      server.listen(0, "127.0.0.1", () => {
        const { port } = server.address() as AddressInfo
        const close = () => {
          server.closeAllConnections()
          server.close()
        }
        resume(Effect.succeed({ url: `http://127.0.0.1:${port}`, received, close }))
      })
    }
  ),
  ({ close }) => Effect.sync(close)
)

const exporting = (env: Record<string, string>) =>
  layer.pipe(Layer.provideMerge(HubMetrics.layer), Layer.provide(ConfigProvider.layer(ConfigProvider.fromEnv({ env }))))

const oneCall = Effect.gen(function* () {
  const telemetry = yield* Telemetry
  const metrics = yield* HubMetrics
  yield* telemetry.wrap({ method: "tools/call", target: "echo" }, Effect.void)
  metrics.requestEnded("tools/call", "completed", undefined, 12)
  return telemetry.enabled
})

describe("OtlpExport", () => {
  it.live("sends the span and the metrics of a call to the collector, with the configured headers", () =>
    Effect.gen(function* () {
      const { received, url } = yield* collector
      const env = { OTEL_EXPORTER_OTLP_ENDPOINT: `${url}/`, OTEL_EXPORTER_OTLP_HEADERS: "x-tenant=a%20b" }
      assert.isTrue(yield* oneCall.pipe(Effect.provide(exporting(env))))
      const traces = received.get("/v1/traces")?.join() ?? ""
      assert.include(traces, '"name":"tools/call echo"')
      assert.include(traces, "a b ")
      assert.include(received.get("/v1/metrics")?.join() ?? "", "mcp.server.operation.duration")
    }).pipe(Effect.scoped)
  )

  it.live("sends nothing and makes no span without an endpoint, or when switched off", () =>
    Effect.gen(function* () {
      const { received, url } = yield* collector
      assert.isFalse(yield* oneCall.pipe(Effect.provide(exporting({}))))
      const off = { OTEL_EXPORTER_OTLP_ENDPOINT: url, OTEL_SDK_DISABLED: "true" }
      assert.isFalse(yield* oneCall.pipe(Effect.provide(exporting(off))))
      assert.strictEqual(received.size, 0)
    }).pipe(Effect.scoped)
  )

  it.effect("an endpoint that is no URL, a ratio above one, or gRPC, stops the start naming the variable", () =>
    Effect.gen(function* () {
      for (const env of [
        { OTEL_EXPORTER_OTLP_ENDPOINT: "collector" },
        { OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:1", OTEL_TRACES_SAMPLER_ARG: "7" },
        { OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:1", OTEL_EXPORTER_OTLP_PROTOCOL: "grpc" }
      ]) {
        const error = yield* Effect.flip(oneCall.pipe(Effect.provide(exporting(env as Record<string, string>))))
        assert.include(String(error), Object.keys(env).at(-1)!)
      }
    })
  )
})
