/**
 * Takes secrets out of texts that strangers wrote, in every form in which programs repeat them: plain, as in a URL, as in
 * JSON, and in base64, whatever stands before the secret in the same base64 text (`user:token` of Basic authentication).
 *
 * A text takes linear time, whatever it and the secrets say, because users choose both. Of a long secret the first 64
 * characters count: they are taken out with as much as follows of it.
 */
import { Buffer } from "node:buffer"
import { mapTexts } from "./protocol/json/JsonText.ts"
import * as TextSearch from "./TextSearch.ts"

export interface Scrubber {
  readonly text: (text: string) => string
  /** The JSON value with every text and name in it scrubbed. */
  readonly json: <A>(value: A) => A
}

/** Shorter values are words rather than secrets: taking them out would only mangle the text. */
const minLength = 6
const headLength = 64
const mark = "<redacted>"

interface Form {
  readonly text: string
  readonly head: string
  /** Whether the characters of base64 beside it hold bits of the secret as well. */
  readonly bleedsBefore: boolean
  readonly bleedsAfter: boolean
}

const formOf = (text: string, bleedsBefore = false, bleedsAfter = false): Form => ({
  text,
  head: text.slice(0, headLength),
  bleedsBefore,
  bleedsAfter
})

/** What clients and servers write for a URL: they differ in the characters they escape, and in the case of the digits. */
const inUrls = (secret: string): ReadonlyArray<string> => {
  const component = encodeURIComponent(secret)
  const strict = component.replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`)
  const inForm = new URLSearchParams([["", secret]]).toString().slice(1)
  const escaped = [component, strict, inForm, encodeURI(secret)]
  return [...escaped, ...escaped.map((text) => text.replace(/%[0-9A-F]{2}/g, (digits) => digits.toLowerCase()))]
}

/** Some writers escape slashes as well, or all that is not ASCII. */
const inJson = (secret: string): ReadonlyArray<string> => {
  const plain = JSON.stringify(secret).slice(1, -1)
  const ascii = plain.replace(/[^\x20-\x7e]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`)
  return [plain, ascii].flatMap((text) => [text, text.replaceAll("/", "\\/")])
}

/** One form for each place among three bytes at which the secret can begin, without the characters it shares. */
const inBase64 = (secret: string): ReadonlyArray<Form> =>
  [0, 1, 2].flatMap((before) => {
    const bytes = Buffer.concat([Buffer.alloc(before), Buffer.from(secret)])
    const isShared = bytes.length % 3 !== 0
    const digits = bytes.toString("base64").replaceAll("=", "")
    const own = digits.slice(before === 0 ? 0 : before + 1, isShared ? -1 : undefined)
    const urlSafe = own.replaceAll("+", "-").replaceAll("/", "_")
    return [own, urlSafe].map((text) => formOf(text, before > 0, isShared))
  })

const formsOf = (secret: string): ReadonlyArray<Form> => {
  const sound = secret.toWellFormed()
  return [...[secret, ...inUrls(sound), ...inJson(secret)].map((text) => formOf(text)), ...inBase64(secret)]
}

const isBase64 = (code: number): boolean =>
  (code >= 0x61 && code <= 0x7a) ||
  (code >= 0x41 && code <= 0x5a) ||
  (code >= 0x2f && code <= 0x39) ||
  code === 0x2b ||
  code === 0x2d ||
  code === 0x5f

/** Forms by their heads. */
const searchFor = (secrets: Iterable<string>): TextSearch.TextSearch<ReadonlyArray<Form>> => {
  const heads = new Map<string, Array<Form>>()
  for (const secret of new Set(secrets)) {
    if (secret.length < minLength) continue
    for (const form of formsOf(secret)) {
      const known = heads.get(form.head)
      if (known === undefined) heads.set(form.head, [form])
      else if (known.every(({ text }) => text !== form.text)) known.push(form)
    }
  }
  return TextSearch.make(heads)
}

/** Where the form ends in the text whose head ends at `end`: behind it, or where the text goes on otherwise. */
const endOf = (form: Form, text: string, end: number): number => {
  let length = form.head.length
  let at = end
  while (length < form.text.length && text.charCodeAt(at) === form.text.charCodeAt(length)) {
    length++
    at++
  }
  return at
}

const scrubbed = (text: string, search: TextSearch.TextSearch<ReadonlyArray<Form>>): string => {
  const spans: Array<readonly [from: number, to: number]> = []
  search.each(text, (forms, headEnd) => {
    const ends = forms.map((form) => endOf(form, text, headEnd))
    const end = Math.max(...ends)
    const { bleedsAfter, bleedsBefore, head } = forms[ends.indexOf(end)]!
    let from = headEnd - head.length
    let to = end
    if (bleedsBefore && from > 0 && isBase64(text.charCodeAt(from - 1))) from--
    if (bleedsAfter && isBase64(text.charCodeAt(to))) to++
    // One secret may hold another, or begin where it ends.
    for (let last = spans.at(-1); last !== undefined && last[1] > from; last = spans.at(-1)) {
      from = Math.min(from, last[0])
      to = Math.max(to, last[1])
      spans.pop()
    }
    spans.push([from, to])
    return end
  })
  if (spans.length === 0) return text
  let clean = ""
  let rest = 0
  for (const [from, to] of spans) {
    clean += text.slice(rest, from) + mark
    rest = to
  }
  return clean + text.slice(rest)
}

/** The forms are worked out when the first text comes, because most connections never have one. */
export const make = (secrets: Iterable<string>): Scrubber => {
  let search: TextSearch.TextSearch<ReadonlyArray<Form>> | undefined
  const text = (given: string): string => scrubbed(given, (search ??= searchFor(secrets)))
  return { text, json: <A>(value: A) => mapTexts(value, text) as A }
}
