/**
 * One step of a fuzzing run: who says something strange, where in a conversation, and what. A step is a plain value, so
 * that a run can be repeated from its seed and a failing list of steps can be made shorter.
 */
import * as fc from "fast-check"
import { between, bytes, headerValue, ofServer, reply, welcome, wellFormed } from "./Messages.ts"

export type Era = "stateful" | "stateless"
export type Said = ReadonlyArray<Uint8Array>
export type Headers = ReadonlyArray<readonly [name: string, value: string]>

/** How a server says it: as a whole answer, on a stream before a good answer, or as a stream that breaks off. */
export type Way = "body" | "events" | "broken"

/** A server answers a call, or the list of its tools, and asks while it does; the client's answers are strange too. */
export interface ServerAnswers {
  readonly kind: "answer"
  readonly server: `${"http" | "stdio"}-${Era}`
  readonly client: Era
  readonly to: "tools/call" | "tools/list"
  readonly way: Way
  readonly said: Said
  readonly replies: Said
}

/** A server that nobody has spoken to yet answers the first request, over HTTP with any status and headers. */
export interface ServerIntroduces {
  readonly kind: "introduction"
  readonly transport: "http" | "stdio"
  readonly server: number
  readonly client: Era
  readonly way: Way
  readonly status: number
  readonly headers: Headers
  readonly said: Said
}

/** A server speaks on the stream that belongs to no call: of a GET, or of `subscriptions/listen`. */
export interface ServerStreams {
  readonly kind: "stream"
  readonly era: Era
  readonly said: Said
  /** The stream ends afterwards, and is opened again. */
  readonly ends: boolean
}

/** A client sends a request, to one of the doors of the hub. */
export interface ClientSends {
  readonly kind: "request"
  readonly door: "session" | "batches" | "stateless" | "events" | "none"
  readonly target: "main" | "http-stateful" | "http-stateless" | "$smart" | "nobody"
  readonly headers: Headers
  /** More than one only as a batch. */
  readonly said: Said
  /** Bytes of the body that are sent before the client leaves; undefined: all. */
  readonly half: number | undefined
}

/** A client listens from some event on, or ends its session. */
export interface ClientListens {
  readonly kind: "listen"
  readonly method: "GET" | "DELETE" | "PUT"
  readonly door: "session" | "none"
  readonly headers: Headers
}

export type Step = ServerAnswers | ServerIntroduces | ServerStreams | ClientSends | ClientListens

const server = fc.constantFrom<ServerAnswers["server"]>(
  "http-stateful",
  "http-stateless",
  "stdio-stateful",
  "stdio-stateless"
)
const era = fc.constantFrom<Era>("stateful", "stateless")
const way = fc.oneof(
  { arbitrary: fc.constant<Way>("events"), weight: 8 },
  { arbitrary: fc.constant<Way>("body"), weight: 3 },
  { arbitrary: fc.constant<Way>("broken"), weight: 1 }
)
const said = (what: fc.Arbitrary<Uint8Array>, maxLength: number) =>
  fc.array(what, { minLength: 1, maxLength, size: "max" })

/** Long where every message is heard, short where the first one may end it. */
const speech = (maxLength: number) => fc.oneof(said(between, maxLength), said(ofServer, 5))

const rarely = <A>(what: fc.Arbitrary<A>): fc.Arbitrary<A | undefined> =>
  fc.oneof({ arbitrary: fc.constant(undefined), weight: 12 }, { arbitrary: what, weight: 1 })

const answers = fc.record<ServerAnswers>({
  kind: fc.constant("answer"),
  server,
  client: era,
  to: fc.oneof(
    { arbitrary: fc.constant("tools/call"), weight: 9 },
    { arbitrary: fc.constant("tools/list"), weight: 1 }
  ),
  way,
  said: speech(30),
  replies: said(reply, 3)
} as never)

const serverHeaders = fc.array(
  fc.tuple(
    fc.constantFrom("mcp-session-id", "retry-after", "www-authenticate", "content-type", "location"),
    headerValue
  ),
  { maxLength: 2 }
)

