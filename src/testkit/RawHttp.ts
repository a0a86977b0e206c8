/**
 * Plain HTTP: any method, header and body to the hub under test, and the answer with its status, headers and text, or
 * message by message while it is still arriving. For requests that a well-behaved client never sends.
 */
import { Effect, Queue, type Cause, type Scope } from "effect"
import { Pool } from "undici"
import * as SseDecoder from "../actors/upstream/http/SseDecoder.ts"
import type { JsonRpcMessage } from "../domain/protocol/JsonRpc.ts"

export interface RawRequest {
  /** Default POST. */
  readonly method?: string | undefined
  /** Path and query, from the root of the origin. */
  readonly path: string
  readonly headers?: Readonly<Record<string, string>> | undefined
  /** An iterable is sent chunked, without a length. */
  readonly body?: string | Uint8Array | AsyncIterable<Uint8Array> | undefined
}

export interface RawAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly text: string
}

export interface StreamEvent {
  /** The event's name; `message` by default. */
  readonly event: string
  /** The id of the latest event that had one. */
  readonly id: string | undefined
  readonly data: string
}

/** An answer that may still be arriving. */
export interface OpenAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  /** The next message, of a JSON body or an event stream; fails with `Done` after the last. */
  readonly next: Effect.Effect<JsonRpcMessage, Cause.Done>
  /** The next event of an event stream, unchanged, events without data included; fails with `Done` after the last. */
  readonly event: Effect.Effect<StreamEvent, Cause.Done>
  readonly rest: Effect.Effect<ReadonlyArray<JsonRpcMessage>>
  /** Succeeds once the hub has ended the answer. */
  readonly ended: Effect.Effect<void>
  /** Disconnects in the middle, like a client that lost its network. */
  readonly abandon: Effect.Effect<void>
}

export interface RawHttp {
  /** Sends a request and reads the answer to its end. Dies when the connection breaks before an answer. */
  readonly send: (request: RawRequest) => Effect.Effect<RawAnswer>
  /** Sends a request and reads up to the headers; the messages follow. */
  readonly open: (request: RawRequest) => Effect.Effect<OpenAnswer>
}

const maxEvent = 256 * 1024 * 1024

/** Connections to one origin (`http://127.0.0.1:3000`), closed with the scope. */
export const make = (origin: string): Effect.Effect<RawHttp, never, Scope.Scope> =>
  Effect.gen(function* () {
    const pool = yield* Effect.acquireRelease(
      Effect.sync(() => new Pool(origin, { headersTimeout: 0, bodyTimeout: 0, keepAliveTimeout: 60_000 })),
      (sockets) => Effect.promise(() => sockets.destroy())
    )

    const begin = ({ body, headers = {}, method = "POST", path }: RawRequest) =>
      Effect.promise(async () => {
        const answer = await pool.request({
          method: method as "POST",
          path,
          headers: { ...headers },
          body: (body ?? null) as string | Uint8Array | null
        })
        // A body that ends early is the test's business, not an unhandled error.
        answer.body.on("error", () => {})
        return answer
      })

    const flat = (headers: Record<string, string | Array<string> | undefined>): Record<string, string> =>
      Object.fromEntries(
        Object.entries(headers).flatMap(([name, value]) =>
          value === undefined ? [] : [[name, Array.isArray(value) ? value.join(", ") : value]]
        )
      )

    return {
      send: (request) =>
        Effect.flatMap(begin(request), ({ body, headers, statusCode }) =>
          Effect.promise(async () => ({ status: statusCode, headers: flat(headers), text: await body.text() }))
        ),
      open: Effect.fnUntraced(function* (request) {
        const { body, headers, statusCode } = yield* begin(request)
        const messages = yield* Queue.unbounded<JsonRpcMessage, Cause.Done>()
        const events = yield* Queue.unbounded<StreamEvent, Cause.Done>()
        const take = (json: string) => {
          const value = JSON.parse(json) as JsonRpcMessage | ReadonlyArray<JsonRpcMessage>
          Queue.offerAllUnsafe(messages, Array.isArray(value) ? value : [value as JsonRpcMessage])
        }
        const closed = new Promise<void>((resolve) => body.once("close", () => resolve()))
        if (String(headers["content-type"]).startsWith("text/event-stream")) {
          const decoder = SseDecoder.make(maxEvent, ({ data, event }) => {
            Queue.offerUnsafe(events, { event, id: decoder.lastEventId(), data })
            if (event === "message" && data !== "") take(data)
          })
          body.on("data", (chunk: Buffer) => void decoder.push(chunk))
        } else {
          const chunks: Array<Buffer> = []
          body.on("data", (chunk: Buffer) => void chunks.push(chunk))
          body.on("end", () => {
            if (chunks.length > 0) take(Buffer.concat(chunks).toString())
          })
        }
        body.once("close", () => {
          Queue.endUnsafe(messages)
          Queue.endUnsafe(events)
        })
        return {
          status: statusCode,
          headers: flat(headers),
          next: Queue.take(messages),
          event: Queue.take(events),
          rest: Queue.collect(messages),
          ended: Effect.promise(() => closed),
          abandon: Effect.sync(() => void body.destroy())
        }
      })
    } satisfies RawHttp
  })
