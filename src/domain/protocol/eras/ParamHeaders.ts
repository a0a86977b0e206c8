/**
 * Tool arguments that also travel in headers: a property of a tool's `inputSchema` with `x-mcp-header: "Region"` is
 * repeated as `Mcp-Param-Region`. The hub checks these headers of its clients, computes them anew for upstreams, and as
 * a client drops tools with invalid annotations from its lists.
 *
 * Source: MCP 2026-07-28 `basic/transports` (custom headers from tool parameters), `server/tools` (schema extension).
 */
import { Result } from "effect"
import * as HeaderCodec from "./HeaderCodec.ts"
import type { JsonObject, JsonRpcErrorObject } from "../JsonRpc.ts"
import { isJsonObject } from "../JsonObjects.ts"
import { headerNames, type ReadHeader } from "./StandardHeaders.ts"
import { headerMismatch } from "./StatelessErrors.ts"

export interface HeaderParam {
  /** The name without the prefix, as the tool spells it. */
  readonly header: string
  /** Property names from the arguments down. */
  readonly path: ReadonlyArray<string>
  readonly type: "string" | "integer" | "boolean"
}

const annotation = "x-mcp-header"

/** RFC 9110 §5.6.2. */
const token = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/

/** Keywords whose value is a schema or an array of schemas, and keywords whose value maps names to schemas. */
const schemaKeywords = [
  "items",
  "prefixItems",
  "additionalItems",
  "contains",
  "additionalProperties",
  "unevaluatedProperties",
  "unevaluatedItems",
  "propertyNames",
  "contentSchema",
  "oneOf",
  "anyOf",
  "allOf",
  "not",
  "if",
  "then",
  "else"
]
const namedSchemaKeywords = ["patternProperties", "dependentSchemas", "dependencies", "$defs", "definitions"]

/**
 * A schema within the schema. Names are kept in a chain, because a copied path for each would take quadratic memory in
 * the depth.
 */
interface Place {
  readonly schema: JsonObject
  readonly name: string
  readonly parent: Place | undefined
  readonly depth: number
  /** Whether `properties` alone lead here, so that the value can be found in any arguments. */
  readonly reachable: boolean
}

/** The hub's own limit: arguments nested deeper do not travel in headers. */
const maxDepth = 64

const pathOf = (place: Place): ReadonlyArray<string> => {
  const path: Array<string> = []
  for (let at = place; at.parent !== undefined; at = at.parent) path.push(at.name)
  return path.reverse()
}

/** The headers a schema declares, or the reason why one annotation is invalid, which makes the whole tool invalid. */
export type Scan =
  | { readonly ok: true; readonly params: ReadonlyArray<HeaderParam> }
  | { readonly ok: false; readonly reason: string }

/**
 * The annotations of a tool's `inputSchema`. The reason names the property and nothing of its content. Does not
 * recurse: a schema may be nested as deep as its author likes.
 */
export const scan = (inputSchema: unknown): Scan => {
  const params: Array<HeaderParam> = []
  const taken = new Set<string>()
  const places: Array<Place> = []
  const visit = (schema: unknown, name: string, parent: Place | undefined, reachable: boolean): void => {
    if (isJsonObject(schema)) places.push({ schema, name, parent, depth: (parent?.depth ?? -1) + 1, reachable })
  }
  visit(inputSchema, "", undefined, true)
  for (let place = places.pop(); place !== undefined; place = places.pop()) {
    const { schema, reachable } = place
    if (Object.hasOwn(schema, annotation)) {
      const param = readAnnotation(place)
      if (Result.isFailure(param)) return { ok: false, reason: param.failure }
      const { header } = param.success
      if (taken.has(header.toLowerCase())) {
        return { ok: false, reason: `Two properties share the ${annotation} "${header}"` }
      }
      taken.add(header.toLowerCase())
      params.push(param.success)
    }
    for (const keyword of schemaKeywords) {
      const inner = schema[keyword]
      for (const branch of Array.isArray(inner) ? inner : [inner]) visit(branch, keyword, place, false)
    }
    for (const keyword of namedSchemaKeywords) {
      const inner = schema[keyword]
      if (!isJsonObject(inner)) continue
      for (const branch of Object.values(inner)) visit(branch, keyword, place, false)
    }
    const properties = schema["properties"]
    if (!isJsonObject(properties)) continue
    // In reverse, so that the stack yields them in their order in the schema.
    for (const [name, property] of Object.entries(properties).reverse()) visit(property, name, place, reachable)
  }
  return { ok: true, params }
}