const introduces = fc.record<ServerIntroduces>({
  kind: fc.constant("introduction"),
  transport: fc.oneof({ arbitrary: fc.constant("http"), weight: 9 }, { arbitrary: fc.constant("stdio"), weight: 1 }),
  server: fc.nat(),
  client: era,
  way,
  status: fc.oneof(
    { arbitrary: fc.constant(200), weight: 8 },
    { arbitrary: fc.constantFrom(202, 204, 301, 400, 401, 403, 404, 405, 429, 500, 503), weight: 1 }
  ),
  headers: serverHeaders,
  said: said(welcome, 3)
} as never)

const streams = fc.record<ServerStreams>({
  kind: fc.constant("stream"),
  era,
  said: speech(60),
  ends: fc.integer({ min: 0, max: 9 }).map((at) => at === 0)
} as never)

const clientHeaders = fc.array(
  fc.tuple(
    fc.constantFrom(
      "mcp-session-id",
      "mcp-protocol-version",
      "mcp-method",
      "mcp-name",
      "mcp-param-name",
      "last-event-id",
      "accept",
      "content-type",
      "content-encoding",
      "origin",
      "x-mcphub-state-id",
      "x-mcphub-user-id",
      "x-mcphub-key",
      "traceparent",
      "cookie"
    ),
    headerValue
  ),
  { maxLength: 3 }
)
/** Most requests keep the headers of a good client, or none would get beyond them. */
const sometimes = fc.oneof({ arbitrary: fc.constant<Headers>([]), weight: 3 }, { arbitrary: clientHeaders, weight: 1 })

const requests = fc.record<ClientSends>({
  kind: fc.constant("request"),
  door: fc.constantFrom("session", "stateless", "events", "none"),
  target: fc.oneof(
    { arbitrary: fc.constant("main"), weight: 6 },
    { arbitrary: fc.constantFrom("http-stateful", "http-stateless", "$smart", "nobody"), weight: 2 }
  ),
  headers: sometimes,
  said: said(bytes, 1),
  half: rarely(fc.nat({ max: 200 }))
} as never)

const batches = fc.record<ClientSends>({
  kind: fc.constant("request"),
  door: fc.constant("batches"),
  target: fc.constant("main"),
  headers: fc.constant([]),
  said: fc.oneof({ arbitrary: said(wellFormed, 30), weight: 9 }, { arbitrary: said(bytes, 4), weight: 1 }),
  half: fc.constant(undefined)
} as never)

const listens = fc.record<ClientListens>({
  kind: fc.constant("listen"),
  method: fc.oneof(
    { arbitrary: fc.constant("GET"), weight: 6 },
    { arbitrary: fc.constantFrom("DELETE", "PUT"), weight: 1 }
  ),
  door: fc.constantFrom("session", "session", "none"),
  headers: fc.oneof(
    headerValue.map((id): Headers => [["last-event-id", id]]),
    fc.nat({ max: 50 }).map((id): Headers => [["last-event-id", String(id)]]),
    clientHeaders
  )
} as never)

export const step: fc.Arbitrary<Step> = fc.oneof(
  { arbitrary: requests, weight: 24 },
  { arbitrary: batches, weight: 5 },
  { arbitrary: listens, weight: 3 },
  { arbitrary: answers, weight: 6 },
  { arbitrary: streams, weight: 3 },
  { arbitrary: introduces, weight: 1 }
)

/** The steps of one batch, the same for the same numbers. */
export const batchOf = (seed: number, lane: number, batch: number, size: number): ReadonlyArray<Step> =>
  fc.sample(step, { numRuns: size, seed: (Math.imul(seed, 0x9e3779b1) ^ Math.imul(lane + 1, 0x85ebca6b) ^ batch) | 0 })

const text = (said: Uint8Array): string => {
  const whole = Buffer.from(said).toString("latin1")
  return whole.length > 400 ? `${whole.slice(0, 200)}… (${whole.length} bytes) …${whole.slice(-100)}` : whole
}

export const shown = (one: Step): string =>
  JSON.stringify(one, (_, value: unknown) => (value instanceof Uint8Array ? text(value) : value))
