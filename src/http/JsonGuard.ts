/**
 * Parses a request body with limits a parser does not have: valid UTF-8, bounded nesting, bounded number of members, and
 * no member named `__proto__`. One pass over the bytes before `JSON.parse`; the pass costs less than the parse.
 *
 * Source: RFC 8259 §8.1 (UTF-8), §9 (a parser may limit nesting).
 */
export type Parsed = { readonly ok: true; readonly value: unknown } | { readonly ok: false; readonly reason: string }

const maxDepth = 256
const maxMembers = 100_000

const utf8 = new TextDecoder("utf-8", { fatal: true })

const quote = 0x22
const backslash = 0x5c
const openObject = 0x7b
const closeObject = 0x7d
const openArray = 0x5b
const closeArray = 0x5d
const colon = 0x3a

const exceeds = (body: Uint8Array): string | undefined => {
  let depth = 0
  let members = 0
  let inText = false
  for (let at = 0; at < body.length; at++) {
    const byte = body[at]
    if (inText) {
      if (byte === backslash) at++
      else if (byte === quote) inText = false
    } else if (byte === quote) inText = true
    else if (byte === openObject || byte === openArray) {
      if (++depth > maxDepth) return `The body is nested deeper than ${maxDepth} levels`
    } else if (byte === closeObject || byte === closeArray) depth--
    else if (byte === colon && ++members > maxMembers) return `The body has more than ${maxMembers} members`
  }
  return undefined
}

export const parse = (body: Uint8Array): Parsed => {
  const limit = exceeds(body)
  if (limit !== undefined) return { ok: false, reason: limit }
  try {
    const text = utf8.decode(body)
    if (/[^\\]"__proto__"\s*:/.test(text)) return { ok: false, reason: 'A member may not be named "__proto__"' }
    return { ok: true, value: JSON.parse(text) }
  } catch {
    return { ok: false, reason: "The body is not valid JSON in UTF-8" }
  }
}
