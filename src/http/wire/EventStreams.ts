/**
 * Every open event stream of the hub: written as server-sent events, kept alive by a comment every 15 s so that proxies
 * do not close them, counted for the gauge. And the answers that take long enough to become one.
 *
 * Source: HTML Living Standard, server-sent events; MCP `basic/transports`.
 */
import { Context, Effect, Layer, Schedule } from "effect"
import type { JsonRpcMessage } from "../../domain/protocol/JsonRpc.ts"
import { encodeBody, type JsonBody, onOneLine, sizeOf } from "../../domain/protocol/json/RawJson.ts"
import { notAcceptable } from "./Refusals.ts"
import type { WireHeaders, WirePieces, WireReply, WireRequest } from "./Wire.ts"

export interface EventStream {
  readonly send: (message: JsonRpcMessage) => boolean
  /** Sends JSON under an id; a text is known to be one line, or none. */
  readonly event: (id: string, json: JsonBody) => boolean
  /** The same under the name of an event and under no id: nobody is to come back after it. */
  readonly named: (name: string, json: JsonBody) => boolean
  readonly end: () => void
  /** Ends the connection, though not what it carries: the client is told to come back, and when. */
  readonly pause: () => void
}

const keepAliveEvery = "15 seconds"
const slowAfter = "1 second"
/** Milliseconds; as long as `Retry-After` of a stopping hub. */
const retryMs = 5_000

/** Whether the client of a GET takes an event stream; one that does not is answered here. */
export const acceptsEvents = (request: WireRequest, reply: WireReply): boolean => {
  const accept = request.headers["accept"] ?? "*/*"
  if (accept.includes("text/event-stream") || accept.includes("*/*")) return true
  notAcceptable(reply)
  return false
}

export class EventStreams extends Context.Service<
  EventStreams,
  {
    /**
     * Headers and a comment leave at once. `onClosed` runs once, when either side has ended the stream. Nothing of the
     * stream throws: what does is for the reply's guard.
     */
    readonly open: (reply: WireReply, headers: WireHeaders | undefined, onClosed: () => void) => EventStream
    readonly count: () => number
    /**
     * Calls back, once, in one to two seconds, unless it is taken back before; `run` must not throw. Costs no timer and
     * no look at a clock.
     */
    readonly whenSlow: (run: () => void) => void
    readonly takeBack: (run: () => void) => void
  }
>()("mcphub/http/wire/EventStreams") {
  static readonly layer = Layer.effect(
    EventStreams,
    Effect.gen(function* () {
      const open = new Set<(text: string | WirePieces) => boolean>()

      yield* Effect.sync(() => {
        for (const write of open) write(": keep-alive\n\n")
      }).pipe(Effect.repeat(Schedule.spaced(keepAliveEvery)), Effect.forkScoped)

      let waiting = new Set<() => void>()
      let waitingLong = new Set<() => void>()
      yield* Effect.suspend(() => {
        const due = waitingLong
        waitingLong = waiting
        waiting = due.size === 0 ? due : new Set()
        // One a turn: many that have begun together must not hold up what is quick.
        return Effect.forEach(due, (run) => Effect.andThen(Effect.sync(run), Effect.yieldNow), { discard: true })
      }).pipe(Effect.repeat(Schedule.spaced(slowAfter)), Effect.forkScoped)

      return EventStreams.of({
        count: () => open.size,
        whenSlow: (run) => void waiting.add(run),
        takeBack: (run) => {
          if (!waiting.delete(run)) waitingLong.delete(run)
        },
        open: (reply, headers, onClosed) => {
          const { guard } = reply
          const stream = reply.stream(headers)
          let closed = false
          const finish = (): void => {
            if (closed) return
            closed = true
            open.delete(write)
            onClosed()
          }
          /** A throw ends this stream alone, and its message was not taken: the keep-alive goes through all streams. */
          const attempt = (text: () => string | WirePieces): boolean =>
            guard.attempt(() => {
              if (closed) return false
              if (stream.write(text())) return true
              finish()
              return false
            }, false)
          const write = (text: string | WirePieces): boolean => attempt(() => text)
          open.add(write)
          reply.onAbort(finish)
          write(": open\n\n")
          const end = (): void => {
            if (closed) return
            guard.run(stream.end)
            guard.run(finish)
          }
          return {
            send: (message) => attempt(() => eventOf("event: message\n", encodeBody(message))),
            named: (name, json) => attempt(() => eventOf(`event: ${name}\n`, json)),
            event: (id, json) => attempt(() => eventOf(`id: ${id}\nevent: message\n`, json)),
            end,
            pause: () => {
              write(`retry: ${retryMs}\n\n`)
              end()
            }
          }
        }
      })
    })
  )
}

const encoder = new TextEncoder()

const lineEnd = encoder.encode("\n\n")

const inPieces = (head: Uint8Array, pieces: ReadonlyArray<Uint8Array>): WirePieces => ({
  byteLength: head.byteLength + sizeOf(pieces) + lineEnd.byteLength,
  *[Symbol.iterator]() {
    yield head
    for (const piece of pieces) yield onOneLine(piece)
    yield lineEnd
  }
})

const eventOf = (head: string, json: JsonBody): string | WirePieces =>
  typeof json === "string" ? `${head}data: ${json}\n\n` : inPieces(encoder.encode(`${head}data: `), json)