const readAnnotation = (place: Place): Result.Result<HeaderParam, string> => {
  if (place.depth > maxDepth)
    return Result.fail(`A property nested deeper than ${maxDepth} levels has an ${annotation}`)
  const path = pathOf(place)
  const where = path.length === 0 ? "The schema itself" : `The property ${path.join(".")}`
  const header = place.schema[annotation]
  const type = place.schema["type"]
  if (!place.reachable || path.length === 0) {
    return Result.fail(`${where} has an ${annotation} but is not reached through "properties" alone`)
  }
  if (typeof header !== "string" || !token.test(header)) {
    return Result.fail(`${where} has an ${annotation} that is no header name (RFC 9110 token)`)
  }
  if (type !== "string" && type !== "integer" && type !== "boolean") {
    return Result.fail(`${where} has an ${annotation} but its type is not string, integer or boolean`)
  }
  return Result.succeed({ header, path, type })
}

const at = (argumentsObject: unknown, path: ReadonlyArray<string>): unknown => {
  let value = argumentsObject
  for (const name of path) {
    if (!isJsonObject(value) || !Object.hasOwn(value, name)) return undefined
    value = value[name]
  }
  return value
}

/** The text of a value in a header; none for absent values, objects and integers that lost precision. */
const textOf = (value: unknown): string | undefined => {
  switch (typeof value) {
    case "string":
      return value
    case "boolean":
      return String(value)
    case "number":
      return Number.isFinite(value) && (!Number.isInteger(value) || Number.isSafeInteger(value))
        ? String(value)
        : undefined
    default:
      return undefined
  }
}

/** The headers for these arguments; null and absent ones have none. */
export const toHeaders = (params: ReadonlyArray<HeaderParam>, args: unknown): Record<string, string> => {
  const headers: Record<string, string> = {}
  for (const { header, path } of params) {
    const text = textOf(at(args, path))
    if (text !== undefined) headers[headerNames.paramPrefix + header] = HeaderCodec.encode(text)
  }
  return headers
}

/**
 * Compares the headers of a `tools/call` with its arguments: -32020 for the first that is missing, unreadable or
 * different. Where the arguments have no value (absent or null), no header is expected and one that came is ignored,
 * like `Mcp-Param-*` that the tool does not declare.
 */
export const check = (
  header: ReadHeader,
  params: ReadonlyArray<HeaderParam>,
  args: unknown
): JsonRpcErrorObject | undefined => {
  for (const param of params) {
    const value = at(args, param.path)
    const text = textOf(value)
    if (text === undefined) continue
    const name = headerNames.paramPrefix + param.header
    const field = ["params.arguments", ...param.path].join(".")
    const received = header(name)
    if (received === undefined) return headerMismatch(name, field, "missing")
    const decoded = HeaderCodec.decode(received)
    if (Result.isFailure(decoded)) return headerMismatch(name, field, "encoding")
    if (!HeaderCodec.matches(decoded.success, text) && !sameNumber(param.type, decoded.success, value)) {
      return headerMismatch(name, field, "different")
    }
  }
  return undefined
}

/** `42` and `42.0` are the same integer. */
const sameNumber = (type: HeaderParam["type"], text: string, value: unknown): boolean =>
  type === "integer" && typeof value === "number" && /^-?\d+(\.\d+)?$/.test(text) && Number(text) === value
