/**
 * Traces and metrics to an OpenTelemetry collector, over OTLP/HTTP, when `OTEL_EXPORTER_OTLP_ENDPOINT` is set;
 * otherwise nothing is sent and no span is made.
 *
 * Also read: `OTEL_EXPORTER_OTLP_PROTOCOL` (`http/json`, the default, or `http/protobuf`; there is no gRPC here),
 * `OTEL_EXPORTER_OTLP_HEADERS` (`name=value,…`), `OTEL_SDK_DISABLED`, `OTEL_TRACES_EXPORTER=none`,
 * `OTEL_METRICS_EXPORTER=none`, `OTEL_SERVICE_NAME` (default `mcphub`), `OTEL_RESOURCE_ATTRIBUTES`, and
 * `OTEL_TRACES_SAMPLER_ARG`, the ratio of traces begun here that are sampled (default 1). Logs are not sent: an operator
 * who wants them in the collector reads the log output.
 */
import { Config, Effect, Layer, Schema } from "effect"
import type { HubMetrics } from "../../actors/observing/HubMetrics.ts"
import { HubConfig } from "../../domain/config/HubConfig.ts"
import { Telemetry } from "../../domain/Telemetry.ts"

const settings = Config.all({
  endpoint: Config.URL("OTEL_EXPORTER_OTLP_ENDPOINT").pipe(Config.withDefault(undefined)),
  disabled: Config.Boolean("OTEL_SDK_DISABLED").pipe(Config.withDefault(false)),
  traces: Config.String("OTEL_TRACES_EXPORTER").pipe(Config.withDefault("otlp")),
  metrics: Config.String("OTEL_METRICS_EXPORTER").pipe(Config.withDefault("otlp")),
  serviceName: Config.String("OTEL_SERVICE_NAME").pipe(Config.withDefault("mcphub")),
  ratio: Config.schema(
    Schema.NumberFromString.check(Schema.isBetween({ minimum: 0, maximum: 1 })),
    "OTEL_TRACES_SAMPLER_ARG"
  ).pipe(Config.withDefault(1)),
  protocol: Config.Literals(["http/json", "http/protobuf"], "OTEL_EXPORTER_OTLP_PROTOCOL").pipe(
    Config.withDefault("http/json" as const)
  ),
  headers: Config.Record(Schema.String, Schema.StringFromUriComponent, "OTEL_EXPORTER_OTLP_HEADERS").pipe(
    Config.withDefault(undefined)
  )
})

/** Needs the hub's metrics so that it exports their registry, and provides `Telemetry`. */
export const layer: Layer.Layer<never, Config.ConfigError, HubMetrics> = Effect.gen(function* () {
  const { disabled, endpoint, headers, metrics, protocol, ratio, serviceName, traces } = yield* settings
  const { version } = yield* HubConfig
  if (endpoint === undefined || disabled) return Telemetry.layerOff
  const { OtlpMetrics, OtlpSerialization, OtlpTracer } = yield* Effect.promise(() => import("effect/observability"))
  const { FetchHttpClient } = yield* Effect.promise(() => import("effect/http"))
  const url = (signal: string) => `${endpoint.href.replace(/\/$/, "")}/v1/${signal}`
  const resource = { serviceName, serviceVersion: version }
  const tracing = Layer.merge(OtlpTracer.layer({ url: url("traces"), resource, headers }), Telemetry.layerOn({ ratio }))
  return Layer.mergeAll(
    traces === "none" ? Telemetry.layerOff : tracing,
    metrics === "none" ? Layer.empty : OtlpMetrics.layer({ url: url("metrics"), resource, headers })
  ).pipe(
    Layer.provide([
      protocol === "http/json" ? OtlpSerialization.layerJson : OtlpSerialization.layerProtobuf,
      FetchHttpClient.layer
    ])
  )
}).pipe(Layer.unwrap)
