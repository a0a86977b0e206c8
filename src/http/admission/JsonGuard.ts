/**
 * Parses a request body with limits a parser does not have: valid UTF-8, bounded nesting, bounded numbers of members and
 * of values, and no member named `__proto__`, however it is spelt. One pass over the bytes before it is parsed, which
 * ends at the first limit; the pass costs less than the parse. The time of a parse goes by the number of values, so the
 * limits are what keeps one body from holding everybody else up.
 *
 * Source: RFC 8259 §8.1 (UTF-8), §9 (a parser may limit nesting).
 */
import { parseJson } from "../../domain/protocol/json/JsonText.ts"

export type Parsed = { readonly ok: true; readonly value: unknown } | { readonly ok: false; readonly reason: string }

const maxDepth = 256
/** Members of objects, and the objects and arrays themselves. */
const maxMembers = 100_000
/** Commas: any values at all. */
const maxValues = 500_000

/** The letter itself, or its escape. */
const spelt = (letter: string): string =>
  `(?:${letter}|\\\\u00${letter.charCodeAt(0).toString(16).replace("f", "[fF]")})`

/** A member of this name in any spelling JSON allows, as a key begins: after a brace, a comma or white space. */
const prototypeMember = new RegExp(`[{,\\s]"${Array.from("__proto__", spelt).join("")}"\\s*:`)

const utf8 = new TextDecoder("utf-8", { fatal: true })

const quote = 0x22
const backslash = 0x5c
const openObject = 0x7b
const closeObject = 0x7d
const openArray = 0x5b
const closeArray = 0x5d
const colon = 0x3a
const comma = 0x2c

const exceeds = (body: Uint8Array): string | undefined => {
  let depth = 0
  let members = 0
  let values = 0
  let inText = false
  for (let at = 0; at < body.length; at++) {
    const byte = body[at]
    if (inText) {
      if (byte === backslash) at++
      else if (byte === quote) inText = false
    } else if (byte === quote) inText = true
    else if (byte === openObject || byte === openArray) {
      if (++depth > maxDepth) return `The body is nested deeper than ${maxDepth} levels`
      if (++members > maxMembers) return tooMany(maxMembers, "members")
    } else if (byte === closeObject || byte === closeArray) depth--
    else if (byte === colon && ++members > maxMembers) return tooMany(maxMembers, "members")
    else if (byte === comma && ++values > maxValues) return tooMany(maxValues, "values")
  }
  return undefined
}

const tooMany = (limit: number, what: string): string => `The body has more than ${limit} ${what}; send less at once`

export const parse = (body: Uint8Array): Parsed => {
  const limit = exceeds(body)
  if (limit !== undefined) return { ok: false, reason: limit }
  try {
    const text = utf8.decode(body)
    if (prototypeMember.test(text)) return { ok: false, reason: 'A member may not be named "__proto__"' }
    return { ok: true, value: parseJson(text) }
  } catch {
    return { ok: false, reason: "The body is not valid JSON in UTF-8" }
  }
}
