/**
 * `node:http` as a `Wire`: the same code under Node and Deno. A body over the limit is answered before it is read to its
 * end, and the connection closed, so that nobody can make the hub hold more than the limit.
 */
import type { IncomingMessage, ServerResponse } from "node:http"
import { Pieces } from "../../domain/protocol/json/Pieces.ts"
import { sizeOf } from "../../domain/protocol/json/RawJson.ts"
import { nothing, UnsentBytes } from "./UnsentBytes.ts"
import {
  maxBodyPieces,
  maxUnreadBytes,
  type WireBody,
  type WirePieces,
  type WireReply,
  type WireRequest,
  type WireStream
} from "../wire/Wire.ts"

/** How long, and how many, bytes of a refused body are still taken in. */
const lingerMs = 100
const lingerBytes = 256 * 1024

/** Milliseconds after which a large answer of which nothing is read any more is given up. */
const unreadMs = 30_000

/** From so many characters on a text leaves in pieces, too, of so many bytes each. */
const largeText = 64 * 1024

/**
 * Behind a large message that is being read more may wait than a client may leave unread, because a busy session writes
 * many messages between two round trips: so many bytes, of which so many of texts, until so many milliseconds after the
 * last piece was taken. Results in pieces have a limit of their own, their user's (`AnswerBytes`).
 */
const maxBehindBytes = 256 * 1024 * 1024
const maxBehindTexts = 16 * 1024 * 1024
const stalledMs = 5_000

const emptyQuery = new URLSearchParams()

export const request = (incoming: IncomingMessage, path: string, query: string): WireRequest => ({
  method: incoming.method ?? "GET",
  path,
  address: incoming.socket.remoteAddress ?? "",
  query: query === "" ? emptyQuery : new URLSearchParams(query),
  header: (name) => {
    const value = incoming.headers[name.toLowerCase()]
    return Array.isArray(value) ? value.join(", ") : value
  },
  body: (limit, done) => {
    const declared = Number(incoming.headers["content-length"] ?? 0)
    if (declared > limit) return done("too-large")
    const pieces = new Pieces()
    let count = 0
    let finished = false
    const finish = (result: WireBody): void => {
      if (finished) return
      finished = true
      done(result)
    }
    incoming.on("data", (chunk: Buffer) => {
      if (finished) return
      const problem =
        pieces.byteLength + chunk.length > limit ? "too-large" : ++count > maxBodyPieces ? "too-many-pieces" : undefined
      if (problem !== undefined) {
        incoming.pause()
        return finish(problem)
      }
      pieces.push(chunk)
    })
    incoming.on("end", () => finish(pieces.whole()))
    incoming.on("error", () => finish("aborted"))
    incoming.on("close", () => finish("aborted"))
  }
})

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

const stream = (outgoing: ServerResponse, unsent: UnsentBytes, leaving: Leaving | undefined): WireStream => {
  let open = true
  /** What waits until the large message that is on its way has left. */
  const behind: Array<readonly [body: string | WirePieces, settle: () => void, textBytes: number]> = []
  let behindBytes = 0
  let behindTexts = 0
  let isBusy = false
  /** When the client last took a piece of it. */
  let takenAt = 0
  outgoing.on("close", () => {
    open = false
    leaving?.delete(outgoing)
  })
  outgoing.on("timeout", () => outgoing.destroy())

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
    if (typeof body === "string") outgoing.once("drain", () => goOn(settle))
    else writeAll(outgoing, timed(body), () => goOn(settle))
  }

  /** What was left unread before counts, and not this message, however large: nobody can have read it yet. */
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
      const settle = typeof body === "string" ? nothing : unsent.add(body.byteLength)
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
const writeAll = (outgoing: ServerResponse, pieces: Iterator<Uint8Array>, done: () => void): void => {
  for (;;) {
    const next = pieces.next()
    if (next.done === true) return done()
    if (outgoing.write(next.value)) continue
    return void outgoing.once("drain", () => setImmediate(() => writeAll(outgoing, pieces, done)))
  }
}

/** Answers that have been given, and that their clients have not read to the end. */
export type Leaving = Set<ServerResponse>

export const reply = (incoming: IncomingMessage, outgoing: ServerResponse, leaving?: Leaving): WireReply => {
  const unsent = new UnsentBytes(outgoing)
  return {
    charge: (charge) => {
      unsent.charge = charge
    },
    send: (status, body, headers) => {
      if (outgoing.headersSent || outgoing.destroyed) return
      const length = body === undefined ? 0 : sizeOf(body)
      // What is left of an unread body is thrown away for a moment, so that the client reads the answer before the
      // connection goes (a close with unread bytes would reset it).
      const unread = !incoming.complete && incoming.method === "POST"
      outgoing.writeHead(status, {
        ...headers,
        ...(status === 204 ? {} : { "content-length": length }),
        ...(unread ? { connection: "close" } : {})
      })
      unsent.add(length)
      if (body === undefined || typeof body === "string") outgoing.end(body)
      else writeAll(outgoing, body.values(), () => outgoing.end())
      if (leaving !== undefined && outgoing.writableLength > 0) {
        leaving.add(outgoing)
        outgoing.once("close", () => leaving.delete(outgoing))
      }
      // A large answer that nobody reads would be held for ever.
      const isLarge = outgoing.writableLength > maxUnreadBytes || (body !== undefined && typeof body !== "string")
      if (isLarge) outgoing.setTimeout(unreadMs, () => outgoing.destroy())
      if (unread) {
        let left = lingerBytes
        incoming.on("data", (chunk: Buffer) => {
          left -= chunk.length
          if (left < 0) incoming.pause()
        })
        incoming.resume()
        const lingering = setTimeout(() => incoming.destroy(), lingerMs)
        incoming.once("close", () => clearTimeout(lingering))
      }
    },
    stream: (headers) => {
      outgoing.writeHead(200, {
        "content-type": "text/event-stream",
        "cache-control": "no-cache, no-transform",
        "x-accel-buffering": "no",
        ...headers
      })
      outgoing.flushHeaders()
      return stream(outgoing, unsent, leaving)
    },
    onEnd: (run) => whenClosed(outgoing, run),
    onAbort: (run) =>
      whenClosed(outgoing, () => {
        if (!outgoing.writableFinished) run()
      })
  }
}

/** At once where that has been: a client can go while its key is looked up, and nobody is told of it again. */
const whenClosed = (outgoing: ServerResponse, run: () => void): void => {
  if (outgoing.destroyed) run()
  else outgoing.on("close", run)
}
