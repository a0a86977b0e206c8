/**
 * The time for which a server that takes no requests wants to be left alone: HTTP 429 and 503 with `Retry-After`.
 *
 * Source: RFC 9110 §10.2.3 (seconds, or a date), RFC 6585 §4.
 */
import type { ResponseHead } from "./ResponseHead.ts"

/** Milliseconds; a server that names more is asked again by then. */
const longest = 300_000

/** Milliseconds; undefined where the server asks for nothing. */
export const retryAfterMs = (
  { retryAfter, status }: Pick<ResponseHead, "retryAfter" | "status">,
  now = Date.now()
): number | undefined => {
  if (retryAfter === undefined || (status !== 429 && status !== 503)) return undefined
  const asked = /^\d{1,9}$/.test(retryAfter) ? Number(retryAfter) * 1_000 : Date.parse(retryAfter) - now
  return Number.isNaN(asked) ? undefined : Math.min(Math.max(0, asked), longest)
}
