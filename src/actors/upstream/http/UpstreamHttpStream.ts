/**
 * The upstream's own event stream (GET): messages that belong to no call.
 *
 * Opened after `initialize` and kept open for as long as the connection lives. A server that has none says so by 405 and
 * is not asked again. A stream that ends, however politely, is opened again no sooner than after a second, and ever later
 * while nothing comes through, from the last event id the server gave.
 *
 * Source: MCP `basic/transports` (listening for messages from the server).
 */
import { lacksCredentials } from "../../../domain/requests/UpstreamErrors.ts"
import { Effect } from "effect"
import { retryAfterMs } from "./RetryAfter.ts"
import { pause } from "../era/StreamPause.ts"
import type { CallContext } from "../connection/UpstreamConnection.ts"
import type { UpstreamHttpCalls } from "./UpstreamHttpCalls.ts"
import type { UpstreamHttpWire } from "./UpstreamHttpWire.ts"

export interface StreamOptions {
  readonly wire: UpstreamHttpWire
  readonly calls: UpstreamHttpCalls
  /** Whose context the request carries now. */
  readonly context: () => CallContext
  readonly onLate: () => void
}

/** Ends when the server offers no stream or refuses it for good; until then only by interruption. */
export const listen = Effect.fnUntraced(function* ({ wire, calls, context, onLate }: StreamOptions) {
  let lastEventId: string | undefined
  let retryMs: number | undefined
  let quiet = 0
  while (true) {
    let askedMs: number | undefined
    const end = yield* wire
      .send({
        method: "GET",
        context: context(),
        lastEventId,
        endless: true,
        onMessage: (message) => {
          const routed = calls.route(message, undefined)
          if (routed !== "noise") quiet = 0
          return routed
        },
        onLate
      })
      .pipe(Effect.catch((error) => Effect.succeed(error)))
    if ("kind" in end) {
      if (end.kind === "stream") {
        lastEventId = end.lastEventId ?? lastEventId
        retryMs = end.retryMs ?? retryMs
      } else if (end.head.status === 429 || end.head.status >= 500) {
        if (end.head.status === 501) return
        askedMs = retryAfterMs(end.head)
      } else if (lastEventId !== undefined && end.head.status === 400) {
        // The events after that one are gone: go on with those to come.
        lastEventId = undefined
      } else return
    } else if (lacksCredentials(end) || (end._tag === "UpstreamFailed" && end.reason !== "closed")) {
      // A token that was withdrawn may come back, a stream that broke the protocol may not do so twice: both wait.
      quiet = Math.max(quiet, 3)
    }
    yield* pause(quiet, askedMs ?? retryMs)
    quiet++
  }
})
