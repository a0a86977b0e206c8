/**
 * The places in results and list entries where URIs of resources stand, for whoever has to rename them alike: links and
 * embedded resources of tools and prompts, contents that were read, and user interfaces in `_meta` (MCP Apps).
 *
 * Source: MCP 2025-11-25 schema, `ContentBlock`, `ReadResourceResult`; MCP Apps 2026-01-26 (`_meta.ui.resourceUri`).
 */
import { uiScheme } from "./ExposedNames.ts"
import type { JsonObject } from "./JsonRpc.ts"
import { isJsonObject } from "./JsonObjects.ts"

type Rename = (uri: string) => string

const member = (holder: JsonObject, name: string, change: (value: unknown) => unknown): JsonObject => {
  const value = holder[name]
  const changed = value === undefined ? value : change(value)
  return changed === value ? holder : { ...holder, [name]: changed }
}

const items =
  (change: (value: unknown) => unknown) =>
  (value: unknown): unknown => {
    if (!Array.isArray(value)) return value
    const changed = value.map(change)
    return changed.some((one, index) => one !== value[index]) ? changed : value
  }

const inObject =
  (change: (holder: JsonObject) => JsonObject) =>
  (value: unknown): unknown =>
    isJsonObject(value) ? change(value) : value

const uriOf = (rename: Rename) =>
  inObject((holder) => member(holder, "uri", (uri) => (typeof uri === "string" ? rename(uri) : uri)))

const block = (rename: Rename) =>
  inObject((content) => {
    if (content["type"] === "resource_link") return uriOf(rename)(content) as JsonObject
    return content["type"] === "resource" ? member(content, "resource", uriOf(rename)) : content
  })

/** Texts that are addresses of user interfaces, in the object and in its members. */
const interfaces = (rename: Rename, depth: number): ((value: unknown) => unknown) =>
  inObject((holder) => {
    let changed = holder
    for (const name in holder) {
      changed = member(changed, name, (value) => {
        if (typeof value === "string") return value.startsWith(uiScheme) ? rename(value) : value
        return depth > 0 ? interfaces(rename, depth - 1)(value) : value
      })
    }
    return changed
  })

/** An entry of a list, or a result, with the user interfaces that its `_meta` names renamed. */
export const renameInterfaces = (holder: JsonObject, rename: Rename): JsonObject =>
  member(holder, "_meta", interfaces(rename, 1))

const places: Readonly<Record<string, (result: JsonObject, rename: Rename) => JsonObject>> = {
  "tools/call": (result, rename) => member(result, "content", items(block(rename))),
  "prompts/get": (result, rename) =>
    member(result, "messages", items(inObject((message) => member(message, "content", contents(rename))))),
  "resources/read": (result, rename) => member(result, "contents", items(uriOf(rename)))
}

const contents =
  (rename: Rename) =>
  (value: unknown): unknown =>
    Array.isArray(value) ? items(block(rename))(value) : block(rename)(value)

/** Whether results of the method hold URIs of resources. */
export const holdsUris = (method: string): boolean => method in places

/** The result with its URIs renamed; the very same object where none changes. */
export const renameUris = (method: string, result: JsonObject, rename: Rename): JsonObject =>
  renameInterfaces(places[method]?.(result, rename) ?? result, rename)
