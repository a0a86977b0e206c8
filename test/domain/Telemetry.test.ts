import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Option, Tracer } from "effect"
import { parseTraceparent, Telemetry } from "../../src/domain/Telemetry.ts"

const traceId = "0af7651916cd43dd8448eb211c80319c"
const client = `00-${traceId}-b7ad6b7169203331-01`
const unsampled = `00-${traceId}-b7ad6b7169203331-00`

/** The platform's own spans, kept where the test can see them. */
const recording = () => {
  const spans: Array<Tracer.Span> = []
  const tracer = Tracer.make({
    span: (options) => {
      const span = new Tracer.NativeSpan(options)
      spans.push(span)
      return span
    }
  })
  return { spans, tracer: Layer.succeed(Tracer.Tracer, tracer) }
}

const call = { method: "tools/call", target: "github-get-user", protocolVersion: "2025-11-25", rpcId: 1 }

describe("Telemetry", () => {
  it.effect("off, no span is made and the client's trace context passes through", () =>
    Effect.gen(function* () {
      const { spans, tracer } = recording()
      const telemetry = yield* Telemetry
      const meta = { traceparent: client, progressToken: 7 }
      const sent = yield* telemetry
        .wrap({ ...call, meta }, telemetry.propagate(meta))
        .pipe(Effect.withSpan("of a library"), Effect.provide([tracer, Telemetry.layerOff]))
      assert.strictEqual(sent, meta)
      assert.strictEqual(telemetry.enabled, false)
      assert.deepStrictEqual(spans, [])
    })
  )

  it.effect("on, a request is one span below the client's, and the upstream gets that span as its parent", () =>
    Effect.gen(function* () {
      const { spans, tracer } = recording()
      const meta = { traceparent: client, progressToken: 7 }
      const sent = yield* Effect.gen(function* () {
        const telemetry = yield* Telemetry
        return yield* telemetry.wrap({ ...call, meta }, telemetry.propagate(meta))
      }).pipe(Effect.withSpan("of a library"), Effect.provide([tracer, Telemetry.layerOn({ ratio: 0 })]))
      assert.deepStrictEqual(
        spans.map((span) => span.name),
        ["tools/call github-get-user"]
      )
      const [span] = spans
      assert.strictEqual(span!.traceId, traceId)
      assert.strictEqual(Option.getOrThrow(span!.parent).spanId, "b7ad6b7169203331")
      assert.deepStrictEqual(Object.fromEntries(span!.attributes), {
        "mcp.method.name": "tools/call",
        "gen_ai.tool.name": "github-get-user",
        "mcp.protocol.version": "2025-11-25",
        "jsonrpc.request.id": "1"
      })
      assert.deepStrictEqual(sent, { traceparent: `00-${traceId}-${span!.spanId}-01`, progressToken: 7 })
      assert.strictEqual(span!.status._tag, "Ended")
    })
  )

  it.effect("a request that is not sampled has no span: by ratio, or because the client's trace is not", () =>
    Effect.gen(function* () {
      const { spans, tracer } = recording()
      const telemetry = Effect.provide([tracer, Telemetry.layerOn({ ratio: 0 })])
      const never = Effect.provide([tracer, Telemetry.layerOn({ ratio: 1 })])
      const run = (meta: { readonly traceparent?: string }) =>
        Effect.flatMap(Telemetry, (service) => service.wrap({ ...call, meta }, Effect.void))
      yield* run({}).pipe(telemetry)
      yield* run({ traceparent: unsampled }).pipe(never)
      assert.deepStrictEqual(spans, [])
      yield* run({}).pipe(never)
      assert.strictEqual(spans.length, 1)
      assert.isTrue(Option.isNone(spans[0]!.parent))
    })
  )

  it.effect("a failed request's span names the type of the error and nothing it says", () =>
    Effect.gen(function* () {
      const { spans, tracer } = recording()
      const secret = "ghp_canary"
      yield* Effect.flatMap(Telemetry, (service) =>
        service.wrap(call, Effect.fail({ _tag: "UpstreamFailed", message: secret }))
      ).pipe(Effect.exit, Effect.provide([tracer, Telemetry.layerOn({ ratio: 1 })]))
      const [span] = spans
      assert.strictEqual(span!.attributes.get("error.type"), "UpstreamFailed")
      assert.notInclude(
        JSON.stringify(span!.status, (_, value) => (typeof value === "bigint" ? `${value}` : value)),
        secret
      )
    })
  )

  it("reads W3C trace context and nothing that only resembles it", () => {
    assert.strictEqual(Option.getOrThrow(parseTraceparent(client)).sampled, true)
    assert.strictEqual(Option.getOrThrow(parseTraceparent(unsampled)).sampled, false)
    const wrong = [undefined, 1, "", client.toUpperCase(), `${client}-x`, `00-${"0".repeat(32)}-b7ad6b7169203331-01`]
    for (const value of wrong) assert.isTrue(Option.isNone(parseTraceparent(value)))
  })
})
