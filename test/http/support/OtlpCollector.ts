/**
 * An OpenTelemetry collector for tests: it takes OTLP over HTTP as the protocol has it, JSON or protobuf, gzip or not, and
 * answers 400 to whatever is neither. Both become the same spans and metrics here.
 */
import { createServer, type IncomingMessage } from "node:http"
import type { AddressInfo } from "node:net"
import { gunzipSync } from "node:zlib"
import { Effect, Schema } from "effect"
import * as Wire from "./ProtoWire.ts"

export interface Span {
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId: string
  readonly name: string
  readonly attributes: Readonly<Record<string, string>>
}

export interface Point {
  readonly attributes: Readonly<Record<string, string>>
  readonly count: number
  readonly bounds: ReadonlyArray<number>
}

export interface Exported {
  readonly name: string
  readonly unit: string
  /** Of histograms. */
  readonly points: ReadonlyArray<Point>
}

/** Numbers of 64 bits are texts in OTLP's JSON. */
const Nanos = Schema.String.check(Schema.isPattern(/^\d+$/))
const Count = Schema.Union([Schema.String.check(Schema.isPattern(/^\d+$/)), Schema.Number])
const hexOf = (digits: number) => Schema.String.check(Schema.isPattern(new RegExp(`^[0-9a-f]{${digits}}$`)))
const Attributes = Schema.Array(
  Schema.Struct({ key: Schema.String, value: Schema.Record(Schema.String, Schema.Unknown) })
)
const Resource = Schema.Struct({ attributes: Attributes })

const Traces = Schema.Struct({
  resourceSpans: Schema.Array(
    Schema.Struct({
      resource: Resource,
      scopeSpans: Schema.Array(
        Schema.Struct({
          spans: Schema.Array(
            Schema.Struct({
              traceId: hexOf(32),
              spanId: hexOf(16),
              parentSpanId: Schema.optional(Schema.String),
              name: Schema.String,
              kind: Schema.Number,
              startTimeUnixNano: Nanos,
              endTimeUnixNano: Nanos,
              attributes: Attributes
            })
          )
        })
      )
    })
  )
})

const Metrics = Schema.Struct({
  resourceMetrics: Schema.Array(
    Schema.Struct({
      resource: Resource,
      scopeMetrics: Schema.Array(
        Schema.Struct({
          metrics: Schema.Array(
            Schema.Struct({
              name: Schema.String,
              unit: Schema.optional(Schema.String),
              histogram: Schema.optional(
                Schema.Struct({
                  aggregationTemporality: Schema.Number,
                  dataPoints: Schema.Array(
                    Schema.Struct({
                      attributes: Attributes,
                      timeUnixNano: Nanos,
                      count: Count,
                      bucketCounts: Schema.Array(Count),
                      explicitBounds: Schema.Array(Schema.Number)
                    })
                  )
                })
              )
            })
          )
        })
      )
    })
  )
})

const record = (attributes: typeof Attributes.Type) =>
  Object.fromEntries(attributes.map(({ key, value }) => [key, String(Object.values(value)[0])]))

const spansOfJson = (body: string): ReadonlyArray<Span> =>
  Schema.decodeUnknownSync(Traces)(JSON.parse(body)).resourceSpans.flatMap(({ scopeSpans }) =>
    scopeSpans.flatMap(({ spans }) =>
      spans.map(({ attributes, parentSpanId = "", ...span }) => ({
        ...span,
        parentSpanId,
        attributes: record(attributes)
      }))
    )
  )

const metricsOfJson = (body: string): ReadonlyArray<Exported> =>
  Schema.decodeUnknownSync(Metrics)(JSON.parse(body)).resourceMetrics.flatMap(({ scopeMetrics }) =>
    scopeMetrics.flatMap(({ metrics }) =>
      metrics.map(({ histogram, name, unit = "" }) => ({
        name,
        unit,
        points: (histogram?.dataPoints ?? []).map(({ attributes, count, explicitBounds }) => ({
          attributes: record(attributes),
          count: Number(count),
          bounds: explicitBounds
        }))
      }))
    )
  )

