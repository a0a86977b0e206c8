/**
 * One span per request, when tracing is on and the request is sampled; otherwise nothing at all, and the client's own
 * `traceparent` passes through to the upstream unchanged, as it should at a hop without tracing.
 *
 * Names and attributes follow OpenTelemetry's MCP conventions: span `{method} {target}`, `mcp.method.name`,
 * `gen_ai.tool.name`, `mcp.protocol.version`, `jsonrpc.request.id`, `error.type`. Trace context travels in
 * `params._meta` as W3C Trace Context (`traceparent`), since one MCP connection carries many requests. No argument,
 * result, key or session becomes an attribute.
 */
import { Cause, Clock, Context, Effect, Exit, Layer, Option, Random, References, Tracer } from "effect"
import type { JsonObject, JsonRpcId } from "./protocol/JsonRpc.ts"
import { excerpt } from "./Redaction.ts"

export interface TracedRequest {
  readonly method: string
  /** The tool or prompt as exposed; never a resource URI. */
  readonly target?: string | undefined
  readonly protocolVersion?: string | undefined
  readonly rpcId?: JsonRpcId | undefined
  /** The client's `params._meta`, read for `traceparent`. */
  readonly meta?: JsonObject | undefined
}

export interface TelemetryShape {
  readonly enabled: boolean
  readonly wrap: <A, E, R>(request: TracedRequest, effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  /** `params._meta` for the upstream: the client's, with the trace context of the current span in place of its own. */
  readonly propagate: (meta: JsonObject | undefined) => Effect.Effect<JsonObject | undefined>
}

const shape = /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/

/** Reads a W3C `traceparent` (version 00); none for any other text and for the all-zero ids the standard forbids. */
export const parseTraceparent = (value: unknown): Option.Option<Tracer.ExternalSpan> => {
  const parts = typeof value === "string" ? shape.exec(value) : null
  if (parts === null) return Option.none()
  const [, traceId, spanId, flags] = parts as unknown as [string, string, string, string]
  if (/^0+$/.test(traceId) || /^0+$/.test(spanId)) return Option.none()
  return Option.some(Tracer.externalSpan({ traceId, spanId, sampled: (Number.parseInt(flags, 16) & 1) === 1 }))
}

export const traceparent = (span: Tracer.AnySpan): string =>
  `00-${span.traceId.padStart(32, "0")}-${span.spanId}-${span.sampled ? "01" : "00"}`

const maxText = 256

function* attributes(request: TracedRequest): Generator<readonly [string, string]> {
  yield ["mcp.method.name", excerpt(request.method, maxText)]
  const { protocolVersion, rpcId, target } = request
  if (target !== undefined) {
    yield [request.method === "prompts/get" ? "gen_ai.prompt.name" : "gen_ai.tool.name", excerpt(target, maxText)]
  }
  if (protocolVersion !== undefined) yield ["mcp.protocol.version", protocolVersion]
  if (rpcId !== undefined) yield ["jsonrpc.request.id", excerpt(String(rpcId), maxText)]
}

const errorType = (cause: Cause.Cause<unknown>): string => {
  if (Cause.hasInterruptsOnly(cause)) return "cancelled"
  const error = Cause.squash(cause)
  return typeof error === "object" && error !== null && "_tag" in error ? String(error._tag) : "internal"
}

/** The failure as the exporter sees it: messages can quote an upstream, so only the type leaves. */
const nameless = (type: string): Exit.Exit<never, Error> =>
  Exit.fail(Object.assign(new Error(type), { name: type, stack: type }))

const off: TelemetryShape = {
  enabled: false,
  wrap: (_request, effect) => effect,
  propagate: (meta) => Effect.succeed(meta)
}

const on = (ratio: number): TelemetryShape => ({
  enabled: true,
  wrap: (request, effect) =>
    Effect.withFiber((fiber) => {
      const parent = parseTraceparent(request.meta?.["traceparent"])
      const sampled = Option.match(parent, {
        onNone: () => fiber.getRef(Random.Random).nextDoubleUnsafe() < ratio,
        onSome: (span) => span.sampled
      })
      if (!sampled) return effect
      const clock = fiber.getRef(Clock.Clock)
      const name = request.target === undefined ? request.method : `${request.method} ${request.target}`
      const span = fiber.getRef(Tracer.Tracer).span({
        name: excerpt(name, maxText),
        kind: "server",
        parent,
        root: Option.isNone(parent),
        sampled,
        annotations: Context.empty(),
        links: [],
        startTime: clock.currentTimeNanosUnsafe()
      })
      for (const [key, value] of attributes(request)) span.attribute(key, value)
      return effect.pipe(
        Effect.withParentSpan(span),
        Effect.onExit((exit) =>
          Effect.sync(() => {
            const type = Exit.isFailure(exit) ? errorType(exit.cause) : undefined
            if (type !== undefined) span.attribute("error.type", type)
            span.end(clock.currentTimeNanosUnsafe(), type === undefined ? Exit.void : nameless(type))
          })
        )
      ) as typeof effect
    }),
  propagate: (meta) =>
    Effect.match(Effect.currentSpan, {
      onFailure: () => meta,
      onSuccess: (span) => ({ ...meta, traceparent: traceparent(span) })
    })
})

export class Telemetry extends Context.Reference<TelemetryShape>("mcphub/domain/Telemetry", {
  defaultValue: () => off
}) {
  /**
   * Tracing on. A request with a parent keeps the parent's decision; of the others, the share `ratio` is sampled. Only
   * the spans made here exist: those of libraries would carry URLs and error messages, so their tracing stays off.
   */
  static readonly layerOn = (options: { readonly ratio: number }): Layer.Layer<never> =>
    Layer.merge(Layer.succeed(Telemetry, on(options.ratio)), Telemetry.layerOff)

  static readonly layerOff: Layer.Layer<never> = Layer.succeed(References.TracerEnabled, false)
}
