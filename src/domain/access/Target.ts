/** The target of a client, from `/mcp/:target`: everything the user may reach, one group of theirs, or one server. */
export type Target =
  | { readonly kind: "all"; readonly text: string }
  | { readonly kind: "group" | "server"; readonly name: string; readonly text: string }

/** `text` tells targets apart: it is part of the name of every session. */
export const everything: Target = { kind: "all", text: "*" }

export const targetNamed = (kind: "group" | "server", name: string): Target => ({ kind, name, text: `${kind}:${name}` })
