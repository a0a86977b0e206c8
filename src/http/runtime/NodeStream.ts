/**
 * An event stream on `node:http`: written as fast as the client reads it, closed when the client leaves too much of it
 * unread. Large messages leave in pieces, and what follows one waits behind it.
 */
import type { ServerResponse } from "node:http"
import type { Guard } from "../wire/Guard.ts"
import { maxUnreadBytes, type WirePieces, type WireStream } from "../wire/Wire.ts"
import { nothing } from "./UnsentBytes.ts"

/** Milliseconds after which a large answer of which nothing is read any more is given up. */
export const unreadMs = 30_000

/** From this many characters on a text leaves in pieces, too, of as many bytes each. */
const largeText = 64 * 1024

/**
 * More may wait behind a large message that is being read than a client may leave unread, because a busy session writes
 * many messages between two round trips. Three limits hold: bytes in all, bytes of texts among them, and milliseconds
 * since the last piece was taken. Results in pieces have a limit of their own, their user's (`AnswerBytes`).
 */
const maxBehindBytes = 128 * 1024 * 1024
const maxBehindTexts = 16 * 1024 * 1024
const stalledMs = 5_000

/** Answers that have been given, and that their clients have not read to the end. */
export type Leaving = Set<ServerResponse>

export interface StreamOptions {
  readonly outgoing: ServerResponse
  readonly guard: Guard
  /** Counts a message of N bytes until the result is called. */
  readonly count: (bytes: number) => () => void
  readonly leaving: Leaving | undefined
}

const bytesOf = (body: string | WirePieces): number =>
  typeof body === "string" ? Buffer.byteLength(body) : body.byteLength

const cut = (text: string): WirePieces => {
  const bytes = Buffer.from(text)
  return {
    byteLength: bytes.byteLength,
    *[Symbol.iterator]() {
      for (let at = 0; at < bytes.byteLength; at += largeText) yield bytes.subarray(at, at + largeText)
    }
  }
}

export const nodeStream = ({ count, guard, leaving, outgoing }: StreamOptions): WireStream => {
  let open = true
  /** Messages that wait until the large one before them has left. */
  const behind: Array<readonly [body: string | WirePieces, settle: () => void, textBytes: number]> = []
  let behindBytes = 0
  let behindTexts = 0
  let isBusy = false
  /** When the client last took a piece of it. */
  let takenAt = 0
  guard.on(outgoing, "close", () => {
    open = false
    leaving?.delete(outgoing)
  })
  guard.on(outgoing, "timeout", () => outgoing.destroy())

  function* timed(pieces: WirePieces): Generator<Uint8Array> {
    for (const piece of pieces) {
      takenAt = performance.now()
      yield piece
    }
  }

  const goOn = (settle: () => void): void => {
    settle()
    isBusy = false
    outgoing.setTimeout(0)
    while (!isBusy && behind.length > 0) {
      const [body, settleNext, textBytes] = behind.shift()!
      behindBytes -= bytesOf(body)
      behindTexts -= textBytes
      put(body, settleNext)
    }
    if (isBusy) return
    if (open) leaving?.delete(outgoing)
    else outgoing.end()
  }

  const put = (body: string | WirePieces, settle: () => void): void => {
    if (typeof body === "string" && outgoing.write(body)) return
    isBusy = true
    leaving?.add(outgoing)
    takenAt = performance.now()
    outgoing.setTimeout(unreadMs)
    if (typeof body === "string") guard.once(outgoing, "drain", () => goOn(settle))
    else writeAll(outgoing, guard, timed(body), () => goOn(settle))
  }

  /** Only messages before this one count, however large it is: nobody can have read it yet. */
  const isUnread = (): boolean => {
    const unread = outgoing.writableLength + behindBytes
    if (unread <= maxUnreadBytes) return false
    return !isBusy || unread > maxBehindBytes || behindTexts > maxBehindTexts || performance.now() - takenAt > stalledMs
  }

  return {
    write: (message) => {
      if (!open) return false
      if (isUnread()) {
        open = false
        outgoing.destroy()
        return false
      }
      const body = typeof message === "string" && message.length >= largeText ? cut(message) : message
      const settle = typeof body === "string" ? nothing : count(body.byteLength)
      if (isBusy) {
        const bytes = bytesOf(body)
        const textBytes = typeof message === "string" ? bytes : 0
        behind.push([body, settle, textBytes])
        behindBytes += bytes
        behindTexts += textBytes
      } else if (typeof body === "string") outgoing.write(body)
      else put(body, settle)
      return true
    },
    end: () => {
      if (!open) return
      open = false
      if (!isBusy) outgoing.end()
    }
  }
}

/**
 * No more than the client takes at a time, and one piece a turn of the event loop: a large body must not keep the others
 * waiting while it is copied.
 */
export const writeAll = (
  outgoing: ServerResponse,
  guard: Guard,
  pieces: Iterator<Uint8Array>,
  done: () => void
): void => {
  for (;;) {
    const next = pieces.next()
    if (next.done === true) return done()
    if (outgoing.write(next.value)) continue
    return guard.once(outgoing, "drain", () => guard.soon(() => writeAll(outgoing, guard, pieces, done)))
  }
}
