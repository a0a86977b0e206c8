/**
 * Capabilities on their way to the other era. Most read the same on both sides: `listChanged` and `resources.subscribe`
 * use a GET stream and `resources/subscribe` in the stateful era, `subscriptions/listen` in the stateless one.
 * Capabilities without a counterpart are dropped, so that nobody offers what the hub cannot carry: the tasks of
 * 2025-11-25 and the tasks extension are different wires, and nothing announces changes of roots in 2026-07-28.
 *
 * Source: MCP 2025-11-25 and 2026-07-28 schemas, `ServerCapabilities`, `ClientCapabilities`; SEP-2663.
 */
import { tasksExtension } from "./Admission.ts"
import type { JsonObject } from "../JsonRpc.ts"
import { isJsonObject, objectOrEmpty } from "../JsonObjects.ts"

/** A server's capabilities as a client of the other era sees them; the same in both directions. */
export const serverCapabilitiesAcross = (capabilities: JsonObject): JsonObject => withoutTasks(capabilities)

/** A client's capabilities as an upstream of the other era sees them; the same in both directions. */
export const clientCapabilitiesAcross = (capabilities: JsonObject): JsonObject => {
  const kept = withoutTasks(capabilities)
  const roots = kept["roots"]
  if (!isJsonObject(roots) || !("listChanged" in roots)) return kept
  const { listChanged: _, ...rest } = roots
  return { ...kept, roots: rest }
}

/**
 * The capability that a server's question (`elicitation/create`, `sampling/createMessage`, `roots/list`) needs and the
 * client did not declare, in the shape of `ClientCapabilities`; `undefined` when the server may ask.
 */
export const requiredCapability = ({ method, params }: JsonObject, declared: JsonObject): JsonObject | undefined => {
  const given = objectOrEmpty(params)
  switch (method) {
    case "elicitation/create": {
      const mode = given["mode"] === "url" ? "url" : "form"
      const elicitation = declared["elicitation"]
      // A client that names no mode means forms (MCP `client/elicitation`).
      const able =
        isJsonObject(elicitation) && (mode in elicitation || (mode === "form" && Object.keys(elicitation).length === 0))
      return able ? undefined : { elicitation: { [mode]: {} } }
    }
    case "sampling/createMessage": {
      const sampling = declared["sampling"]
      if (given["tools"] === undefined) return isJsonObject(sampling) ? undefined : { sampling: {} }
      return isJsonObject(sampling) && "tools" in sampling ? undefined : { sampling: { tools: {} } }
    }
    case "roots/list":
      return "roots" in declared ? undefined : { roots: {} }
    default:
      return undefined
  }
}

const withoutTasks = (capabilities: JsonObject): JsonObject => {
  const { tasks: _, ...kept } = capabilities
  const extensions = kept["extensions"]
  if (!isJsonObject(extensions) || !(tasksExtension in extensions)) return kept
  const { [tasksExtension]: _tasks, ...others } = extensions
  const { extensions: _all, ...rest } = kept
  return Object.keys(others).length === 0 ? rest : { ...rest, extensions: others }
}
