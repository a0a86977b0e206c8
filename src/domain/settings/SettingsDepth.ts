/**
 * The depth of settings. Functions that call themselves read and write them, and so does `JSON.stringify`: a document
 * of some thousand levels would overflow the stack of whoever looks at it.
 */
import { pathText, type SettingsFinding } from "./SettingsFinding.ts"

/** Levels of objects and lists; settings that mean anything have ten at most, and an inline OpenAPI document thirty. */
export const deepest = 100

/** Levels that a finding names; all of them would fill a screen. */
const named = 5

/** The first place that is nested deeper than settings may be. Calls nothing of itself, however deep the document is. */
export const tooDeep = (document: unknown): SettingsFinding | undefined => {
  const open: Array<{ readonly value: unknown; readonly depth: number; readonly path: ReadonlyArray<PropertyKey> }> = [
    { value: document, depth: 1, path: [] }
  ]
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { depth, path, value } = next
    if (typeof value !== "object" || value === null) continue
    if (depth > deepest) {
      return { path: pathText(path), reason: `This is nested deeper than ${deepest} levels; flatten it, or remove it` }
    }
    for (const [key, inner] of Object.entries(value)) {
      const own = path.length === named ? path : [...path, Array.isArray(value) ? Number(key) : key]
      open.push({ value: inner, depth: depth + 1, path: own })
    }
  }
  return undefined
}
