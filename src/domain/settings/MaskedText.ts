/**
 * Texts of the settings with what may be a secret masked. Where a text is not understood, too much of it is masked
 * rather than too little: behind the first sign of a secret nothing is shown.
 */
import { parseTemplate } from "../servers/Expansion.ts"
import { namesSecret } from "./SecretNames.ts"

export const mask = "********"

/** What stands before a reference in a header. */
const scheme = /^(?:bearer|basic|token)?\s*$/i

const isReference = (text: string): boolean =>
  parseTemplate(text).every((part) => (typeof part === "string" ? scheme.test(part) : part.fallback === undefined))

/** The text, or a mask for it where it is neither empty nor a reference such as `${USER_X}`. */
export const masking = (text: string): string => (text === "" || isReference(text) ? text : mask)

/** Letters and digits without a space, as random ones have them. */
const looksRandom = (text: string): boolean =>
  /^[A-Za-z0-9_.~+/=-]{20,}$/.test(text) && /\d/.test(text) && /[A-Za-z]/.test(text) && !/^[./]|@\d|\//.test(text)

const knownForms = /\b(?:gh[opsu]_|github_pat_|glpat-|xox[a-z]-|sk-|AKIA|mcphub_)[A-Za-z0-9_-]{8,}/

/** A mask for what looks like a key, alone or among other words. */
const maskedWords = (text: string): string =>
  knownForms.test(text) || text.split(/[\s,;'"]+/).some(looksRandom) ? masking(text) : text

/** The values of a query or a fragment, whose names say nothing. */
const maskedPairs = (text: string): string =>
  text
    .split("&")
    .map((pair) => {
      // A key may end with equals signs itself.
      const name = /^[^=]{1,64}=(?!=*$)/.exec(pair)?.[0] ?? ""
      return name + masking(pair.slice(name.length))
    })
    .join("&")

const maskedSegment = (segment: string): string => {
  const value = segment.indexOf("=") + 1
  return value === 0 ? maskedWords(segment) : segment.slice(0, value) + masking(segment.slice(value))
}

/** Where the host begins cannot be told. */
const nowhere = -1

/**
 * Where who asks ends and the host begins: behind the last `@` before the query, as a password may have one, too. Behind
 * a colon may stand a port, or a password that holds what it should have escaped.
 */
const hostStart = (address: string): number => {
  const authority = /^[^/?#\\]*/.exec(address)![0]
  const path = /^[^?#]*/.exec(address)![0]
  const tail = address.slice(path.length)
  const plain = authority.replace(/\$\{[^}]*\}/g, "0").replace(/^\[[^\]]*\]/, "")
  if (!plain.includes("@")) {
    if (!plain.includes(":")) return 0
    const isPort = /^[^:]*:\d*$/.test(plain)
    if (isPort && !/[^/]@/.test(address.slice(authority.length))) return 0
    if (!address.includes("@")) return nowhere
  }
  return tail.includes("@") ? nowhere : path.lastIndexOf("@") + 1
}

/** An address without its user and password, the values of its query and fragment, and what looks like a key in its path; undefined where it has no end. */
const maskedAddress = (text: string): string | undefined => {
  const start = text.indexOf("://") + 3
  // Such as `password://…`, which begins with slashes itself.
  if (namesSecret(text.slice(0, start))) return undefined
  const rest = text.slice(start)
  const host = hostStart(rest)
  if (host === nowhere) return undefined
  const user = host === 0 ? "" : `${masking(rest.slice(0, host - 1))}@`
  const [, authority, path, query, fragment] = /^([^/?#\\]*)([^?#]*)(\?[^#]*)?(#.*)?$/s.exec(rest.slice(host))!
  const segments = path!.split("/").map(maskedSegment).join("/")
  const tail = [query, fragment].map((part) => (part ? part[0]! + maskedPairs(part.slice(1)) : ""))
  return text.slice(0, start) + user + authority! + segments + tail.join("")
}

const addresses = /([a-z][a-z0-9+.-]{0,63}:\/\/\S*)/i

/** Where a value begins that may be a secret; undefined where there is none. */
type Sign = (text: string) => number | undefined

const first = (signs: ReadonlyArray<number | undefined>): number | undefined => {
  const given = signs.filter((sign) => sign !== undefined)
  return given.length === 0 ? undefined : Math.min(...given)
}

/** The name of a secret and what it is, `Password=…` or `"token": …`; and who asks at an address without a scheme. */
const namedSign: Sign = (text) => {
  const user = /(?<=^|[\s"'/])[^\s"'/:@]+:[^\s@]{0,512}@/.exec(text)?.index
  for (const found of text.matchAll(/(?<![\w.-])([\w.-]+)["']?\s*[:=]\s*/g)) {
    if (namesSecret(found[1]!)) return first([user, found.index + found[0].length])
  }
  return user
}

/** `NAME=…`, `Name: …` and `"name":…`, whatever the name; and a flag for a secret, a header or a variable. */
const argumentSign: Sign = (text) => {
  const pair = /=|:\s+|["']\s*:\s*/.exec(text)
  const signs = [namedSign(text), pair === null ? undefined : pair.index + pair[0].length]
  for (const found of text.matchAll(/(?:^|[\s"'])(--?[A-Za-z][\w-]*)\s+/g)) {
    if (flagKind(found[1]!) !== "plain") signs.push(found.index + found[0].length)
  }
  return first(signs)
}

/** A text with the addresses in it masked, and all that follows the first sign of a secret. */
const maskedBy = (text: string, signOf: Sign): string => {
  if (masking(text) === text) return text
  let shown = ""
  let at = 0
  for (const [index, piece] of text.split(addresses).entries()) {
    // Every second piece is an address.
    const start = index % 2 === 1 ? undefined : signOf(piece)
    if (start !== undefined) return shown + maskedWords(piece.slice(0, start)) + masking(text.slice(at + start))
    const next = index % 2 === 1 ? maskedAddress(piece) : maskedWords(piece)
    if (next === undefined) return shown + mask
    shown += next
    at += piece.length
  }
  return shown
}

/** Any text. */
export const maskedText = (text: string): string => maskedBy(text, namedSign)

/** What follows a flag. */
const flagKind = (flag: string): "secret" | "header" | "variable" | "user" | "port" | "plain" => {
  const name = flag.replace(/^-+/, "")
  if (name === "H" || /header/i.test(name)) return "header"
  if (name === "e" || name === "env") return "variable"
  if (namesSecret(name)) return "secret"
  if (name === "u" || name === "user") return "user"
  return name === "p" ? "port" : "plain"
}

/** `Name: value` with or without the space. */
const maskedHeader = (text: string): string => {
  const name = /^["']?[\w.!#$%&'*+^`|~-]+\s*:\s*/.exec(text)?.[0] ?? ""
  return name.includes("${") ? masking(text) : name + masking(text.slice(name.length))
}

const maskedAfter = (flag: string, text: string): string => {
  switch (flagKind(flag)) {
    case "secret":
      return masking(text)
    case "header":
      return maskedHeader(text)
    case "user":
      return text.includes(":") ? masking(text) : maskedArgument(text, undefined)
    case "port":
      return /^[\d.:]+(?:\/[a-z]+)?$/.test(text) ? text : masking(text)
    default:
      return maskedArgument(text, undefined)
  }
}

/** An argument, with the one before it, whose value it may be. */
export const maskedArgument = (text: string, before: unknown): string => {
  if (typeof before === "string" && /^--?[A-Za-z][\w.-]*$/.test(before) && flagKind(before) !== "plain") {
    return maskedAfter(before, text)
  }
  const long = /^(--[A-Za-z][\w.-]*)=(.*)$/s.exec(text)
  if (long !== null) return `${long[1]}=${maskedAfter(long[1]!, long[2]!)}`
  const short = /^(-[Hpu])(?=[^-])(.*[^A-Za-z].*)$/s.exec(text)
  if (short !== null) return short[1]! + maskedAfter(short[1]!, short[2]!)
  return maskedBy(text, argumentSign)
}
