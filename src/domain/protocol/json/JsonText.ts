/**
 * `JSON.parse` for text from strangers. Before it reads escapes, V8 takes a member's name for one it already knows when
 * the text begins alike: once anybody has sent `{"a":1,"\\":2}`, the member of `{"a":1,"\n":2}` is named `\`, whoever
 * sends it. So this reader handles names with escapes itself.
 *
 * Source: RFC 8259 §4, §7; the defect: https://github.com/nodejs/node/issues/63785.
 */
import { randomUUID } from "node:crypto"

const colon = 0x3a

/** The value of the text; throws a `SyntaxError` as `JSON.parse` does. What strangers send is read by `JsonLimits`. */
export const parseJson = (text: string): unknown => {
  const escaped = escapedNames(text)
  if (escaped.length === 0) return JSON.parse(text)
  const placeholder = randomUUID()
  /** One for each name, however it is spelt: the last of several members of one name counts. */
  const stands = new Map<string, string>()
  let replaced = ""
  let from = 0
  for (const [start, end] of escaped) {
    const name = JSON.parse(text.slice(start, end)) as string
    let stand = JSON.stringify(name)
    if (stand.includes("\\")) {
      stand = stands.get(name) ?? `"${placeholder}${stands.size}"`
      stands.set(name, stand)
    }
    replaced += text.slice(from, start) + stand
    from = end
  }
  replaced += text.slice(from)
  if (stands.size === 0) return JSON.parse(replaced)
  const names = new Map([...stands].map(([name, stand]) => [stand.slice(1, -1), name]))
  return JSON.parse(replaced, (_, value: unknown) => withNames(value, names))
}

/** The positions of names with escapes, quotation marks included. One pass, whatever the text. */
const escapedNames = (text: string): ReadonlyArray<readonly [start: number, end: number]> => {
  const found: Array<readonly [number, number]> = []
  let escape = text.indexOf("\\")
  let start = escape === -1 ? -1 : text.indexOf('"')
  while (start !== -1 && escape !== -1) {
    let close = text.indexOf('"', start + 1)
    const isEscaped = escape < close
    // The character after a backslash may be a quotation mark that closes nothing.
    while (escape !== -1 && escape < close) {
      if (close === escape + 1) close = text.indexOf('"', close + 1)
      escape = text.indexOf("\\", escape + 2)
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

/** The JSON value with `change` applied to each text and name in it; however deep it is nested. */
export const mapTexts = (value: unknown, change: (text: string) => string): unknown => {
  const top: Array<unknown> = [value]
  const open: Array<Array<unknown> | Record<string, unknown>> = [top]
  for (let at = open.pop(); at !== undefined; at = open.pop()) {
    const copy = at as Record<string, unknown>
    for (const [given, inner] of Object.entries(copy)) {
      const name = Array.isArray(at) ? given : change(given)
      if (name !== given) delete copy[given]
      if (typeof inner === "string") copy[name] = change(inner)
      else if (typeof inner === "object" && inner !== null) {
        const own: Array<unknown> | Record<string, unknown> = Array.isArray(inner) ? [...inner] : { ...inner }
        copy[name] = own
        open.push(own)
      } else copy[name] = inner
    }
  }
  return top[0]
}
