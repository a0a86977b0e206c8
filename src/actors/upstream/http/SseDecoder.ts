/**
 * Server-sent events out of raw chunks, pushed as they arrive.
 *
 * Effect's parser does the grammar (WHATWG HTML §9.2: LF, CR and CRLF, comments, multi-line data, bounded events);
 * this adds what a byte stream needs: UTF-8 sequences split across chunks, and refusal of bytes that are not UTF-8.
 * Where it is wanted, a large answer in one line of data is not read: `SseLongLines` takes it out before the parser.
 */
import { Duration } from "effect"
import { makeParser } from "effect/encoding/Sse"
import type { JsonRpcSuccess } from "../../../domain/protocol/JsonRpc.ts"
import * as SseLongLines from "./SseLongLines.ts"

export interface SseEvent {
  readonly event: string
  readonly data: string
  /** What the data says, in place of `data`. */
  readonly answer?: JsonRpcSuccess | undefined
}

/** What cannot be decoded any further: an event larger than allowed, or bytes that are not UTF-8. */
export type SseProblem = "too-large" | "encoding"

export interface SseDecoder {
  readonly push: (chunk: Uint8Array) => SseProblem | undefined
  /** Bytes of the event that has begun and not ended, less what came in one chunk with the end of the one before. */
  readonly unfinished: () => number
  /** The id to resume after, when the server gives ids. */
  readonly lastEventId: () => string | undefined
  /** Milliseconds the server wants a reconnecting client to wait. */
  readonly retryMs: () => number | undefined
}

/** An id goes back in a header, so only one that can stand there counts. */
const sendableId = /^[\x21-\x7e]{1,1024}$/

const isLineEnd = (byte: number | undefined): boolean => byte === 0x0a || byte === 0x0d

/** Whether an empty line ends the chunk: what is after it begins anew, also where it was a comment and no event. */
const endsEmpty = (chunk: Uint8Array): boolean => {
  const [before, previous, last] = [chunk.at(-3), chunk.at(-2), chunk.at(-1)]
  return isLineEnd(last) && isLineEnd(previous) && (previous === last || isLineEnd(before))
}

/**
 * `maxEventSize` in UTF-16 code units, and bytes of a line. `onEvent` gets every event that carries data, priming events
 * included. `raw`: the result of a large answer may stay as it came.
 */
export const make = (maxEventSize: number, onEvent: (event: SseEvent) => void, raw = false): SseDecoder => {
  const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })
  let lastEventId: string | undefined
  let retryMs: number | undefined
  let unfinished = 0
  let hasEnded = false
  const parser = makeParser(
    (event) => {
      if (event._tag === "Retry") {
        retryMs = Duration.toMillis(event.duration)
        return
      }
      if (event.id !== undefined) lastEventId = sendableId.test(event.id) ? event.id : undefined
      hasEnded = true
      const answer = longLines?.takeAnswer(event.data)
      onEvent(answer === undefined ? event : { event: event.event, data: event.data, answer })
    },
    { maxEventSize }
  )
  const feed = (chunk: Uint8Array): SseProblem | undefined => {
    let decoded: string
    try {
      decoded = text.decode(chunk, { stream: true })
    } catch {
      return "encoding"
    }
    return parser.feed(decoded) === undefined ? undefined : "too-large"
  }
  const longLines = raw ? SseLongLines.make(maxEventSize, feed) : undefined
  const push = longLines?.push ?? feed
  return {
    push: (chunk) => {
      hasEnded = false
      const problem = push(chunk)
      unfinished = hasEnded || endsEmpty(chunk) ? 0 : unfinished + chunk.byteLength
      return problem
    },
    unfinished: () => unfinished,
    lastEventId: () => lastEventId,
    retryMs: () => retryMs
  }
}
