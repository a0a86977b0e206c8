/**
 * Reads JSON of strangers within limits that a parser does not have: bounded nesting, bounded numbers of members and of
 * values, and no member named `__proto__`, however it is spelt. One pass before the text is parsed, which ends at the
 * first limit and costs less than the parse. What a parse takes goes by the number of values, so the limits keep one
 * message from holding everybody else up; and `JSON.stringify`, unlike `JSON.parse`, overflows the stack at a depth of
 * some thousand levels.
 *
 * Source: RFC 8259 §8.1 (UTF-8), §9 (a parser may limit nesting).
 */
import { parseJson } from "./JsonText.ts"

export interface JsonLimits {
  /** Levels. */
  readonly depth: number
  /** Members of objects, and the objects and arrays themselves. */
  readonly members: number
  /** Commas: any values at all. */
  readonly values: number
}

export const clientLimits: JsonLimits = { depth: 256, members: 100_000, values: 500_000 }

export const serverLimits: JsonLimits = { depth: 1_000, members: 500_000, values: 2_000_000 }

/** `reason` follows a subject: "the body …", "an answer that …". */
export type ReadJson = { readonly ok: true; readonly value: unknown } | { readonly ok: false; readonly reason: string }

const quote = 0x22
const backslash = 0x5c
const openObject = 0x7b
const closeObject = 0x7d
const openArray = 0x5b
const closeArray = 0x5d
const colon = 0x3a
const comma = 0x2c

/** The limit that the text, or its bytes in UTF-8, exceeds. */
export const excess = (source: string | Uint8Array, limits: JsonLimits): string | undefined => {
  const measured = membersWithin(source, limits)
  return typeof measured === "string" ? measured : undefined
}

/** The number of members; or the limit that is exceeded. */
const membersWithin = (source: string | Uint8Array, limits: JsonLimits): number | string => {
  const isText = typeof source === "string"
  let depth = 0
  let members = 0
  let values = 0
  let inText = false
  for (let at = 0; at < source.length; at++) {
    const code = isText ? source.charCodeAt(at) : source[at]
    if (inText) {
      if (code === backslash) at++
      else if (code === quote) inText = false
    } else if (code === quote) inText = true
    else if (code === openObject || code === openArray) {
      if (++depth > limits.depth) return tooDeep(limits.depth)
      if (++members > limits.members) return tooMany(limits.members, "members")
    } else if (code === closeObject || code === closeArray) depth--
    else if (code === colon && ++members > limits.members) return tooMany(limits.members, "members")
    else if (code === comma && ++values > limits.values) return tooMany(limits.values, "values")
  }
  return members
}

const spelled = (limit: number): string => (limit === 1_000 ? "a thousand" : String(limit))

export const tooDeep = (limit: number): string => `is nested deeper than ${spelled(limit)} levels`

export const tooMany = (limit: number, what: string): string => `has more than ${limit} ${what}`

/** The letter itself, or its escape. */
const spelt = (letter: string): string =>
  `(?:${letter}|\\\\u00${letter.charCodeAt(0).toString(16).replace("f", "[fF]")})`

/** A member of this name in any spelling JSON allows, as a key begins: after a brace, a comma or white space. */
const prototypeMember = new RegExp(`[{,\\s]"${Array.from("__proto__", spelt).join("")}"\\s*:`)

export const notJson = "is not JSON"
export const notUtf8 = "is not valid JSON in UTF-8"
export const namesPrototype = 'has a member named "__proto__"'

const utf8 = new TextDecoder("utf-8", { fatal: true })

/** The value of a text whose size is within the limits. */
const valueOf = (text: string): ReadJson => {
  if (prototypeMember.test(text)) return { ok: false, reason: namesPrototype }
  try {
    // Only where there is a backslash can a name have an escape.
    return { ok: true, value: text.includes("\\") ? parseJson(text) : JSON.parse(text) }
  } catch {
    return { ok: false, reason: notJson }
  }
}

export const readJson = (text: string, limits: JsonLimits): ReadJson => {
  // Shorter texts hold no more than is allowed of anything.
  const reason = text.length > 2 * limits.depth ? excess(text, limits) : undefined
  return reason === undefined ? valueOf(text) : { ok: false, reason }
}

/**
 * The same of bytes in UTF-8, which are measured before anything is decoded. `weigh` hears the number of members before
 * they are parsed, unless they are too many to be.
 */
export const readBytes = (bytes: Uint8Array, limits: JsonLimits, weigh?: (members: number) => void): ReadJson => {
  const measured = membersWithin(bytes, limits)
  if (typeof measured === "string") return { ok: false, reason: measured }
  weigh?.(measured)
  let text: string
  try {
    text = utf8.decode(bytes)
  } catch {
    return { ok: false, reason: notUtf8 }
  }
  return valueOf(text)
}
