/**
 * The facts about MCP's methods that the hub needs to route them: the kind of list, the capability.
 *
 * Source: MCP 2025-11-25 schema.
 */

export type ListKind = "tools" | "prompts" | "resources" | "templates"

export interface ListMethod {
  readonly method: string
  /** The field of the result that holds the array. */
  readonly field: string
  /** The capability without which the hub does not ask an upstream. */
  readonly capability: string
  /** The notification that makes a cached list stale. */
  readonly changed: string
}

export const lists: Readonly<Record<ListKind, ListMethod>> = {
  tools: {
    method: "tools/list",
    field: "tools",
    capability: "tools",
    changed: "notifications/tools/list_changed"
  },
  prompts: {
    method: "prompts/list",
    field: "prompts",
    capability: "prompts",
    changed: "notifications/prompts/list_changed"
  },
  resources: {
    method: "resources/list",
    field: "resources",
    capability: "resources",
    changed: "notifications/resources/list_changed"
  },
  templates: {
    method: "resources/templates/list",
    field: "resourceTemplates",
    capability: "resources",
    changed: "notifications/resources/list_changed"
  }
}

export const listKinds = Object.keys(lists) as ReadonlyArray<ListKind>

/** Requests that read, or set something to a value: the hub can send them again when an answer was lost. */
const repeatable: ReadonlySet<string> = new Set([
  "initialize",
  "server/discover",
  "ping",
  ...Object.values(lists).map(({ method }) => method),
  "prompts/get",
  "resources/read",
  "resources/subscribe",
  "resources/unsubscribe",
  "completion/complete",
  "logging/setLevel",
  "tasks/list",
  "tasks/get",
  "tasks/result",
  "tasks/cancel"
])

/** Whether a request does no harm when executed twice. Unknown methods count as harmful. */
export const isRepeatable = (method: string): boolean => repeatable.has(method)

/** The client capability a server-to-client request needs; `undefined` for methods no client offers. */
export const clientCapability = (method: string): "sampling" | "elicitation" | "roots" | undefined => {
  switch (method) {
    case "sampling/createMessage":
      return "sampling"
    case "elicitation/create":
      return "elicitation"
    case "roots/list":
      return "roots"
    default:
      return undefined
  }
}
