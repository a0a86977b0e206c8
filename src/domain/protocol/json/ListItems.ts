/**
 * The entries of servers' lists as strict clients take them: one that a client cannot read makes it reject the lists of
 * all servers. What has one meaning is repaired: members that are null, an empty or missing schema of arguments, empty
 * arrays where some languages mean an empty object. Optional members of a wrong shape are left out, and so is the entry
 * whose required ones are.
 *
 * Source: MCP 2025-11-25 schema, `Tool`, `Prompt`, `Resource`, `ResourceTemplate`, `Icon`, `Annotations`.
 */
import { Predicate } from "effect"
import { withoutNulls } from "../AbsentMembers.ts"
import type { JsonObject } from "../JsonRpc.ts"
import { isJsonObject } from "../JsonObjects.ts"
import type { ListKind } from "../Methods.ts"
import type { Era } from "../Versions.ts"

export type ListItem = { readonly isUsable: true; readonly key: string; readonly item: JsonObject } | UnusableItem

export interface UnusableItem {
  readonly isUsable: false
  /** As far as it has one. */
  readonly name: string
  /** A sentence about it. */
  readonly reason: string
}

const keyField: Readonly<Record<ListKind, string>> = {
  tools: "name",
  prompts: "name",
  resources: "uri",
  templates: "uriTemplate"
}

/** Names, addresses and cursors go into other messages and into logs. */
const maxNameLength = 4_096

/** A text that can be sent back to its server. */
export const isName = (value: unknown): value is string => Predicate.isString(value) && value.length <= maxNameLength

/** Thrown by the readers below and caught in `readItem`: the entry cannot be used. */
class Unusable extends Error {}

/** The value as it should be; `undefined` for one that is left out. */
type Reader = (value: unknown) => unknown

const isEmptyArray = (value: unknown): boolean => Array.isArray(value) && value.length === 0

const text: Reader = (value) => (Predicate.isString(value) ? value : undefined)
const flag: Reader = (value) => (Predicate.isBoolean(value) ? value : undefined)
const number: Reader = (value) => (Predicate.isNumber(value) && value >= 0 ? value : undefined)
const object: Reader = (value) => (isJsonObject(value) ? value : undefined)

/** The object with its members read by these readers; the same one where nothing changes. */
const read = (given: JsonObject, readers: Readonly<Record<string, Reader>>): JsonObject => {
  const present = withoutNulls(given) as JsonObject
  let changed: Record<string, unknown> | undefined
  for (const name in readers) {
    const value = present[name]
    const known = value === undefined ? undefined : readers[name]!(value)
    if (known === value) continue
    changed ??= { ...present }
    if (known === undefined) delete changed[name]
    else changed[name] = known
  }
  return changed ?? present
}

const members =
  (readers: Readonly<Record<string, Reader>>): Reader =>
  (value) =>
    isJsonObject(value) ? read(value, readers) : undefined

const icons: Reader = (value) => {
  if (!Array.isArray(value)) return undefined
  const usable = value.filter((icon) => isJsonObject(icon) && Predicate.isString(icon["src"]))
  return usable.map((icon: JsonObject) => read(icon, { mimeType: text, sizes: texts, theme: text }))
}

const texts: Reader = (value) => (Array.isArray(value) && value.every(Predicate.isString) ? value : undefined)

const toolAnnotations = members({
  title: text,
  readOnlyHint: flag,
  destructiveHint: flag,
  idempotentHint: flag,
  openWorldHint: flag
})

const annotations = members({ audience: texts, priority: number, lastModified: text })

/** A schema as an object, which `true` and `false` are not. */
export const objectForm = (schema: unknown): unknown =>
  typeof schema === "boolean" ? (schema ? {} : { not: {} }) : schema

/** The schema of an object, by whatever name its type goes; `undefined` for that of anything else. */
const objectSchema = (schema: JsonObject): JsonObject | undefined => {
  const { type = "object" } = schema
  const types: ReadonlyArray<unknown> = Array.isArray(type) ? type : [type]
  if (!types.includes("object") || types.some((one) => one !== "object" && one !== "null")) return undefined
  return read(schema["type"] === "object" ? schema : { ...schema, type: "object" }, { properties, required: texts })
}

const properties: Reader = (value) => {
  if (isEmptyArray(value)) return {}
  if (!isJsonObject(value)) throw new Unusable("The properties of its schema are no object")
  if (Object.values(value).every(isJsonObject)) return value
  return Object.fromEntries(
    Object.entries(value).map(([name, schema]) => {
      const known = schema === null || isEmptyArray(schema) ? {} : objectForm(schema)
      if (!isJsonObject(known)) throw new Unusable(`The schema of its property ${JSON.stringify(name)} is none`)
      return [name, known]
    })
  )
}

const inputSchema = (value: unknown): JsonObject => {
  if (value === undefined || value === null || value === true || isEmptyArray(value)) return { type: "object" }
  if (!isJsonObject(value)) throw new Unusable("Its inputSchema is no schema")
  const schema = objectSchema(withoutNulls(value) as JsonObject)
  if (schema === undefined) throw new Unusable("Its inputSchema is not that of an object")
  return schema
}

/** A schema that says nothing is none; servers of the stateless revision may have one of any type. */
const outputSchema =
  (era: Era): Reader =>
  (value) => {
    if (era === "stateless") return isJsonObject(value) || Predicate.isBoolean(value) ? value : undefined
    if (!isJsonObject(value) || Object.keys(value).length === 0) return undefined
    try {
      return objectSchema(withoutNulls(value) as JsonObject)
    } catch {
      return undefined
    }
  }

const promptArguments: Reader = (value) => {
  if (isJsonObject(value) && Object.keys(value).length === 0) return undefined
  if (!Array.isArray(value)) throw new Unusable("Its arguments are no list")
  return value.map((argument: unknown) => {
    if (!isJsonObject(argument) || !Predicate.isString(argument["name"])) {
      throw new Unusable("One of its arguments has no name")
    }
    return read(argument, { title: text, description: text, required: flag })
  })
}

const common = { title: text, description: text, icons, _meta: object }

const resource = { ...common, name: text, mimeType: text, annotations }

const readers: Readonly<Record<ListKind, (era: Era) => Readonly<Record<string, Reader>>>> = {
  tools: (era) => ({ ...common, annotations: toolAnnotations, execution: object, outputSchema: outputSchema(era) }),
  prompts: () => ({ ...common, arguments: promptArguments }),
  resources: () => ({ ...resource, size: number }),
  templates: () => resource
}

/** What a client needs of such an entry beside its key, and its server may have left out. */
const completed = (kind: ListKind, key: string, item: JsonObject): JsonObject => {
  if (kind === "tools") {
    const schema = inputSchema(item["inputSchema"])
    return schema === item["inputSchema"] ? item : { ...item, inputSchema: schema }
  }
  return kind === "prompts" || "name" in item ? item : { ...item, name: key }
}

export const readItem = (kind: ListKind, era: Era, value: unknown): ListItem => {
  const given = isJsonObject(value) ? value[keyField[kind]] : undefined
  const name = Predicate.isString(given) ? given.slice(0, 100) : ""
  if (!isJsonObject(value)) return { isUsable: false, name, reason: "It is no object" }
  if (!isName(given) || given === "") {
    return { isUsable: false, name, reason: `Its ${keyField[kind]} is no text of 1 to ${maxNameLength} characters` }
  }
  try {
    return { isUsable: true, key: given, item: completed(kind, given, read(value, readers[kind](era))) }
  } catch (cause) {
    if (cause instanceof Unusable) return { isUsable: false, name, reason: cause.message }
    throw cause
  }
}