/** Fields by their numbers in opentelemetry-proto. */
const attributesOf = (message: Wire.Message, field: number) =>
  Object.fromEntries(
    Wire.messages(message, field).map((pair) => {
      const [value] = Wire.messages(pair, 2)
      const [kind] = [...(value?.keys() ?? [])]
      const raw = kind === undefined ? "" : value!.get(kind)![0]!
      return [Wire.text(pair, 1), typeof raw === "bigint" ? String(raw) : Wire.text(value!, kind!)]
    })
  )

const inScopes = (bytes: Uint8Array): ReadonlyArray<Wire.Message> =>
  Wire.messages(Wire.decode(bytes), 1).flatMap((resource) =>
    Wire.messages(resource, 2).flatMap((scope) => Wire.messages(scope, 2))
  )

const spansOfProto = (bytes: Uint8Array): ReadonlyArray<Span> =>
  inScopes(bytes).map((span) => {
    if (Wire.fixed64(span, 7) === 0n || Wire.fixed64(span, 8) === 0n) throw new Error("A span has no times")
    return {
      traceId: Wire.hex(span, 1),
      spanId: Wire.hex(span, 2),
      parentSpanId: Wire.hex(span, 4),
      name: Wire.text(span, 5),
      attributes: attributesOf(span, 9)
    }
  })

const metricsOfProto = (bytes: Uint8Array): ReadonlyArray<Exported> =>
  inScopes(bytes).map((metric) => ({
    name: Wire.text(metric, 1),
    unit: Wire.text(metric, 3),
    points: Wire.messages(metric, 9)
      .flatMap((histogram) => Wire.messages(histogram, 1))
      .map((point) => ({
        attributes: attributesOf(point, 9),
        count: Number(Wire.fixed64(point, 4)),
        bounds: Wire.doubles(point, 7)
      }))
  }))

const bodyOf = async (request: IncomingMessage): Promise<Buffer> => {
  const chunks: Array<Buffer> = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  const body = Buffer.concat(chunks)
  return request.headers["content-encoding"] === "gzip" ? gunzipSync(body) : body
}

/** A collector on a free port. `busy`: how many exports it answers with 503 before it takes one. */
export const make = (options: { readonly busy?: number } = {}) =>
  Effect.acquireRelease(
    Effect.callback<{
      readonly url: string
      readonly spans: Array<Span>
      /** As of the latest export. */
      readonly metrics: Map<string, Exported>
      /** All that came, whatever it was. */
      readonly bytes: Array<Buffer>
      readonly headers: Array<IncomingMessage["headers"]>
      readonly faults: Array<string>
      readonly close: () => void
    }>((resume) => {
      const spans: Array<Span> = []
      const metrics = new Map<string, Exported>()
      const bytes: Array<Buffer> = []
      const headers: Array<IncomingMessage["headers"]> = []
      const faults: Array<string> = []
      let busy = options.busy ?? 0
      const take = (path: string | undefined, type: string | undefined, body: Buffer): void => {
        const isProto = type === "application/x-protobuf"
        if (!isProto && type !== "application/json") throw new Error(`${type} is no content type of OTLP`)
        if (path === "/v1/traces") spans.push(...(isProto ? spansOfProto(body) : spansOfJson(body.toString())))
        else if (path === "/v1/metrics") {
          for (const one of isProto ? metricsOfProto(body) : metricsOfJson(body.toString())) metrics.set(one.name, one)
        } else throw new Error(`${path} is no address of OTLP`)
      }
      const server = createServer((request, response) => {
        void bodyOf(request).then((body) => {
          bytes.push(body)
          headers.push(request.headers)
          if (busy-- > 0) return response.writeHead(503, { "retry-after": "0" }).end()
          try {
            take(request.url, request.headers["content-type"], body)
          } catch (cause) {
            faults.push(String(cause))
            return response.writeHead(400).end()
          }
          return response
            .writeHead(200, { "content-type": request.headers["content-type"] })
            .end(request.headers["content-type"] === "application/json" ? "{}" : "")
        })
      })
      server.listen(0, "127.0.0.1", () => {
        const { port } = server.address() as AddressInfo
        const close = () => {
          server.closeAllConnections()
          server.close()
        }
        resume(Effect.succeed({ url: `http://127.0.0.1:${port}`, spans, metrics, bytes, headers, faults, close }))
      })
    }),
    ({ close }) => Effect.sync(close)
  )
