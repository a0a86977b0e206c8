/**
 * Settings as they are shown: what may be a secret is masked, and what came masked is put back when they are written
 * again, so that a page can show and change settings without ever holding a secret.
 *
 * Values of headers and of a child's environment are masked unless they are a reference, such as `${USER_X}`; the rest by
 * the name of its key, its place in an address or an argument, or because it looks like a key.
 */
import { parseTemplate } from "../servers/Expansion.ts"
import { pathText, type SettingsFinding } from "./SettingsFinding.ts"

export const mask = "********"

const secretNames = /key|token|secret|passw|pwd|auth|credential|cookie|bearer|^value$/i
/** Names of tokens and other words, which say nothing. */
const openNames: ReadonlySet<string> = new Set(["contextTokens", "authProvider"])
const secretParts: ReadonlySet<string> = new Set(["env", "headers", "environment"])

/** What stands before a reference in a header. */
const scheme = /^(?:bearer|basic|token)?\s*$/i

const isReference = (text: string): boolean =>
  parseTemplate(text).every((part) => (typeof part === "string" ? scheme.test(part) : part.fallback === undefined))

/** Letters and digits without a space, as random ones have them. */
const looksRandom = (text: string): boolean =>
  /^[A-Za-z0-9_.~+/=-]{20,}$/.test(text) && /\d/.test(text) && /[A-Za-z]/.test(text) && !/^[./]|@\d|\//.test(text)

const knownForms = /\b(?:gh[opsu]_|github_pat_|glpat-|xox[a-z]-|sk-|AKIA|mcphub_)[A-Za-z0-9_-]{8,}/

const isOpen = (text: string): boolean => text === "" || isReference(text)

const maskedPart = (text: string): string => {
  if (isOpen(text)) return text
  return looksRandom(text) || knownForms.test(text) ? mask : text
}

/** An address with its password, the values of its query and what looks like a key in its path masked. */
const maskedAddress = (text: string): string => {
  const [before = "", ...query] = text.split("?")
  const host = /^([a-z][a-z0-9+.-]*:\/\/)(?:([^/@]*)@)?([^/]*)(.*)$/is.exec(before)
  const path = host === null ? before : host[4]!
  const segments = path.split("/").map(maskedPart).join("/")
  const user = host?.[2] === undefined ? "" : isReference(host[2]) ? `${host[2]}@` : `${mask}@`
  const place = host === null ? segments : `${host[1]}${user}${host[3]}${segments}`
  if (query.length === 0) return place
  const pairs = query.join("?").split("&")
  return `${place}?${pairs
    .map((pair) => {
      const at = pair.indexOf("=")
      if (at === -1) return maskedPart(pair)
      return isOpen(pair.slice(at + 1)) ? pair : `${pair.slice(0, at + 1)}${mask}`
    })
    .join("&")}`
}

const flag = /^-{1,2}([A-Za-z][\w-]*)(=.*)?$/s

/** An argument, with the one before it, whose value it may be. */
const maskedArgument = (text: string, before: unknown): string => {
  const own = flag.exec(text)
  if (own !== null) {
    const value = own[2]?.slice(1)
    if (value === undefined || isOpen(value)) return text
    return secretNames.test(own[1]!) || maskedPart(value) !== value
      ? `${text.slice(0, text.length - value.length)}${mask}`
      : text
  }
  const named = typeof before === "string" ? flag.exec(before) : null
  if (named !== null && named[2] === undefined && secretNames.test(named[1]!) && !isOpen(text)) return mask
  const pair = /^([A-Za-z_][A-Za-z0-9_]*)=(.*)$/s.exec(text)
  if (pair !== null && secretNames.test(pair[1]!) && !isOpen(pair[2]!)) return `${pair[1]}=${mask}`
  return /^[a-z]+:\/\//i.test(text) ? maskedAddress(text) : maskedPart(text)
}

interface Place {
  readonly keys: ReadonlyArray<PropertyKey>
  /** The element before it in a list. */
  readonly before?: unknown
}

const maskedLeaf = (value: unknown, { before, keys }: Place): unknown => {
  if (typeof value !== "string" && typeof value !== "number") return value
  const name = keys.findLast((key) => typeof key === "string") ?? ""
  const parent = keys.at(-2)
  const isSecret =
    (typeof parent === "string" && secretParts.has(parent)) ||
    (secretNames.test(String(name)) && !openNames.has(String(name)))
  if (typeof value === "number") return isSecret ? mask : value
  if (isSecret) return isOpen(value) ? value : mask
  if (name === "args" || name === "command") return maskedArgument(value, before)
  return /^[a-z]+:\/\//i.test(value) ? maskedAddress(value) : maskedPart(value)
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const own = (value: unknown, key: string): unknown =>
  isObject(value) && Object.hasOwn(value, key) ? value[key] : undefined

const walk = (value: unknown, place: Place, leaf: (value: unknown, place: Place) => unknown): unknown => {
  if (Array.isArray(value)) {
    return value.map((item: unknown, at) =>
      walk(item, { keys: [...place.keys, at], before: value[at - 1] as unknown }, leaf)
    )
  }
  if (!isObject(value)) return leaf(value, place)
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [key, walk(item, { keys: [...place.keys, key] }, leaf)])
  )
}

/** What may be shown; `keys` is the place of the value in the document. */
export const masked = (value: unknown, keys: ReadonlyArray<PropertyKey> = []): unknown =>
  walk(value, { keys }, maskedLeaf)

/**
 * A written value with what it holds masked put back from the stored one, from the very same place; and the places where
 * there is nothing to put back.
 */
export const unmasked = (
  written: unknown,
  stored: unknown,
  keys: ReadonlyArray<PropertyKey> = []
): { readonly value: unknown; readonly problems: ReadonlyArray<SettingsFinding> } => {
  const problems: Array<SettingsFinding> = []
  const at = (path: ReadonlyArray<PropertyKey>): { readonly value: unknown; readonly before: unknown } => {
    let value = stored
    let before: unknown
    for (const key of path) {
      const list: ReadonlyArray<unknown> | undefined = Array.isArray(value) ? value : undefined
      before = typeof key === "number" ? list?.[key - 1] : undefined
      value = typeof key === "number" ? list?.[key] : own(value, String(key))
    }
    return { value, before }
  }
  const value = walk(written, { keys }, (leaf, place) => {
    if (typeof leaf !== "string" || !leaf.includes(mask)) return leaf
    const kept = at(place.keys.slice(keys.length))
    if (kept.value !== undefined && maskedLeaf(kept.value, { ...place, before: kept.before }) === leaf)
      return kept.value
    problems.push({ path: pathText(place.keys), reason: "There is no value behind this mask; write the value itself" })
    return leaf
  })
  return { value, problems }
}
