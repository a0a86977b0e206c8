/**
 * `JSON.parse` for texts that strangers write. V8 takes a name it knows for a member's name when the text begins alike,
 * before it looks at the escapes: once anybody has sent `{"a":1,"\\":2}`, the member of `{"a":1,"\n":2}` is named `\`,
 * whoever sends it. So names that are written with escapes are not left to it.
 *
 * Source: RFC 8259 §4, §7; the defect: https://github.com/nodejs/node/issues/63785.
 */
import { randomUUID } from "node:crypto"

const colon = 0x3a

/** The value of the text; throws a `SyntaxError` as `JSON.parse` does. */
export const parseJson = (text: string): unknown => {
  const escaped = escapedNames(text)
  if (escaped.length === 0) return JSON.parse(text)
  const placeholder = randomUUID()
  const names = new Map<string, string>()
  let replaced = ""
  let from = 0
  for (const [start, end] of escaped) {
    const stand = `${placeholder}${names.size}`
    names.set(stand, JSON.parse(text.slice(start, end)) as string)
    replaced += `${text.slice(from, start)}"${stand}"`
    from = end
  }
  return JSON.parse(replaced + text.slice(from), (_, value: unknown) => withNames(value, names))
}

/** Where the names with escapes are, quotation marks included. One pass, whatever the text. */
const escapedNames = (text: string): ReadonlyArray<readonly [start: number, end: number]> => {
  const found: Array<readonly [number, number]> = []
  let backslash = text.indexOf("\\")
  let start = backslash === -1 ? -1 : text.indexOf('"')
  while (start !== -1 && backslash !== -1) {
    let close = text.indexOf('"', start + 1)
    const isEscaped = backslash < close
    // The character after a backslash may be a quotation mark that closes nothing.
    while (backslash !== -1 && backslash < close) {
      if (close === backslash + 1) close = text.indexOf('"', close + 1)
      backslash = text.indexOf("\\", backslash + 2)
    }
    if (close === -1) break
    if (isEscaped && isName(text, close + 1)) found.push([start, close + 1])
    start = text.indexOf('"', close + 1)
  }
  return found
}

const isName = (text: string, from: number): boolean => {
  let at = from
  while (at < text.length && text.charCodeAt(at) <= 0x20) at++
  return text.charCodeAt(at) === colon
}

const withNames = (value: unknown, names: ReadonlyMap<string, string>): unknown => {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value
  const members = Object.entries(value)
  return members.some(([name]) => names.has(name))
    ? Object.fromEntries(members.map(([name, inner]) => [names.get(name) ?? name, inner]))
    : value
}

/** The JSON value with each text in it, but no name, as `change` makes it. */
export const mapTexts = (value: unknown, change: (text: string) => string): unknown => {
  if (typeof value === "string") return change(value)
  if (Array.isArray(value)) return value.map((inner) => mapTexts(inner, change))
  if (typeof value !== "object" || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, mapTexts(inner, change)]))
}
