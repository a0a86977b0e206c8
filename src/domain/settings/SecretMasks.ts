/**
 * Settings as they are shown: what may be a secret is masked, and what came masked is put back when they are written
 * again, so that a page can show and change settings without ever holding a secret.
 *
 * Values of headers and of a child's environment are masked unless they are a reference, such as `${USER_X}`; so is all
 * below a key that names a secret, and of other texts what `MaskedText` says.
 */
import { mask, maskedArgument, maskedText, masking } from "./MaskedText.ts"
import { namesSecret } from "./SecretNames.ts"
import { tooDeep } from "./SettingsDepth.ts"
import { pathText, type SettingsFinding } from "./SettingsFinding.ts"

const secretParts: ReadonlySet<string> = new Set(["env", "headers", "environment"])
const commandLines: ReadonlySet<string> = new Set(["args", "arguments", "argv", "cmd", "command", "entrypoint"])
/** Their keys are names that somebody has given, of servers, tools and the like. */
const namingParts: ReadonlySet<unknown> = new Set(["mcpServers", "tools", "providers"])

type Keys = ReadonlyArray<PropertyKey>

const isSecretPlace = (keys: Keys): boolean =>
  keys.some(
    (key, at) => typeof key === "string" && !namingParts.has(keys[at - 1]) && (secretParts.has(key) || namesSecret(key))
  )

/** `before`: the element before it in a list. */
const maskedLeaf = (value: unknown, keys: Keys, before: unknown): unknown => {
  if (typeof value !== "string" && typeof value !== "number") return value
  const isSecret = isSecretPlace(keys)
  if (typeof value === "number") return isSecret ? mask : value
  if (isSecret) return masking(value)
  const name = keys.findLast((key) => typeof key === "string") ?? ""
  return commandLines.has(String(name)) ? maskedArgument(value, before) : maskedText(value)
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const isList: (value: unknown) => value is ReadonlyArray<unknown> = Array.isArray

const own = (value: unknown, key: string): unknown =>
  isObject(value) && Object.hasOwn(value, key) ? value[key] : undefined

/** What may be shown of settings that were checked; `keys` is the place of the value in the document. */
export const masked = (value: unknown, keys: Keys = [], before?: unknown): unknown => {
  if (isList(value)) return value.map((item, at) => masked(item, [...keys, at], value[at - 1]))
  if (!isObject(value)) return maskedLeaf(value, keys, before)
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, masked(item, [...keys, key])]))
}

/** Members that say whose a secret is, or where it goes. */
const identities: ReadonlySet<string> = new Set(["name", "username", "id", "clientId", "command"])
const places: ReadonlySet<string> = new Set(["url", "httpUrl", "serverUrl"])

/** Scheme, user, host and port as they are written. */
const originOf = (text: string): string => /^[a-z][a-z0-9+.-]*:\/\/[^/?#\\]*/i.exec(text)?.[0] ?? text

/** What a secret below an object belongs to, as it is shown: names, the program, and the origins of addresses. */
const holderOf = (shown: unknown, keys: Keys): string => {
  // Members of these are the secrets themselves.
  if (!isObject(shown) || secretParts.has(String(keys.at(-1)))) return ""
  const openapi = own(own(shown, "openapi"), "url")
  const members = [...Object.entries(shown), ["openapi", openapi] as const].flatMap(([key, value]) => {
    if (identities.has(key)) return isObject(value) ? [] : [[key, value]]
    const isPlace = typeof value === "string" && (places.has(key) || originOf(value) !== value || value.includes("://"))
    return isPlace ? [[key, originOf(value)]] : []
  })
  return JSON.stringify(members.sort(([one], [other]) => (String(one) < String(other) ? -1 : 1)))
}

const noValue = "There is no value behind this mask; write the value itself"
const moved =
  "What this mask belongs to (the flag or name before it, the command, or the server's address) has changed; enter the value again in place of the mask"

/**
 * A written value with what it holds masked put back from the stored one: from the very same place, where it belongs to
 * the same flag, name, program and address as before. And the places where nothing is put back.
 */
export const unmasked = (
  written: unknown,
  stored: unknown,
  keys: Keys = []
): { readonly value: unknown; readonly problems: ReadonlyArray<SettingsFinding> } => {
  const deep = tooDeep(written)
  if (deep !== undefined) return { value: undefined, problems: [deep] }
  const problems: Array<SettingsFinding> = []
  const put = (given: unknown, shown: unknown, kept: unknown, place: Keys, isSame: boolean): unknown => {
    if (isList(given)) {
      let isStill = isSame
      return given.map((item, at) => {
        const [before, value] = isList(shown) && isList(kept) ? [shown[at], kept[at]] : []
        const result = put(item, before, value, [...place, at], isStill)
        // A flag is the name of what follows, and what comes before it the program.
        if (!isObject(item) && !isList(item) && item !== before) isStill = false
        return result
      })
    }
    if (isObject(given)) {
      const isStill = isSame && holderOf(given, place) === holderOf(shown, place)
      const entries = Object.entries(given).map(([key, item]) => {
        return [key, put(item, own(shown, key), own(kept, key), [...place, key], isStill)] as const
      })
      return Object.fromEntries(entries)
    }
    if (typeof given !== "string" || !given.includes(mask)) return given
    if (given === shown && isSame) return kept
    problems.push({ path: pathText(place), reason: given === shown ? moved : noValue })
    return given
  }
  const value = put(written, masked(stored, keys), stored, keys, true)
  return { value, problems }
}
