/**
 * Text as the value of an HTTP header. Visible ASCII stands as it is. Text that a header cannot hold or would not keep
 * (blanks at the edges, no character at all), and text that reads like the encoding itself, becomes `=?base64?{Base64
 * of the UTF-8}?=`.
 *
 * A lone surrogate has no UTF-8. Like every UTF-8 encoder, this one turns it into U+FFFD, and `matches` reads the
 * body's text the same way, so such text is one value on both sides of the comparison.
 *
 * Source: MCP 2026-07-28 `basic/transports` (value encoding of `Mcp-Name` and `Mcp-Param-*`); RFC 9110 §5.5; RFC 4648
 * §4.
 */
import { Result } from "effect"
import * as Base64 from "effect/encoding/Base64"

const prefix = "=?base64?"
const suffix = "?="

/** RFC 9110 `field-content` without obs-text: visible at both edges, blanks and tabs between. */
const plain = /^[\x21-\x7e](?:[\t\x20-\x7e]*[\x21-\x7e])?$/

const isSentinel = (value: string): boolean =>
  value.length >= prefix.length + suffix.length && value.startsWith(prefix) && value.endsWith(suffix)

/** Always a legal header value, without CR, LF or NUL. */
export const encode = (value: string): string =>
  // Wider than `isSentinel`: a reader that lets prefix and suffix overlap must not take `=?base64?=` for an encoding.
  plain.test(value) && !(value.startsWith(prefix) && value.endsWith(suffix))
    ? value
    : prefix + Base64.encode(value) + suffix

/** The fault of a received value: not ASCII, not canonical Base64, or Base64 of something other than UTF-8. */
export type Unreadable = "characters" | "base64" | "utf8"

/** Keeps a byte order mark: it is part of the value. */
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

/**
 * Reads a received value; the blanks around it belong to the header's syntax. An encoding has both prefix and suffix:
 * `=?base64?abc` alone is plain text.
 */
export const decode = (received: string): Result.Result<string, Unreadable> => {
  const value = trim(received)
  if (!isSentinel(value)) return value === "" || plain.test(value) ? Result.succeed(value) : Result.fail("characters")
  const payload = value.slice(prefix.length, -suffix.length)
  const bytes = Base64.decode(payload)
  // Base64 has several spellings of the same bytes (stray bits before the padding, ignored line ends): only one is
  // accepted.
  if (Result.isFailure(bytes) || Base64.encode(bytes.success) !== payload) return Result.fail("base64")
  try {
    return Result.succeed(utf8.decode(bytes.success))
  } catch {
    return Result.fail("utf8")
  }
}

/** Whether a decoded header value stands for this text of the body. */
export const matches = (decoded: string, text: string): boolean => decoded === text.toWellFormed()

const isBlank = (code: number): boolean => code === 0x20 || code === 0x09

/** Strips the optional whitespace of RFC 9110 §5.6.3, in linear time. */
export const trim = (value: string): string => {
  let start = 0
  let end = value.length
  while (start < end && isBlank(value.charCodeAt(start))) start++
  while (end > start && isBlank(value.charCodeAt(end - 1))) end--
  return value.slice(start, end)
}
