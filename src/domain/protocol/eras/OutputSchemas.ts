/**
 * Structured output for clients of the stateful revisions. Since 2026-07-28 a tool's `outputSchema` and its
 * `structuredContent` may be of any type. Before, both were objects, and a client of that time rejects the whole list
 * over one tool that differs. So the hub wraps such a schema as the object `{ result: … }`, and likewise what the tool
 * returns.
 *
 * Source: MCP 2025-11-25 schema `Tool`, `CallToolResult`; MCP 2026-07-28 `server/tools` (SEP-2106).
 */
import type { JsonObject } from "../JsonRpc.ts"
import { isJsonObject } from "../JsonObjects.ts"
import { objectForm } from "../json/ListItems.ts"

/** Deeper schemas stay as they are: no real one is that deep, and the walk recurses. */
const maxDepth = 128

const isObjectSchema = (schema: unknown): boolean => isJsonObject(schema) && schema["type"] === "object"

/** Whether old clients get a tool's output as `{ result: … }`. */
export const isWrapped = (outputSchema: unknown): boolean => outputSchema !== undefined && !isObjectSchema(outputSchema)

/** The schema with a root of `type: "object"`, whose `$ref`s keep their meaning. */
export const objectSchema = (outputSchema: unknown): unknown => {
  if (!isWrapped(outputSchema)) return withObjectProperties(outputSchema)
  const $schema =
    isJsonObject(outputSchema) && typeof outputSchema["$schema"] === "string" ? outputSchema["$schema"] : undefined
  return {
    ...($schema === undefined ? {} : { $schema }),
    type: "object",
    properties: { result: isJsonObject(outputSchema) ? moved(outputSchema, false, 0) : objectForm(outputSchema) },
    required: ["result"]
  }
}

/** `true` and `false` are schemas too, but old clients want an object for every property. */
export const withObjectProperties = (schema: unknown): unknown => {
  if (!isJsonObject(schema)) return schema
  const properties = schema["properties"]
  if (!isJsonObject(properties) || !Object.values(properties).some((property) => typeof property === "boolean"))
    return schema
  return {
    ...schema,
    properties: Object.fromEntries(Object.entries(properties).map(([name, property]) => [name, objectForm(property)]))
  }
}

/** Keywords whose value is data, in which a `$ref` is no reference, and keywords whose value maps names to schemas. */
const dataKeywords = new Set(["const", "enum", "default", "examples"])
const namedSchemaKeywords = new Set([
  "properties",
  "patternProperties",
  "$defs",
  "definitions",
  "dependentSchemas",
  "dependencies"
])

const newRoot = "#/properties/result"

/** A bare fragment (`#item`) is a name in this document; anything else starts a document of its own. */
const startsDocument = (schema: JsonObject): boolean => {
  const id = schema["$id"]
  return id !== undefined && !(typeof id === "string" && id.startsWith("#"))
}

/** The schema as a property of the new root: references into the document follow their targets. */
const moved = (value: unknown, isNameMap: boolean, depth: number): unknown => {
  if (depth > maxDepth) return value
  if (Array.isArray(value)) return value.map((item) => moved(item, false, depth + 1))
  if (!isJsonObject(value) || (!isNameMap && startsDocument(value))) return value
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => {
      if (isNameMap) return [key, moved(inner, false, depth + 1)]
      if (key === "$ref" || key === "$dynamicRef") return [key, movedReference(inner)]
      return [key, dataKeywords.has(key) ? inner : moved(inner, namedSchemaKeywords.has(key), depth + 1)]
    })
  )
}

const movedReference = (reference: unknown): unknown =>
  reference === "#" || (typeof reference === "string" && reference.startsWith("#/"))
    ? newRoot + reference.slice(1)
    : reference

/**
 * A `tools/call` result with `structuredContent` that is an object, or none. `outputSchema` is the tool's own, as its
 * server lists it: where the hub wraps it, the hub wraps every value, objects included. For clients that read only
 * text, the value becomes text if the tool wrote none.
 */
export const objectContent = (result: JsonObject, outputSchema: unknown): JsonObject => {
  const value = result["structuredContent"]
  if (value === undefined || (isJsonObject(value) && !isWrapped(outputSchema))) return result
  const content: ReadonlyArray<unknown> = Array.isArray(result["content"]) ? result["content"] : []
  const hasText = content.some((block) => isJsonObject(block) && block["type"] === "text")
  return {
    ...result,
    content: hasText || isJsonObject(value) ? content : [...content, { type: "text", text: JSON.stringify(value) }],
    structuredContent: { result: value }
  }
}
