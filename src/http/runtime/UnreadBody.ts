/**
 * The rest of a body that was refused before it had come to its end. Most clients write all of it before they read, and a
 * connection that is closed over unread bytes is reset, answer and all: so the rest is read and thrown away, within
 * bounds, before the answer goes out. It is kept nowhere.
 *
 * Source: RFC 9112 §9.6 (tear-down).
 */
import type { IncomingMessage } from "node:http"
import type { Guard } from "../wire/Guard.ts"

const mostBytes = 8 * 1024 * 1024
/** Milliseconds, on the whole and without a byte. A client that waits for the answer is silent. */
const longest = 5_000
const longestPause = 500

/** Whether a request that is not complete has a body, of which something has not arrived or was not read. */
export const hasRest = ({ headers }: IncomingMessage): boolean =>
  headers["transfer-encoding"] !== undefined || Number(headers["content-length"] ?? 0) > 0

/** Calls back once: at the end of the body or of the client's patience, or at the bounds. */
export const discardRest = (incoming: IncomingMessage, guard: Guard, done: () => void): void => {
  let left = mostBytes
  let isDone = false
  let noPause = (): void => {}
  const finish = (): void => {
    if (isDone) return
    isDone = true
    noPause()
    noEnd()
    done()
  }
  const waitForMore = (): void => {
    noPause()
    noPause = guard.after(longestPause, finish)
  }
  const noEnd = guard.after(longest, finish)
  guard.on(incoming, "data", (piece: Buffer) => {
    left -= piece.length
    if (left < 0) finish()
    else if (!isDone) waitForMore()
  })
  for (const event of ["end", "error", "close"]) guard.on(incoming, event, finish)
  waitForMore()
  incoming.resume()
}
